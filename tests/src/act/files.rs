//! Opening files in every way there is a word for.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Between two opens that should be denied there are this many that should not: events of denials are
/// not merged, and a flood of them is another test.
const ALLOWED_PER_DENIED: u64 = 32;

/// How often what is opened again and again is opened.
const TIMES: u32 = 3;

/// Opens with the flags named (`read+write+append+trunc+create+excl`), then writes `text` if there is one.
pub(super) fn open(words: &str, path: &str, text: Option<&str>) -> Result<u8> {
    let mut file = File::from(rustix::fs::open(path, flags(words)?, Mode::from_raw_mode(0o644))?);
    if let Some(text) = text {
        file.write_all(text.as_bytes()).context("writing")?;
    }
    Ok(0)
}

fn flags(words: &str) -> Result<OFlags> {
    let mut flags = OFlags::CLOEXEC;
    let has = |name: &str| words.split('+').any(|word| word == name);
    flags |= match (has("read"), has("write")) {
        (true, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
        // Neither: the open is for ioctl alone.
        (false, false) => OFlags::from_bits_retain(3),
    };
    for word in words.split('+') {
        flags |= match word {
            "read" | "write" | "neither" => OFlags::empty(),
            "append" => OFlags::APPEND,
            "trunc" => OFlags::TRUNC,
            "create" => OFlags::CREATE,
            "excl" => OFlags::EXCL,
            _ => bail!("no flag `{word}`"),
        };
    }
    Ok(flags)
}

/// Prints what is in the file.
pub(super) fn read(path: &str) -> Result<u8> {
    let mut content = Vec::new();
    File::open(path)?.read_to_end(&mut content).context("reading")?;
    io::stdout().lock().write_all(&content).context("printing")?;
    Ok(0)
}

/// Opens every file of a list, whose paths end in zero bytes, as often as it takes to be remembered. Prints
/// a digit for each: 1 if it could, 0 if it was refused, 2 if that was not so each time.
pub(super) fn reads(list: &str) -> Result<u8> {
    let list = fs::read(list)?;
    let paths: Vec<&[u8]> = list.split_inclusive(|byte| *byte == 0).collect();
    let mut answers = vec![None; paths.len()];
    for _ in 0..TIMES {
        for (path, answer) in paths.iter().zip(&mut answers) {
            let path = CStr::from_bytes_with_nul(path).context("a path")?;
            let now = match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(_) => '1',
                Err(Errno::ACCESS) => '0',
                Err(errno) => bail!("{}: {errno}", path.to_bytes().escape_ascii()),
            };
            *answer = Some(if answer.is_none_or(|before| before == now) { now } else { '2' });
        }
    }
    println!("{}", answers.into_iter().flatten().collect::<String>());
    Ok(0)
}

/// Prints the names in a directory.
pub(super) fn list(path: &str) -> Result<u8> {
    for entry in fs::read_dir(path)? {
        println!("{}", entry.context("listing")?.file_name().to_string_lossy());
    }
    Ok(0)
}

/// Opens a file, removes its name, and opens it once more by its descriptor.
pub(super) fn deleted(path: &str) -> Result<u8> {
    let file = File::open(path).map_err(|error| anyhow::anyhow!("the first open: {error}"))?;
    fs::remove_file(path).context("removing")?;
    read(&format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Opens `allowed` and `denied` again and again until there is a file `stop`; one wrong verdict is a
/// failure.
pub(super) fn load(allowed: &str, denied: &str, stop: &str) -> Result<u8> {
    let mut rounds: u64 = 0;
    while !Path::new(stop).exists() {
        File::open(allowed).map_err(|error| anyhow::anyhow!("round {rounds}: {allowed}: {error}"))?;
        if rounds.is_multiple_of(ALLOWED_PER_DENIED) {
            let errno = rustix::fs::open(denied, OFlags::RDONLY, Mode::empty()).err();
            ensure!(errno == Some(Errno::ACCESS), "round {rounds}: {denied}: {errno:?}");
        }
        rounds += 1;
    }
    println!("{rounds}");
    Ok(0)
}

/// Opens `path` again and again until it may.
pub(super) fn until(path: &str) -> Result<u8> {
    loop {
        match File::open(path) {
            Ok(_) => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => std::thread::yield_now(),
            Err(error) => return Err(error.into()),
        }
    }
}
