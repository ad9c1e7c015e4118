//! Runs the suite as a child and collects whatever else ends meanwhile.

use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, WaitOptions, wait};

/// Starts the suite and waits for its end. What it prints goes straight to the host, which is the
/// judge of it; a child that was killed could not print a verdict, so that is told in its place.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/stockade")
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let suite = Pid::from_child(&child);
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty()).context("waiting for the suite")? else {
            bail!("the suite is gone");
        };
        if pid != suite {
            continue;
        }
        return match (status.exit_status(), status.terminating_signal()) {
            (Some(0 | 1), _) => Ok(()),
            (Some(code), _) => bail!("the suite ended with status {code}"),
            (None, signal) => bail!("the suite was killed, signal {signal:?}"),
        };
    }
}
