//! Being another process, or in another place, when it happens.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::AtFlags;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::process::{Signal, getpid, kill_process};

use super::{REFUSED, attempt};
use crate::suite::wait::pause;

/// In a child process, which is this program once more.
pub(super) fn child(rest: &[String]) -> Result<u8> {
    let own = env::current_exe().context("finding myself")?;
    ended(Command::new(own).arg("act").args(rest).status()?)
}

/// In a child process that goes on when this one has ended.
pub(super) fn orphan(rest: &[String]) -> Result<u8> {
    let own = env::current_exe().context("finding myself")?;
    Command::new(own).arg("act").args(rest).spawn()?;
    Ok(0)
}

/// After so many seconds.
pub(super) fn after(seconds: u64, rest: &[String]) -> Result<u8> {
    pause(Duration::from_secs(seconds));
    Ok(attempt(rest))
}

/// In a thread.
pub(super) fn thread(rest: &[String]) -> Result<u8> {
    let rest = rest.to_vec();
    thread::spawn(move || attempt(&rest)).join().map_err(|_| anyhow!("the thread panicked"))
}

/// In a child cgroup made for it.
pub(super) fn cgroup(name: &str, rest: &[String]) -> Result<u8> {
    let own = fs::read_to_string("/proc/self/cgroup").context("reading the own cgroup")?;
    let own = own.trim().strip_prefix("0::/").with_context(|| format!("no cgroup in {own}"))?;
    let below = Path::new("/sys/fs/cgroup").join(own).join(format!("{name}-{}", std::process::id()));
    fs::create_dir(&below).with_context(|| format!("making {}", below.display()))?;
    fs::write(below.join("cgroup.procs"), "0").context("moving")?;
    Ok(attempt(rest))
}

/// In a cgroup that is there already; whoever does so from outside a subject enters it as a session.
pub(super) fn join(path: &str, rest: &[String]) -> Result<u8> {
    fs::write(Path::new(path).join("cgroup.procs"), "0").context("moving")?;
    Ok(attempt(rest))
}

/// From another working directory, `times` levels further on.
pub(super) fn chdir(path: &str, times: u32, rest: &[String]) -> Result<u8> {
    for _ in 0..times {
        env::set_current_dir(path).with_context(|| format!("entering {path}"))?;
    }
    Ok(attempt(rest))
}

/// From another root directory.
pub(super) fn chroot(path: &str, rest: &[String]) -> Result<u8> {
    rustix::process::chroot(path).with_context(|| format!("changing the root to {path}"))?;
    env::set_current_dir("/").context("entering the root")?;
    Ok(attempt(rest))
}

/// In a mount namespace of its own.
pub(super) fn unshared(rest: &[String]) -> Result<u8> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).context("leaving the mount namespace")?;
    Ok(attempt(rest))
}

/// Becomes the program.
pub(super) fn exec(program: &str, arguments: &[String]) -> Result<u8> {
    Err(Command::new(program).args(arguments).exec().into())
}

/// Becomes the program, under a profile of AppArmor's.
pub(super) fn apparmor(profile: &str, program: &str, arguments: &[String]) -> Result<u8> {
    fs::write("/proc/self/attr/apparmor/exec", format!("exec {profile}"))
        .context("asking for the profile")?;
    exec(program, arguments)
}

/// Runs the program as a child. A refusal after the point of no return kills it.
pub(super) fn spawn(program: &str, arguments: &[String]) -> Result<u8> {
    let status = Command::new(program).args(arguments).status()?;
    if status.signal() == Some(Signal::SEGV.as_raw()) { Ok(REFUSED) } else { ended(status) }
}

/// Becomes what a descriptor stands for: a copy in memory, or one opened for nothing but its place.
pub(super) fn execveat(how: &str, program: &str, arguments: &[String]) -> Result<u8> {
    let descriptor: OwnedFd = match how {
        "memfd" => {
            let memory = rustix::fs::memfd_create("program", MemfdFlags::CLOEXEC)?;
            let mut from = File::open(program).map_err(|error| anyhow!("reading {program}: {error}"))?;
            let mut to = File::from(memory);
            io::copy(&mut from, &mut to).context("copying")?;
            to.into()
        }
        "path" => rustix::fs::open(program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?,
        _ => bail!("no kind `{how}` of descriptor"),
    };
    let text = |text: &str| CString::new(text).context("a zero byte");
    let mut argv = vec![text(program)?];
    for argument in arguments {
        argv.push(text(argument)?);
    }
    let none: [CString; 0] = [];
    let Err(errno) = nix::unistd::execveat(&descriptor, c"", &argv, &none, AtFlags::AT_EMPTY_PATH);
    Err(io::Error::from(errno).into())
}

/// Ends by a signal.
pub(super) fn die() -> Result<u8> {
    kill_process(getpid(), Signal::TERM)?;
    bail!("still here")
}

fn ended(status: ExitStatus) -> Result<u8> {
    let code = status.code().with_context(|| format!("it was killed: {status}"))?;
    u8::try_from(code).context("its exit code")
}

/// Opens a descriptor of this process.
pub(super) fn pidfd() -> Result<u8> {
    rustix::process::pidfd_open(getpid(), rustix::process::PidfdFlags::empty())?;
    Ok(0)
}
