//! Reading files whose names change all the while.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// What no allowed name ever stands for begins with this.
pub(crate) const SECRET: &[u8] = b"secret";
/// Rounds of attempts at what can be allowed for one at what never is: denials are not merged, and a flood
/// of them is another test.
const SELDOM: u32 = 8;

/// Opens, round by round, what stands below `dir`: `pub/f`, the same by a link and from a descriptor of the
/// directory, `tmp/f` and `store/s`. Prints how often it could and how often it was refused; what it must
/// not do is read a secret.
pub(super) fn run(dir: &str, rounds: u32) -> Result<u8> {
    let directory = directory(&format!("{dir}/pub"))?;
    let (mut read, mut refused) = (0u64, 0u64);
    for round in 0..rounds {
        let mut tries = vec![(CWD, format!("{dir}/pub/f")), (CWD, format!("{dir}/link/f"))];
        if round % SELDOM == 0 {
            tries.push((CWD, format!("{dir}/store/s")));
            tries.push((CWD, format!("{dir}/tmp/f")));
        }
        if round % 2 == 0 {
            tries.push((directory.as_fd(), "f".to_owned()));
        }
        for (at, path) in tries {
            match openat(at, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
                Ok(file) => {
                    let mut text = Vec::new();
                    File::from(file).read_to_end(&mut text).context("reading")?;
                    ensure!(!text.starts_with(SECRET), "round {round}: read the secret as {path}");
                    read += 1;
                }
                Err(Errno::ACCESS) => refused += 1,
                Err(Errno::NOENT) => {}
                Err(errno) => bail!("round {round}: {path}: {errno}"),
            }
        }
    }
    println!("{read} {refused}");
    Ok(0)
}

/// The directory, as soon as it has this name.
fn directory(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    loop {
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(directory) => return Ok(directory),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
