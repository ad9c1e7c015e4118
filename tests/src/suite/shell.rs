//! Runs the command that came with the guest, for a person who watches.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Report;

#[expect(clippy::unnecessary_wraps, reason = "all suites have one signature")]
pub(super) fn run(report: &mut Report) -> Result<()> {
    report.case("command", || {
        let status = Command::new("/bin/sh")
            .arg("/stockade/command")
            .current_dir("/root")
            .status()
            .context("starting it")?;
        ensure!(status.success(), "{status}");
        Ok(())
    });
    Ok(())
}
