//! What is the agent's own is out of reach for a subject whose profile grants everything.

use std::fs;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use stockade_abi::ABI_VERSION;

use super::pins::abi;
use crate::act::REFUSED;
use crate::suite::Report;
use crate::suite::hooks::agent;
use crate::suite::hooks::subject::Subject;

/// The state directory by another name.
const ALIAS: &str = "/tmp/alias";
const MODES: [&str; 3] = ["learn", "audit", "enforce"];

pub(super) fn run(report: &mut Report) {
    for mode in MODES {
        report.case(&format!("guard.{mode}"), || guarded(mode));
    }
    report.case("guard.socket", socket);
    report.case("guard.process", process);
}

fn profile(name: &str, mode: &str) -> Result<String> {
    agent::profile_file(
        name,
        &format!(
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: \
             {mode}\n  exec:\n    - path: /**\n  files:\n    - path: /**\n      access: [read, write, append, \
             create, delete, rename, link, attr, map]\n  peers:\n    - to: unix:/run/stockade/agent.sock\n  \
             facilities: [bpf]\n  capabilities: [bpf, sys_admin]\n"
        ),
    )
}

fn guarded(mode: &str) -> Result<()> {
    fs::write("/tmp/guard-file", "text").context("a file")?;
    fs::create_dir_all(ALIAS).context(ALIAS)?;
    mount_bind(agent::STATE, ALIAS).context(ALIAS)?;
    let tried = try_all(mode);
    unmount(ALIAS, UnmountFlags::DETACH).context(ALIAS)?;
    tried
}

fn try_all(mode: &str) -> Result<()> {
    let name = format!("guard-{mode}");
    // By now there is a log.
    agent::fence(&format!("fence.before-{name}"))?;
    let mut subject = Subject::start(&profile(&name, mode)?)?;
    let (state, profiles) = (agent::STATE, agent::PROFILES);
    let pins = abi(ABI_VERSION);
    let pins = pins.display();
    // Reading goes on, and what is remembered of it grants nothing else.
    for _ in 0..4 {
        let code = subject.ask(&format!("open read {state}/stockade.db"))?;
        ensure!(code == 0, "reading the database: {code}");
    }
    let refused = [
        format!("open write {state}/stockade.db"),
        format!("open read+write {ALIAS}/stockade.db"),
        format!("open write+append {state}/events.jsonl"),
        format!("open write+create {state}/new"),
        format!("truncate {state}/events.jsonl"),
        format!("unlink {state}/events.jsonl"),
        format!("unlink {ALIAS}/events.jsonl"),
        format!("rename {state}/events.jsonl {state}/moved"),
        format!("link {state}/events.jsonl {state}/linked"),
        format!("link /tmp/guard-file {profiles}/linked.yaml"),
        format!("rename /tmp/guard-file {profiles}/alive.yaml"),
        format!("mkdir {profiles}/below"),
        format!("open write {profiles}/alive.yaml"),
        format!("symlink /tmp/guard-file {profiles}/other.yaml"),
        format!("rename {profiles} /tmp/profiles-moved"),
        format!("chmod 777 {profiles}"),
        "chmod 777 /stockade/stockade".to_owned(),
        "chown 1 /stockade/stockade".to_owned(),
        "unlink /stockade/stockade".to_owned(),
        "rename /stockade/guest /stockade/stockade".to_owned(),
        "exchange /stockade/guest /stockade/stockade".to_owned(),
        "unlink /run/stockade/agent.sock".to_owned(),
        "open write /run/stockade/agent.lock".to_owned(),
        format!("unlink {pins}/maps/LABELS"),
        format!("rename {pins}/maps/LABELS {pins}/maps/OTHER"),
        format!("rename {pins} {pins}-moved"),
        format!("mkdir {pins}/build-0"),
        format!("maps pinned {pins}/maps/SUBJECTS"),
        format!("maps pinned {pins}/maps/HEADS"),
        "maps all".to_owned(),
    ];
    for action in &refused {
        let code = subject.ask(action)?;
        ensure!(code == REFUSED, "{action}: {code}");
    }
    for action in ["open write+create /tmp/guard-free", "unlink /tmp/guard-free", "maps own"] {
        let code = subject.ask(action)?;
        ensure!(code == 0, "{action}: {code}");
    }
    subject.end()?;
    ensure!(Path::new("/stockade/stockade").exists(), "the program is gone");
    agent::fence(&format!("fence.{name}"))?;
    let events = agent::events(Some(&name))?;
    let mut guarded = events.iter().filter(|event| event.reason == "guarded");
    // Two changes of one kind to one file may stand in one line.
    let refusals: u64 = guarded.clone().map(|event| event.count).sum();
    ensure!(refusals >= refused.len() as u64, "{refusals} of {}", refused.len());
    ensure!(guarded.all(|event| event.verdict == "denied" && event.object().is_some()), "{events:?}");
    Ok(())
}

/// The agent answers no confined process, whoever it is and whatever it may connect to.
fn socket() -> Result<()> {
    let output: Output = agent::run(&profile("guard-socket", "enforce")?, None)
        .args(["/stockade/stockade", "status"])
        .output()
        .context("asking from inside")?;
    let told = agent::told(&output);
    ensure!(output.status.code() == Some(2) && told.contains("confined process"), "{told}");
    Ok(())
}

fn process() -> Result<()> {
    let pid = agent::status()?["pid"].clone();
    let adjusted = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).context("the agent")?;
    ensure!(adjusted.trim() == "-999", "{adjusted}");
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).context("the agent")?;
    ensure!(!cgroup.contains("stockade/run-"), "{cgroup}");
    // One that is started as a subject says so.
    let output = agent::run(&profile("guard-agent", "enforce")?, None)
        .args(["/stockade/stockade", "agent", "--state", "/tmp/other", "--profiles", agent::PROFILES])
        .output()
        .context("starting an agent inside")?;
    ensure!(output.status.code() == Some(2), "{}", agent::told(&output));
    Ok(())
}
