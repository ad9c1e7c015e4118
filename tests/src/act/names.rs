//! Making, changing and removing names.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Uid, makedev};

/// `/dev/null` and the first memory disk.
const CHAR: (u32, u32) = (1, 3);
const BLOCK: (u32, u32) = (1, 0);

/// What follows is done from the descriptor of a directory, not from the working directory.
pub(super) fn at(directory: &str, rest: &[String]) -> Result<u8> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory: OwnedFd = rustix::fs::open(directory, flags, Mode::empty())?;
    let Some((verb, rest)) = rest.split_first() else { bail!("nothing to do at {directory:?}") };
    from(directory.as_fd(), verb, rest)
}

/// Relative names are those of the working directory.
pub(super) fn here(verb: &str, rest: &[String]) -> Result<u8> {
    from(CWD, verb, rest)
}

fn from(at: BorrowedFd<'_>, verb: &str, rest: &[String]) -> Result<u8> {
    let word = |index: usize| {
        rest.get(index).map(String::as_str).with_context(|| format!("{verb}: argument {index} is missing"))
    };
    let none = AtFlags::empty();
    match verb {
        "mkdir" => rustix::fs::mkdirat(at, word(0)?, Mode::from_raw_mode(0o755))?,
        "rmdir" => rustix::fs::unlinkat(at, word(0)?, AtFlags::REMOVEDIR)?,
        "unlink" => rustix::fs::unlinkat(at, word(0)?, none)?,
        "rename" => rustix::fs::renameat(at, word(0)?, at, word(1)?)?,
        "exchange" => rustix::fs::renameat_with(at, word(0)?, at, word(1)?, RenameFlags::EXCHANGE)?,
        "link" => rustix::fs::linkat(at, word(0)?, at, word(1)?, none)?,
        "symlink" => rustix::fs::symlinkat(word(0)?, at, word(1)?)?,
        "mknod" => mknod(at, word(0)?, word(1)?)?,
        "bind" => drop(UnixListener::bind(word(0)?)?),
        "chmod" => {
            let mode = u32::from_str_radix(word(0)?, 8).context("a mode")?;
            rustix::fs::chmodat(at, word(1)?, Mode::from_raw_mode(mode), none)?;
        }
        "chown" => {
            let id: u32 = word(0)?.parse().context("a number")?;
            rustix::fs::chownat(at, word(1)?, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)), none)?;
        }
        "copy" => drop(std::fs::copy(word(0)?, word(1)?)?),
        "truncate" => nix::unistd::truncate(word(0)?, 0).map_err(std::io::Error::from)?,
        "nameless" => nameless(at, word(0)?, word(1)?)?,
        "unappend" => {
            let file = OpenOptions::new().append(true).open(word(0)?)?;
            rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
        }
        "cut" => OpenOptions::new().write(true).open(word(0)?)?.set_len(0)?,
        "ftruncate" => OpenOptions::new().append(true).open(word(0)?)?.set_len(0)?,
        _ => bail!("unknown action"),
    }
    Ok(0)
}

/// A file without a name, made in `directory`, gets one.
fn nameless(at: BorrowedFd<'_>, directory: &str, name: &str) -> Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(at, directory, flags, Mode::from_raw_mode(0o644))
        .map_err(|errno| anyhow::anyhow!("making it: {errno}"))?;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, own, at, name, AtFlags::SYMLINK_FOLLOW)?)
}

fn mknod(at: BorrowedFd<'_>, kind: &str, name: &str) -> Result<()> {
    let mode = if kind == "setuid" { 0o4755 } else { 0o644 };
    let (kind, (major, minor)) = match kind {
        "setuid" => (FileType::RegularFile, (0, 0)),
        "fifo" => (FileType::Fifo, (0, 0)),
        "char" => (FileType::CharacterDevice, CHAR),
        "block" => (FileType::BlockDevice, BLOCK),
        _ => bail!("no kind `{kind}` of node"),
    };
    Ok(rustix::fs::mknodat(at, name, kind, Mode::from_raw_mode(mode), makedev(major, minor))?)
}
