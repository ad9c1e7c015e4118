//! Changing a profile under a subject that works all the while.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::agent::{self, Agent, PATIENCE};
use crate::suite::Report;
use crate::suite::wait::eventually;

const NAME: &str = "swap";
const DIR: &str = "/tmp/swap";
const SWAPS: u32 = 12;

pub(super) fn run(report: &mut Report, agent: &Agent) {
    under_load(report, agent);
    report.case("swap.broken-profile", || broken_profile(agent));
}

pub(super) fn under_load(report: &mut Report, agent: &Agent) {
    report.case("swap.under-load", || swapped(agent));
}

/// A profile that grants the same to the subject whatever `round` is, in other words and other sizes.
fn profile(round: u32) -> String {
    let more: String = (0..(round % 3) * 200)
        .map(|rule| format!("    - path: /srv/{round}/{rule}/**/x*\n      access: [read]\n"))
        .collect();
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {NAME} }}\nspec:\n  mode: \
         enforce\n  exec:\n    - path: /stockade/guest\n  files:\n{more}    - path: {DIR}/allowed\n      \
         access: [read]\n    - path: {DIR}/round-{round}\n      access: [read]\n"
    )
}

fn policy<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["policies"].as_array()?.iter().find(|policy| policy["name"] == name)
}

/// Installs a profile and waits for it to be in force; its generation, which comes after the one given.
pub(super) fn in_force(agent: &Agent, name: &str, text: &str, after: u64) -> Result<u64> {
    agent::install(agent, name, text)?;
    eventually(PATIENCE, "a new generation", || {
        let status = agent::status()?;
        let generation = policy(&status, name).and_then(|policy| policy["generation"].as_u64());
        Ok(generation.filter(|generation| *generation > after))
    })
}

fn swapped(agent: &Agent) -> Result<()> {
    std::fs::create_dir_all(DIR).context(DIR)?;
    for name in ["allowed", "denied"] {
        std::fs::write(Path::new(DIR).join(name), name).context(DIR)?;
    }
    let mut generation = in_force(agent, NAME, &profile(0), 0)?;
    let stop = format!("{DIR}/stop");
    let mut subject = agent::run(NAME, None)
        .args(["/stockade/guest", "act", "load", &format!("{DIR}/allowed"), &format!("{DIR}/denied"), &stop])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the subject")?;
    for round in 1..=SWAPS {
        generation = in_force(agent, NAME, &profile(round), generation)?;
        ensure!(subject.try_wait().context("the subject")?.is_none(), "it ended in round {round}");
    }
    let status = agent::status()?;
    let took = policy(&status, NAME).context("no policy")?;
    ensure!(took["compile_us"].as_u64() > Some(0) && took["swap_us"].as_u64() > Some(0), "{took}");
    std::fs::write(&stop, "").context("stopping")?;
    let output = subject.wait_with_output().context("the subject")?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    let rounds: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().context("its rounds")?;
    ensure!(rounds > u64::from(SWAPS), "only {rounds} rounds");
    Ok(())
}

/// What is in force stays, and everybody can see why.
fn broken_profile(agent: &Agent) -> Result<()> {
    std::fs::create_dir_all(DIR).context(DIR)?;
    std::fs::write(Path::new(DIR).join("allowed"), "allowed").context(DIR)?;
    // What is in force now may be another good one, and this one still on its way.
    let before = policy(&agent::status()?, NAME).and_then(|policy| policy["generation"].as_u64());
    let good = in_force(agent, NAME, &profile(0), before.unwrap_or(0))?;
    agent::install(agent, NAME, "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nspec:\n  - no\n")?;
    let status = eventually(PATIENCE, "a broken file in status", || {
        let status = agent::status()?;
        Ok(status["bad_files"].as_array().is_some_and(|files| !files.is_empty()).then_some(status))
    })?;
    let policy = policy(&status, NAME).context("the policy is gone")?;
    ensure!(policy["generation"].as_u64() == Some(good) && policy["state"] == "bad", "{policy}");
    ensure!(status["healthy"] == false, "a broken profile is no trouble");
    let message = status["bad_files"][0]["message"].as_str().unwrap_or_default();
    ensure!(message.contains("swap.yaml:"), "no place in: {message}");
    let read = |path: &str| agent::run(NAME, None).args(["/stockade/guest", "act", "read", path]).output();
    let output = read(&format!("{DIR}/allowed"))?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    let output = read("/stockade/guest")?;
    ensure!(output.status.code() == Some(40), "{}", agent::told(&output));
    agent::install(agent, NAME, &profile(0))?;
    eventually(PATIENCE, "health", || {
        let status = agent::status()?;
        Ok((status["healthy"] == true).then_some(()))
    })
}
