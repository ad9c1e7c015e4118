//! Asking again and again whether what is forbidden is refused, and what is allowed goes on.

use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Rounds for one that makes a process, which costs as much as a hundred others.
const SELDOM: u64 = 64;
/// Rounds for one of attempts at what is forbidden: each leaves an event, and a flood is another test.
const FORBIDDEN: u64 = 8;

/// Goes around until there is a file `stop` in `dir`: `allowed` there can be read and `made` can be made,
/// `denied` and `forbidden` cannot, no program but the own one starts, nothing is connected. Children are
/// judged like their parent. One wrong verdict is a failure; prints the number of rounds.
pub(super) fn run(dir: &str) -> Result<u8> {
    let [allowed, denied, made, forbidden, stop] =
        ["allowed", "denied", "made", "forbidden", "stop"].map(|name| format!("{dir}/{name}"));
    let made = format!("{made}-{}", std::process::id());
    let own = std::env::current_exe().context("finding myself")?;
    let mut round: u64 = 0;
    while !Path::new(&stop).exists() {
        let told = |what: &str| format!("round {round}: {what}");
        File::open(&allowed).with_context(|| told("opening what may be opened"))?;
        fs::create_dir(&made).with_context(|| told("making what may be made"))?;
        fs::remove_dir(&made).with_context(|| told("removing what may be removed"))?;
        if round.is_multiple_of(FORBIDDEN) {
            let opened = rustix::fs::open(&denied, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            is_refused(opened.map_err(Into::into)).with_context(|| told("opening what may not be opened"))?;
            is_refused(fs::create_dir(&forbidden)).with_context(|| told("making what may not be made"))?;
            is_refused(connect()).with_context(|| told("connecting"))?;
        }
        if round.is_multiple_of(SELDOM) {
            let program = Command::new("/stockade/stockade").stdout(Stdio::null()).spawn().map(drop);
            is_refused(program).with_context(|| told("starting what may not be started"))?;
            let child = Command::new(&own).args(["act", "read", &denied]).stderr(Stdio::null()).status();
            let child = child.with_context(|| told("starting what may be started"))?;
            ensure!(
                child.code() == Some(i32::from(super::REFUSED)),
                "{}: {child}",
                told("a child's reading")
            );
        }
        round += 1;
    }
    println!("{round}");
    Ok(0)
}

fn connect() -> std::io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(SocketAddr::from(([127, 0, 0, 1], 9)))
}

fn is_refused<T>(result: std::io::Result<T>) -> Result<()> {
    match result {
        Ok(_) => bail!("it was allowed"),
        Err(error) => {
            let errno = Errno::from_io_error(&error);
            ensure!(errno == Some(Errno::ACCESS), "it failed with {error}");
            Ok(())
        }
    }
}
