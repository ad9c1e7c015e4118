//! What an agent must survive, and what it leaves: a second agent, its own sudden end, its removal.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::agent::{self, Agent, PATIENCE};
use super::subject::Subject;
use crate::act::REFUSED;
use crate::suite::Report;
use crate::suite::wait::eventually;

const PINS: &str = "/sys/fs/bpf/stockade";
const SECRET: &str = "/tmp/life/secret";
const PUBLIC: &str = "/tmp/life/public";
/// Instructions of one program that the verifier may look at: a fifth of what it is willing to.
const MOST_VERIFIED: u64 = 200_000;
const FOR_SESSIONS: &str = "/tmp/life/for-sessions";

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<Agent> {
    fs::create_dir_all("/tmp/life").context("/tmp/life")?;
    for path in [SECRET, PUBLIC, FOR_SESSIONS] {
        fs::write(path, "text").with_context(|| path.to_owned())?;
    }
    report.case("life.verifier-cost", verifier_cost);
    report.case("life.status-of-the-command", status_of_the_command);
    report.case("life.signal-of-the-command", signal_of_the_command);
    report.case("life.unlisted-command", unlisted_command);
    report.case("life.session", session);
    report.case("life.second-agent", second_agent);
    if !["killed", "without-agent", "restarted"].iter().any(|one| report.wants(&format!("life.{one}"))) {
        return Ok(agent);
    }
    let mut subject = Subject::start(&profile("life.subject")?)?;
    agent.kill()?;
    report.case("life.killed", || refused_still(&mut subject));
    report.case("life.without-agent", without_agent);
    let agent = Agent::start()?;
    report.case("life.restarted", || adopted(subject));
    Ok(agent)
}

/// The last cases: nothing is left, and what was confined is free.
pub(super) fn end(report: &mut Report, agent: Agent) -> Result<()> {
    report.case("life.nothing-lost", nothing_lost);
    if report.wants("life.uninstalled") {
        report.case("life.uninstalled", || uninstalled(agent));
    }
    Ok(())
}

/// A profile under which the public file can be read and the secret one cannot.
fn profile(name: &str) -> Result<String> {
    agent::profile_file(
        name,
        &format!(
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: \
             enforce\n  exec:\n    - path: /stockade/guest\n  files:\n    - path: {PUBLIC}\n      access: \
             [read]\n    - path: /proc/self/**\n      access: [read]\n  sessions:\n    files:\n      \
             - path: {FOR_SESSIONS}\n        access: [read]\n"
        ),
    )
}

fn command(name: &str, words: &[&str]) -> Result<Output> {
    agent::run(&profile(name)?, None).args(words).output().context("running the command")
}

/// The kernel looks at no more than a million instructions of a program, and at each of them on every start.
fn verifier_cost() -> Result<()> {
    let status: Value = serde_json::from_slice(&agent::cli(&["status", "-o", "json"])?.stdout)?;
    let hooks = status["hooks"].as_array().context("no hooks")?;
    let mut costs = Vec::new();
    for hook in hooks {
        let cost = hook["verified_instructions"].as_u64().context("no cost")?;
        costs.push((cost, hook["name"].as_str().context("no name")?));
    }
    costs.sort_unstable();
    let all: u64 = costs.iter().map(|(cost, _)| cost).sum();
    let (most, name) = *costs.last().context("no programs")?;
    println!("the verifier looked at {all} instructions of {} programs, {most} of {name}", costs.len());
    ensure!(costs.iter().all(|(cost, _)| *cost > 0), "a program was not looked at: {costs:?}");
    ensure!(most <= MOST_VERIFIED, "{costs:?}");
    Ok(())
}

fn status_of_the_command() -> Result<()> {
    let output = command("life.status", &["/stockade/guest", "act", "exit", "7"])?;
    ensure!(output.status.code() == Some(7), "{}", agent::told(&output));
    Ok(())
}

fn signal_of_the_command() -> Result<()> {
    let output = command("life.signal", &["/stockade/guest", "act", "die"])?;
    ensure!(output.status.signal() == Some(Signal::TERM.as_raw()), "{}", agent::told(&output));
    Ok(())
}

/// The command itself is judged, and the message says where to look.
fn unlisted_command() -> Result<()> {
    let output = command("life.unlisted", &["/stockade/stockade", "--version"])?;
    ensure!(output.status.code() == Some(126), "{}", agent::told(&output));
    let told = agent::told(&output);
    ensure!(told.contains("stockade events --subject"), "no advice in: {told}");
    ensure!(!told.contains("eBPF"), "it ran: {told}");
    agent::fence("fence.unlisted")?;
    let events = agent::events(Some("life.unlisted"))?;
    let object = events.first().and_then(agent::Event::object);
    ensure!(events.len() == 1 && object.as_deref() == Some("/stockade/stockade"), "{events:?}");
    Ok(())
}

/// Who enters a subject from outside may do what the subject may, and what sessions may, and no more.
fn session() -> Result<()> {
    let mut subject = Subject::start(&profile("life.session")?)?;
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", subject.pid()))?;
    let cgroup = cgroup.trim().strip_prefix("0::").context("the subject's cgroup")?;
    for (path, wanted) in [(PUBLIC, 0), (FOR_SESSIONS, 0), (SECRET, REFUSED)] {
        let output = Command::new("/stockade/guest")
            .args(["act", "join", &format!("/sys/fs/cgroup{cgroup}"), "child", "read", path])
            .output()
            .context("entering the subject")?;
        ensure!(output.status.code() == Some(i32::from(wanted)), "{path}: {}", agent::told(&output));
    }
    for (path, wanted) in [(PUBLIC, 0), (FOR_SESSIONS, REFUSED), (SECRET, REFUSED)] {
        let code = subject.ask(&format!("read {path}"))?;
        ensure!(code == wanted, "{path}, by the subject itself: {code}, not {wanted}");
    }
    subject.end()?;
    agent::fence("fence.session")?;
    let events = agent::events(Some("life.session"))?;
    let found: Vec<_> = events.iter().map(|event| (event.session, event.object())).collect();
    let denied = |session, path: &str| (session, Some(path.to_owned()));
    let wanted = [denied(true, SECRET), denied(false, FOR_SESSIONS), denied(false, SECRET)];
    ensure!(found == wanted, "{found:?}");
    Ok(())
}

fn second_agent() -> Result<()> {
    let before = agent::status()?["pid"].clone();
    let output = agent::cli(&["agent", "--profiles", agent::PROFILES, "--state", "/tmp/other"])?;
    let told = agent::told(&output);
    ensure!(output.status.code() == Some(2), "{told}");
    ensure!(told.contains("another agent is running") && told.contains(&before.to_string()), "{told}");
    let status = agent::status()?;
    ensure!(status["pid"] == before && status["healthy"] == true, "the first one: {status}");
    Ok(())
}

/// Without an agent everything is as it was.
fn refused_still(subject: &mut Subject) -> Result<()> {
    for (action, wanted) in [
        (format!("read {SECRET}"), REFUSED),
        (format!("read {PUBLIC}"), 0),
        ("exec /stockade/stockade".to_owned(), REFUSED),
        ("connect tcp 127.0.0.1:9".to_owned(), REFUSED),
        (format!("child read {SECRET}"), REFUSED),
    ] {
        let code = subject.ask(&action)?;
        ensure!(code == wanted, "{action}: {code}, not {wanted}");
    }
    Ok(())
}

fn without_agent() -> Result<()> {
    let output = command("life.nobody", &["/stockade/guest", "act", "exit", "0"])?;
    let told = agent::told(&output);
    ensure!(output.status.code() == Some(2) && told.contains("agent"), "run: {told}");
    let output = agent::cli(&["status"])?;
    let told = agent::told(&output);
    ensure!(output.status.code() == Some(2) && told.contains("stockade agent"), "status: {told}");
    Ok(())
}

/// The new agent knows the subject, and what was denied meanwhile.
fn adopted(mut subject: Subject) -> Result<()> {
    let status = agent::status()?;
    let subjects = status["subjects"].as_array().context("no subjects in status")?;
    ensure!(subjects.iter().any(|one| one["profile"] == "life.subject"), "{subjects:?}");
    let denied = || -> Result<Vec<String>> {
        let events = agent::events(Some("life.subject"))?;
        Ok(events.iter().filter_map(agent::Event::object).collect())
    };
    // The second read is the child's.
    let wanted = [SECRET, "/stockade/stockade", "127.0.0.1:9/tcp", SECRET];
    let mut last = Vec::new();
    let came = eventually(PATIENCE, "what was denied meanwhile", || {
        last = denied()?;
        Ok((last == wanted).then_some(()))
    });
    came.with_context(|| format!("there is {last:?}"))?;
    ensure!(subject.ask(&format!("read {SECRET}"))? == REFUSED, "the secret can be read");
    ensure!(subject.ask(&format!("read {PUBLIC}"))? == 0, "the public file cannot be read");
    agent::fence("fence.adopted")?;
    ensure!(denied()?.len() == wanted.len() + 1, "{:?}", denied()?);
    subject.end()
}

/// After all that, on this agent: no event lost, no decision skipped.
fn nothing_lost() -> Result<()> {
    let status = agent::status()?;
    ensure!(status["healthy"] == true, "{}", status["problems"]);
    for loss in ["events_lost", "bad_records", "observations"] {
        ensure!(status["losses"][loss] == 0, "{loss}: {}", status["losses"]);
    }
    let hooks = status["hooks"].as_array().context("no hooks in status")?;
    ensure!(hooks.iter().all(|hook| hook["recursion_misses"] == 0), "{hooks:?}");
    Ok(())
}

fn uninstalled(agent: Agent) -> Result<()> {
    let mut waits = agent::run(&profile("life.free")?, None)
        .args(["/stockade/guest", "act", "until", SECRET])
        .spawn()
        .context("starting a subject")?;
    eventually(PATIENCE, "its first denial", || {
        Ok((!agent::events(Some("life.free"))?.is_empty()).then_some(()))
    })?;
    let output = agent::cli(&["agent", "--uninstall"])?;
    ensure!(output.status.code() == Some(2), "while the agent runs: {}", agent::told(&output));
    let ended = agent.stop()?;
    ensure!(ended.success(), "told to stop, the agent ended with {ended}: {}", agent::last_words());
    ensure!(Path::new(PINS).is_dir(), "an agent that stopped took {PINS} with it");
    ensure!(waits.try_wait().context("the subject")?.is_none(), "an agent that stopped freed its subject");
    let output = agent::cli(&["agent", "--uninstall"])?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    ensure!(!Path::new(PINS).exists(), "{PINS} is still there");
    let freed = eventually(PATIENCE, "the subject's read", || waits.try_wait().context("the subject"))?;
    ensure!(freed.success(), "the subject ended with {freed}");
    Ok(())
}
