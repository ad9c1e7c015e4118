//! `cargo xtask demo`: the demonstration, in a guest or on this machine.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::exec::{found, output, say, seconds};
use crate::guest::{CaseResult, Guest, Line, Suite};
use crate::project::Project;
use crate::setup::kernels::{self, Family};
use crate::setup::{is_root, rootfs};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run on this machine, even if it does not look able to
    #[arg(long, conflicts_with = "guest")]
    native: bool,
    /// Run in a guest, even if this machine could do it
    #[arg(long)]
    guest: bool,
    /// The kernel of the guest
    #[arg(long, default_value = "6.12")]
    kernel: Family,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let obstacle = obstacle()?;
    let native = match (&obstacle, options.native, options.guest) {
        (_, true, _) => true,
        (_, _, true) | (Some(_), ..) => false,
        (None, false, false) => true,
    };
    if native {
        return on_this_machine(project);
    }
    if let Some(obstacle) = obstacle {
        say("Demo", &format!("in a guest, since this machine cannot enforce: {obstacle}"));
    }
    in_guest(project, options.kernel)
}

/// Why this machine cannot enforce, if so.
fn obstacle() -> Result<Option<String>> {
    if !is_root()? {
        return Ok(Some("only root may load programs".to_owned()));
    }
    let Ok(active) = fs::read_to_string("/sys/kernel/security/lsm") else {
        return Ok(Some("/sys/kernel/security/lsm cannot be read".to_owned()));
    };
    if !active.trim().split(',').any(|name| name == "bpf") {
        return Ok(Some(format!("`bpf` is not among its active security modules ({})", active.trim())));
    }
    let release = output(Command::new("uname").arg("-r"))?;
    let build = output(Command::new("uname").arg("-v"))?;
    // Debian's releases of a line all call themselves 6.1.0; their builds tell the true number.
    let true_release = build.split_once("Debian ").map_or(release.as_str(), |(_, number)| number);
    if version(true_release) < Some([6, 1, 54]) {
        return Ok(Some(format!("kernel {} is older than 6.1.54", true_release.trim())));
    }
    Ok(["podman", "nginx"]
        .into_iter()
        .find(|name| !found(name))
        .map(|name| format!("{name} is not installed")))
}

/// The leading numbers of a release such as `6.12.117+deb12-cloud-amd64`.
fn version(release: &str) -> Option<[u32; 3]> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

fn on_this_machine(project: &Project) -> Result<bool> {
    let stockade = build::stockade(project)?;
    let init = build::guest(project)?;
    let status = Command::new(init)
        .args(["suite", Suite::Demo.name(), "--plain"])
        .env("STOCKADE_BIN", stockade)
        .status()
        .context("starting the demonstration")?;
    Ok(status.success())
}

fn in_guest(project: &Project, family: Family) -> Result<bool> {
    let kernel = kernels::prepare(project, family)?;
    let disk = rootfs::prepare(project)?;
    let stockade = build::stockade(project)?;
    let init = build::guest(project)?;
    let guest = Guest {
        kernel: &kernel,
        suite: Suite::Demo,
        filter: None,
        thorough: false,
        disk: Some(&disk),
        init: &init,
        stockade: Some(&stockade),
        files: &[],
        command: None,
        timeout: None,
        memory: 2048,
    };
    say("Booting", &format!("a guest with {}", kernel.package));
    let started = Instant::now();
    let mut outcome = guest.run(project, &mut |line| match line {
        Line::Say(text) => println!("{text}"),
        Line::Case(case) => {
            if case.result == CaseResult::Fail {
                say("FAIL", &format!("{} {}", case.name, case.detail));
            }
        }
        Line::Verdict(_) | Line::Figure(_) | Line::Died(_) | Line::Chatter(_) => {}
    })?;
    let verdict = outcome.verdict();
    if let Some(trouble) = &outcome.trouble {
        bail!("{trouble}; the guest's own words are in {}", guest.log(project).display());
    }
    say("Done", &format!("in {}", seconds(started)));
    Ok(verdict.failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare() {
        assert!(version("6.12.117+deb12-cloud-amd64") >= Some([6, 1, 54]));
        assert!(version("6.1.53") < Some([6, 1, 54]));
        assert!(version("nonsense") < Some([6, 1, 54]));
    }
}
