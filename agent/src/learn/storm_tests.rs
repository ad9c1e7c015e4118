//! Tests with a hundred thousand names: a storm of temporary files, numbered jobs, and a large site.

use std::time::{Duration, Instant};

use stockade_abi::access::{AccessSet, CREATE, DELETE, READ, WRITE};
use stockade_abi::reason::Operation;

use super::complete::{Baseline, LIMIT, complete};
use super::evidence::tests::Dice;
use super::evidence::{Evidence, Phase, Window, unit};
use super::how::How;
use super::store::{Adding, Key};
use crate::store::Store;
use crate::testing::TempDir;

const NAMES: u64 = 100_000;
/// As many as the agent writes at once.
const BATCH: usize = 2000;

fn name(n: u64, dice: &mut Dice) -> (String, AccessSet) {
    match n % 8 {
        0 | 1 | 4 | 5 => (format!("/var/cache/app/{:016x}.tmp", dice.next()), READ | WRITE | CREATE | DELETE),
        2 => (format!("/var/spool/app/job-{n}"), CREATE | DELETE),
        6 => (format!("/var/spool/app/job-{}/data", n - 4), READ | WRITE | CREATE),
        _ => (format!("/srv/site/{}/{}/page{}-{n}.html", n % 7, n % 90, dice.below(5)), READ),
    }
}

fn storm(store: &mut Store, names: u64) {
    let mut dice = Dice(23);
    let batches: Vec<u64> = (0..names).collect();
    for (second, batch) in (0_i64..).zip(batches.chunks(BATCH)) {
        let observations: Vec<(Key, Evidence)> = batch
            .iter()
            .map(|n| {
                let (object, access) = name(*n, &mut dice);
                let key = Key {
                    profile: "web".to_owned(),
                    session: false,
                    operation: Operation::File as u8,
                    access,
                    object: object.into_bytes(),
                };
                let evidence = Evidence {
                    first: second,
                    last: second,
                    count: 1,
                    windows: [unit(second * 1000, 1)].into_iter().collect(),
                    runs: [1].into_iter().collect(),
                    phases: Phase::Steady as u8,
                    exe: Some("/usr/bin/app".to_owned()),
                    parent: Some("/usr/bin/sh".to_owned()),
                    ..Evidence::default()
                };
                (key, evidence)
            })
            .collect();
        let full =
            store.observe(observations.iter().map(|(key, evidence)| (key, evidence)), Adding::New).unwrap();
        if !full.is_empty() {
            store.mark_incomplete("web", "there are too many observations", second).unwrap();
        }
        let window = Window { node: "n".to_owned(), started_ms: second * 1000, length_ms: 1000, units: 1 };
        store.add_window("web", &window).unwrap();
    }
}

fn recorded(dir: &TempDir) -> Baseline {
    let mut store = Store::open(dir.path()).unwrap();
    storm(&mut store, NAMES);
    Baseline::read(&store, "web").unwrap()
}

#[test]
fn a_storm_is_kept_whole_and_becomes_a_few_rules() {
    let began = Instant::now();
    let baseline = recorded(&TempDir::new("storm"));
    assert_eq!((baseline.seen.len() as u64, &baseline.loss), (NAMES, &None));
    let found = complete(&baseline, None, LIMIT, How::default());
    assert!(found.rules <= 20, "{} rules", found.rules);
    // It takes a tenth of that without optimisation. Comparing all with all takes minutes.
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[test]
#[ignore = "measures the memory of the process, in which no other test may run"]
fn a_storm_fits_into_memory() {
    let dir = TempDir::new("storm");
    let began = Instant::now();
    let baseline = recorded(&dir);
    let read = (began.elapsed(), peak_kib());
    let found = complete(&baseline, None, LIMIT, How::default());
    let done = (began.elapsed(), peak_kib());
    eprintln!(
        "{NAMES} names: time and KiB {read:?} until read again, {done:?} in all, {} rules",
        found.rules
    );
    assert!(done.1 < 150 * 1024, "{} KiB", done.1);
}

/// The most memory that the process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
