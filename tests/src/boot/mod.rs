//! Process 1: mounts, modules, the root file system, then one suite, then power off.

mod modules;
mod mounts;
mod network;
mod supervise;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::{env, panic};

use anyhow::{Context, Result};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::system::{RebootCommand, reboot};

use crate::suite::panic_message;

/// The host listens here; the kernel's own messages go to another port.
const PORT: &str = "/dev/ttyS1";

/// Runs the guest from its start to its end.
pub(crate) fn run() -> ! {
    let died = match panic::catch_unwind(boot) {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(format!("process 1 panicked: {}", panic_message(&*panic))),
    };
    if let Some(why) = died {
        println!("##stockade died {}", why.replace('\n', " | "));
    }
    rustix::fs::sync();
    if let Err(error) = reboot(RebootCommand::PowerOff) {
        println!("##stockade died powering off: {error}");
    }
    // The end of process 1 is a kernel panic, which ends the guest too.
    std::process::exit(1)
}

fn boot() -> Result<()> {
    mounts::api("/").context("mounting the API file systems")?;
    let port =
        OpenOptions::new().read(true).write(true).open(PORT).with_context(|| format!("opening {PORT}"))?;
    dup2_stdin(&port).and_then(|()| dup2_stdout(&port)).and_then(|()| dup2_stderr(&port)).context(PORT)?;
    drop(port);

    let arguments = fs::read_to_string("/proc/cmdline").context("reading the kernel's arguments")?;
    let argument = |name: &str| {
        arguments
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let suite = argument("stockade.suite").context("the kernel's arguments name no `stockade.suite`")?;
    modules::load(Path::new("/modules.list")).context("loading modules")?;
    if argument("stockade.disk").is_some() {
        mounts::enter_disk().context("entering the disk")?;
    }
    finish_root().context("finishing the root file system")?;
    network::loopback_up().context("bringing up the loopback device")?;
    supervise::run("/stockade/guest", &["suite", &suite])
}

/// What every program may expect of a running system.
fn finish_root() -> Result<()> {
    mounts::shared().context("making the mounts shared")?;
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        if !Path::new(link).exists() {
            symlink(target, link).with_context(|| format!("linking {link}"))?;
        }
    }
    fs::create_dir_all("/root").context("/root")?;
    env::set_current_dir("/root").context("/root")?;
    rustix::system::sethostname(b"guest").context("naming the host")
}
