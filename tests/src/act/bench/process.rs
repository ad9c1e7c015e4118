//! Starting a program.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::{Cost, series};

/// How many starts are a series.
pub(crate) const STARTS: u64 = 30;

/// Starts a small static program that ends at once and waits for it. The standard library does so by `posix_spawn`.
pub(super) fn exec() -> Result<Cost> {
    let mut program = Command::new("/usr/bin/busybox");
    program.arg("true").env_clear().stdin(Stdio::inherit());
    series(STARTS, |_, _| {
        let status = program.status()?;
        ensure!(status.success(), "{status}");
        Ok(())
    })
}
