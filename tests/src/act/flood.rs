//! Doing as much as it goes, and counting the verdicts.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;

/// Rounds for one of what is allowed.
const SELDOM: u64 = 64;

/// Makes `count` directories in `dir` that may not be made, each of a name of its own. Prints how many were refused.
pub(super) fn denials(dir: &str, count: u64) -> Result<u8> {
    let pid = std::process::id();
    for round in 0..count {
        refused(fs::create_dir(format!("{dir}/forbidden-{pid}-{round}")))
            .with_context(|| format!("round {round}"))?;
        if round.is_multiple_of(SELDOM) {
            File::open(format!("{dir}/allowed"))
                .with_context(|| format!("round {round}: what is allowed"))?;
        }
    }
    println!("{count}");
    Ok(0)
}

/// Makes and removes `count` directories in `dir`, each of a name that nobody would guess. Prints how many.
pub(super) fn names(dir: &str, count: u64) -> Result<u8> {
    let pid = std::process::id();
    for round in 0..count {
        // An odd factor: no number comes twice.
        let name = format!("{dir}/made-{pid}-{:016x}", round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        fs::create_dir(&name).with_context(|| format!("round {round}"))?;
        fs::remove_dir(&name).with_context(|| format!("round {round}"))?;
    }
    println!("{count}");
    Ok(0)
}

/// Makes `count` processes that start what is not approved, and as many that start what is. Prints how many.
pub(super) fn forks(dir: &str, count: u64) -> Result<u8> {
    let own = std::env::current_exe().context("finding myself")?;
    for round in 0..count {
        refused(Command::new(format!("{dir}/forbidden-tool")).spawn().map(drop))
            .with_context(|| format!("round {round}"))?;
        if round.is_multiple_of(SELDOM) {
            let mut child = Command::new(&own);
            child.arg0("guest").args(["act", "read", &format!("{dir}/denied")]).stderr(Stdio::null());
            let status = child.status().with_context(|| format!("round {round}: what is approved"))?;
            let code = Some(i32::from(super::REFUSED));
            ensure!(status.code() == code, "round {round}: a child's reading: {status}");
        }
    }
    println!("{count}");
    Ok(0)
}

fn refused(result: std::io::Result<()>) -> Result<()> {
    match result {
        Ok(()) => bail!("it was allowed"),
        Err(error) => {
            ensure!(Errno::from_io_error(&error) == Some(Errno::ACCESS), "it failed with {error}");
            Ok(())
        }
    }
}
