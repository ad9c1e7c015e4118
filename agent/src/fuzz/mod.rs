//! Mangled input for everything that reads bytes from outside.
//!
//! Each target has a directory of inputs, `tests/corpus/TARGET`. A run feeds every one of them to the
//! target, then mangled copies, as many as its count says, or for as long as `STOCKADE_FUZZ_SECONDS` says.
//! The seed is printed, and `STOCKADE_FUZZ_SEED` sets it: the same seed mangles in the same way. An input that
//! makes a target panic, or keeps it busy, is written into the corpus as `failure-…`, to be fed first from
//! then on.

mod mangle;
mod table;
mod targets;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mangle::Random;

/// An input that takes longer hangs: none takes a second where nothing else runs.
const HANGS: Duration = Duration::from_secs(60);

/// Something that reads bytes.
struct Target {
    name: &'static str,
    /// Mangled inputs in a run without a time.
    rounds: usize,
    /// Words of its language.
    words: &'static [&'static str],
    /// Reads one input, and says whether it was good; panics when what comes of it is wrong.
    read: fn(&[u8]) -> bool,
}

impl Target {
    fn corpus(&self) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus")).join(self.name)
    }

    fn inputs(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.corpus()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let inputs: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(!inputs.is_empty(), "{}: the corpus is empty", self.name);
        inputs
    }

    fn run(&self) {
        let seed = number("STOCKADE_FUZZ_SEED").unwrap_or(1);
        let end =
            number("STOCKADE_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let inputs = self.inputs();
        let watch = Watch::start(self);
        let good = inputs.iter().filter(|input| self.feed(input, &watch)).count();
        assert!(good > 0, "{}: nothing in the corpus is good any more", self.name);
        let mut random = Random::new(seed);
        let (mut count, mut good) = (0, 0);
        while end.map_or(count < self.rounds, |end| Instant::now() < end) {
            let input = random.mangled(&inputs, self.words);
            good += usize::from(self.feed(&input, &watch));
            count += 1;
        }
        println!(
            "{}: {} inputs, {count} mangled, {good} of them still good, seed {seed}",
            self.name,
            inputs.len()
        );
    }

    fn feed(&self, input: &[u8], watch: &Watch) -> bool {
        watch.set(Some(input));
        let done = panic::catch_unwind(AssertUnwindSafe(|| (self.read)(input)));
        watch.set(None);
        done.unwrap_or_else(|_| panic!("{}: the input is kept as {}", self.name, self.keep(input).display()))
    }

    fn keep(&self, input: &[u8]) -> PathBuf {
        let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let path = self.corpus().join(format!("failure-{hash:016x}"));
        fs::write(&path, input).unwrap();
        path
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Ends the process when an input hangs, for it cannot be stopped.
struct Watch(Sender<Option<Vec<u8>>>);

impl Watch {
    fn start(target: &Target) -> Self {
        let (watch, inputs) = mpsc::channel::<Option<Vec<u8>>>();
        let Target { name, rounds, words, read } = *target;
        std::thread::spawn(move || {
            while let Ok(input) = inputs.recv() {
                let Some(input) = input else { continue };
                if inputs.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                    let kept = Target { name, rounds, words, read }.keep(&input);
                    eprintln!("{name}: hangs; the input is kept as {}", kept.display());
                    std::process::abort();
                }
            }
        });
        Self(watch)
    }

    /// An input is fed, or is done.
    fn set(&self, input: Option<&[u8]>) {
        self.0.send(input.map(<[u8]>::to_vec)).unwrap();
    }
}
