//! More of everything than an agent can keep up with: denials, names, processes, subjects. Verdicts stay right, what
//! is lost is counted, and the agent's memory stays small.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Case, each};
use crate::suite::hooks::agent::{self, Agent, PATIENCE, fence, install, run, status, told};
use crate::suite::hooks::elf;
use crate::suite::hooks::subject::Subject;
use crate::suite::wait::eventually;
use crate::suite::{Report, is_thorough};

const DIR: &str = "/tmp/flood";
/// Processes that flood at once: one more than there are processors.
const FLOODERS: u64 = 3;
/// Memory that the agent may have at any time.
const MEMORY: u64 = 150 << 20;

const CASES: [Case; 4] = [("denials", denials), ("names", names), ("forks", forks), ("subjects", subjects)];

pub(super) fn go(report: &mut Report, agent: Agent) -> Result<Agent> {
    each(report, agent, "flood", &CASES)
}

fn often(seldom: u64, thorough: u64) -> u64 {
    if is_thorough() { thorough } else { seldom }
}

/// Puts the profile in force under `mode` and makes its files.
fn prepare(agent: &Agent, name: &str, mode: &str) -> Result<()> {
    std::fs::create_dir_all(DIR).context(DIR)?;
    for file in ["allowed", "denied"] {
        std::fs::write(format!("{DIR}/{file}"), file).context(DIR)?;
    }
    let tool = format!("{DIR}/forbidden-tool");
    std::fs::write(&tool, elf::tool()).context(DIR)?;
    std::fs::set_permissions(&tool, Permissions::from_mode(0o755)).context(DIR)?;
    let profile = format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: {mode}\n  \
         exec:\n    - path: /stockade/guest\n  files:\n    - path: {DIR}/allowed\n      access: [read]\n    - path: \
         /proc/self/**\n      access: [read]\n    - path: /dev/null\n      access: [read, write]\n"
    );
    install(agent, name, &profile)?;
    eventually(PATIENCE, "the profile", || {
        let found =
            list("policies")?.into_iter().any(|policy| policy["name"] == name && policy["mode"] == mode);
        Ok(found.then_some(()))
    })
}

fn list(name: &str) -> Result<Vec<Value>> {
    Ok(status()?[name].as_array().with_context(|| format!("no {name} in status"))?.clone())
}

/// Starts the flooders, and looks after the agent's memory until the last has ended. What they have done together.
fn flood(agent: &Agent, profile: &str, action: &str, count: u64) -> Result<u64> {
    let start = || -> Result<Child> {
        let mut command: Command = run(profile, None);
        command.args(["/stockade/guest", "act", action, DIR, &count.to_string()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting a subject")
    };
    let mut flooders = (0..FLOODERS).map(|_| start()).collect::<Result<Vec<_>>>()?;
    // However long it takes: the guest has its own limit.
    eventually(PATIENCE * 40, "the end of the flood", || {
        small(agent)?;
        let mut ended = true;
        for flooder in &mut flooders {
            ended &= flooder.try_wait().context("a subject")?.is_some();
        }
        Ok(ended.then_some(()))
    })?;
    let mut done = 0;
    for flooder in flooders {
        let output = flooder.wait_with_output().context("a subject")?;
        ensure!(output.status.success(), "{}", told(&output));
        let printed = String::from_utf8_lossy(&output.stdout);
        done += printed.trim().parse::<u64>().with_context(|| printed.into_owned())?;
    }
    Ok(done)
}

fn small(agent: &Agent) -> Result<()> {
    let memory = agent.resident()?;
    ensure!(memory <= MEMORY, "the agent has {} MiB", memory >> 20);
    Ok(())
}

/// Decisions for want of a rule, and events that were lost.
fn counts() -> Result<(u64, u64)> {
    let status = status()?;
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Ok((number(&status["decisions"]["no-rule"]), number(&status["losses"]["events_lost"])))
}

/// What is in the event log of `profile`, each event as often as it was merged.
fn logged(profile: &str) -> Result<u64> {
    Ok(agent::events(Some(profile))?.iter().map(|event| event.count).sum())
}

fn denials(agent: Agent) -> Result<Agent> {
    prepare(&agent, "flood", "enforce")?;
    let (before, lost_before) = counts()?;
    let done = flood(&agent, "flood", "denials", often(20_000, 300_000))?;
    let (after, lost) = counts()?;
    ensure!(after - before >= done, "{done} were refused, and {} counted", after - before);
    // What comes after is not drowned in it.
    fence("flood-fence")?;
    let (logged, lost) = (logged("flood")?, lost - lost_before);
    // The log may have been moved aside: then it holds only a part.
    ensure!(
        is_thorough() || logged + lost == done,
        "of {done} denials, {logged} are logged and {lost} were lost"
    );
    small(&agent)?;
    Ok(agent)
}

fn names(agent: Agent) -> Result<Agent> {
    prepare(&agent, "crowded", "learn")?;
    let done = flood(&agent, "crowded", "crowd", often(8_000, 100_000))?;
    fence("names-fence")?;
    // Each name twice, made and removed.
    let wanted = done * 2;
    let mut last = Value::Null;
    // The event log is ahead of the database.
    let told = eventually(PATIENCE, "all observations, or word that some are missing", || {
        let learned = list("learn")?;
        last = learned.into_iter().find(|one| one["profile"] == "crowded").context("no baseline")?;
        let observed = last["observations"].as_u64().unwrap_or(0);
        Ok((observed >= wanted || !last["incomplete_reason"].is_null()).then_some(()))
    });
    told.with_context(|| format!("of {wanted} observations: {last}"))?;
    small(&agent)?;
    Ok(agent)
}

fn forks(agent: Agent) -> Result<Agent> {
    prepare(&agent, "flood", "enforce")?;
    flood(&agent, "flood", "forks", often(1_500, 20_000))?;
    small(&agent)?;
    Ok(agent)
}

fn subjects(agent: Agent) -> Result<Agent> {
    prepare(&agent, "flood", "enforce")?;
    let mut all = Vec::new();
    for _ in 0..often(100, 1_000) {
        all.push(Subject::start("flood")?);
    }
    for (number, subject) in all.iter_mut().enumerate() {
        let verdicts =
            (subject.ask(&format!("read {DIR}/allowed"))?, subject.ask(&format!("read {DIR}/denied"))?);
        ensure!(verdicts == (0, 40), "subject {number}: {verdicts:?}");
    }
    let bound = list("subjects")?.iter().filter(|subject| subject["profile"] == "flood").count();
    ensure!(bound == all.len(), "{bound} of {} subjects are bound", all.len());
    small(&agent)?;
    all.into_iter().try_for_each(Subject::end)?;
    eventually(PATIENCE * 4, "the end of all", || {
        Ok((!list("subjects")?.iter().any(|subject| subject["profile"] == "flood")).then_some(()))
    })?;
    Ok(agent)
}
