//! What is done with open files, and with what hangs on files besides their content.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{AtFlags, CWD, IFlags, Timespec, Timestamps, UTIME_NOW, XattrFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::REFUSED;

/// Uses standard input, which the caller has opened.
pub(super) fn given(how: &str) -> Result<u8> {
    let mut input = io::stdin().lock();
    match how {
        "read" => print(&mut input)?,
        "write" => drop(rustix::io::write(&input, b"new")?),
        "cut" => rustix::fs::ftruncate(&input, 0)?,
        "child" => return super::process::child(&["given".to_owned(), "read".to_owned()]),
        _ => bail!("no way `{how}` to use it"),
    }
    Ok(0)
}

fn print(from: &mut impl Read) -> Result<()> {
    let mut content = Vec::new();
    from.read_to_end(&mut content)?;
    io::stdout().lock().write_all(&content).context("printing")
}

/// Receives an open file at a unix socket, and prints what is in it.
pub(super) fn receive(at: &str) -> Result<u8> {
    let peer = UnixStream::connect(at).map_err(|error| anyhow::anyhow!("connecting: {error}"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(&peer, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    ensure!(got.bytes == 1, "nothing came");
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message
            && let Some(file) = files.next()
        {
            // Once: a device may have no end.
            let mut content = [0; 8192];
            let len = File::from(file).read(&mut content)?;
            io::stdout().lock().write_all(content.get(..len).context("more than asked for")?)?;
            return Ok(0);
        }
    }
    // The kernel leaves out what may not be received.
    Ok(REFUSED)
}

/// Does something after a file was offered at a unix socket, whether it was received or not.
pub(super) fn received(at: &str, rest: &[String]) -> Result<u8> {
    receive(at)?;
    Ok(super::attempt(rest))
}

/// Sets an extended attribute.
pub(super) fn setxattr(name: &str, path: &str) -> Result<u8> {
    // A file capability without any capability; other attributes take it as a value like any.
    let value = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rustix::fs::setxattr(path, name, &value, XattrFlags::empty())?;
    Ok(0)
}

/// Sets an access control list that says no more than a mode.
pub(super) fn setacl(path: &str) -> Result<u8> {
    let entry = |tag: u8| [tag, 0, 4, 0, 255, 255, 255, 255];
    let value = [&[2, 0, 0, 0], &entry(1)[..], &entry(4), &entry(32)].concat();
    rustix::fs::setxattr(path, "system.posix_acl_access", &value, XattrFlags::empty())?;
    Ok(0)
}

/// Sets the times of a file: to the present, or to the epoch.
pub(super) fn stamp(when: &str, path: &str) -> Result<u8> {
    let time = match when {
        "now" => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        "epoch" => Timespec { tv_sec: 0, tv_nsec: 0 },
        _ => bail!("no time `{when}`"),
    };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?;
    Ok(0)
}

/// The same by a descriptor that is open for writing.
pub(super) fn futimes(path: &str) -> Result<u8> {
    let file = OpenOptions::new().append(true).open(path)?;
    let time = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
    Ok(0)
}

/// Removes an extended attribute.
pub(super) fn removexattr(name: &str, path: &str) -> Result<u8> {
    rustix::fs::removexattr(path, name)?;
    Ok(0)
}

/// Makes a file one that is not to be dumped, of all flags the most harmless.
pub(super) fn setflags(path: &str) -> Result<u8> {
    rustix::fs::ioctl_setflags(File::open(path)?, IFlags::NODUMP)?;
    Ok(0)
}
