//! cargo-deny: bans, licences and sources always, advisories when their database can be had.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::exec::{Event, Remedy, lines, say, step, stream};
use crate::project::Project;
use crate::setup::entry;

const VERSION: &str = "0.20.2";

pub(super) fn check(project: &Project) -> Result<bool> {
    let binary = install(project)?;
    let deny = |checks: &[&str]| {
        let mut deny = Command::new(&binary);
        deny.current_dir(&project.root).args(["--all-features", "check"]).args(checks);
        deny
    };
    say("Checking", "bans, licences and sources of the dependencies");
    let mut good = true;
    if let Err(error) = stream(&mut deny(&["bans", "licenses", "sources"])) {
        say("FAIL", &format!("{error:#}"));
        good = false;
    }
    say("Checking", "advisories about the dependencies");
    let mut said = Vec::new();
    let status = lines(&mut deny(&["advisories"]), |event| match event {
        Event::Line(line) => said.push(line),
        Event::Tick => {}
    })?;
    if !status.success() {
        // Without the database it fails before it has checked anything.
        if said.iter().any(|line| line.contains("failed to fetch advisory database")) {
            say("NOT checked", "advisories: their database cannot be reached from here");
        } else {
            said.iter().for_each(|line| eprintln!("{line}"));
            good = false;
        }
    }
    Ok(good)
}

fn install(project: &Project) -> Result<PathBuf> {
    let dir = entry(project, &format!("tools/cargo-deny-{VERSION}"), |dir, _| {
        let mut install = project.cargo();
        install.args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"]).arg(dir);
        install.arg("--target-dir").arg(dir.join("build"));
        step("Building", &format!("cargo-deny {VERSION} (about three minutes)"), &mut install)
            .remedy("It comes from the crate registry, and needs a C compiler.")?;
        std::fs::remove_dir_all(dir.join("build")).context("removing what was left of building cargo-deny")
    })?;
    Ok(dir.join("bin").join(format!("cargo-deny{}", env::consts::EXE_SUFFIX)))
}
