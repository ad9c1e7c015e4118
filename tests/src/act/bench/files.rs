//! Opening, making, renaming and removing names.

use std::env;
use std::ffi::CString;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags, open, rename, unlink};
use rustix::io::pwrite;

use super::{Cost, SERIES, best, elapsed, series, settle};

/// A path as applications have them: more than 60 bytes, more than six levels.
pub(super) const NESTED: &str = "/tmp/b/usr/share/application/data/locale/en_GB/message-catalog.mo";
/// Where names are made and removed.
const NAMES: &str = "/tmp/b/names";
/// Files in a directory of which each is opened once.
const DISTINCT: u64 = 500;

/// Opens and closes one file that was opened before.
pub(super) fn same(path: &str, times: u64) -> Result<Cost> {
    let path = CString::new(path)?;
    series(times, |_, _| {
        drop(open(&path, OFlags::RDONLY, Mode::empty())?);
        Ok(())
    })
}

/// A path of 4000 bytes, in 16 levels.
pub(super) fn long(times: u64) -> Result<Cost> {
    let mut path = "/tmp/b".to_owned();
    while path.len() + 250 < 4000 {
        path.push_str(&format!("/{}", "l".repeat(248)));
    }
    path.push_str(&format!("/{}", "f".repeat(3999 - path.len())));
    same(&path, times)
}

/// A path 300 levels deep.
pub(super) fn deep(times: u64) -> Result<Cost> {
    same(&format!("/tmp/b{}/f", "/dd".repeat(300)), times)
}

/// The same file, by its name in the working directory.
pub(super) fn inside(times: u64) -> Result<Cost> {
    env::set_current_dir(format!("/tmp/b{}", "/dd".repeat(300))).context("entering the directory")?;
    same("f", times)
}

/// Opens and closes files that nobody has opened before, each once, in a directory where another one
/// was. Each series has a directory of its own.
pub(super) fn distinct(parent: &str) -> Result<Cost> {
    let mut all = Vec::new();
    for number in 0..SERIES {
        let other = CString::new(format!("{parent}{number}/other"))?;
        drop(open(&other, OFlags::RDONLY, Mode::empty())?);
        settle();
        let paths = paths(|file| format!("{parent}{number}/f{file:03}"))?;
        let started = Instant::now();
        for path in &paths {
            drop(open(path, OFlags::RDONLY, Mode::empty())?);
        }
        all.push(elapsed(started)? / DISTINCT);
    }
    best(all)
}

/// What is done with a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Create,
    Unlink,
    Rename,
}

/// Makes files, gives each another name, removes them; one of the three is measured.
pub(super) fn names(measured: Change) -> Result<Cost> {
    let paths = paths(|file| format!("{NAMES}/f{file:03}"))?;
    let others = self::paths(|file| format!("{NAMES}/g{file:03}"))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut all = Vec::new();
    for _ in 0..SERIES {
        for change in [Change::Create, Change::Rename, Change::Unlink] {
            settle();
            let started = Instant::now();
            for (path, other) in paths.iter().zip(&others) {
                match change {
                    Change::Create => drop(open(path, flags, Mode::RUSR | Mode::WUSR)?),
                    Change::Rename => rename(path, other)?,
                    Change::Unlink => unlink(other)?,
                }
            }
            if change == measured {
                all.push(elapsed(started)? / DISTINCT);
            }
        }
    }
    best(all)
}

/// Writes one byte to an open file.
pub(super) fn write(times: u64) -> Result<Cost> {
    let file = open("/tmp/b/file02", OFlags::RDWR, Mode::empty())?;
    series(times, |_, _| {
        pwrite(&file, b"x", 0)?;
        Ok(())
    })
}

fn paths(name: impl Fn(u64) -> String) -> Result<Vec<CString>> {
    (0..DISTINCT).map(|file| CString::new(name(file)).context("a path")).collect()
}
