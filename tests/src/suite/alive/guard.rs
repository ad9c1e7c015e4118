//! What is the agent's own is out of reach for a subject whose profile grants everything.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use stockade_abi::ABI_VERSION;

use super::pins::abi;
use crate::act::REFUSED;
use crate::suite::Report;
use crate::suite::hooks::agent::{self, Agent};
use crate::suite::hooks::subject::Subject;
use crate::suite::wait::eventually;

/// The state directory by another name.
const ALIAS: &str = "/tmp/alias";
const MODES: [&str; 3] = ["learn", "audit", "enforce"];

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<Agent> {
    for mode in MODES {
        report.case(&format!("guard.{mode}"), || guarded(mode));
    }
    report.case("guard.socket", socket);
    report.case("guard.process", process);
    super::each(report, agent, "guard", &[("owner", owner)])
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

/// Outside every subject nobody but the agent opens the maps; while there is none, its successor has to.
fn owner(agent: Agent) -> Result<Agent> {
    let pins = abi(ABI_VERSION);
    let pinned = ["OWNER", "LABELS", "HEADS"]
        .map(|map| vec!["pinned".to_owned(), format!("{}/maps/{map}", pins.display())]);
    let all = vec!["all".to_owned()];
    let open = |what: &[String], expected: u8| -> Result<()> {
        let output = Command::new("/stockade/guest").args(["act", "maps"]).args(what).output();
        let output = output.context("opening maps")?;
        ensure!(output.status.code() == Some(expected.into()), "{what:?}: {}", agent::told(&output));
        Ok(())
    };
    let all_are = |expected| pinned.iter().chain([&all]).try_for_each(|what| open(what, expected));
    let refuses = || all_are(REFUSED).and_then(|()| open(&["own".to_owned()], 0));
    refuses().context("an agent runs")?;
    agent.kill()?;
    all_are(0).context("no agent runs")?;
    let agent = Agent::start()?;
    refuses().context("the next one runs")?;
    eventually(agent::PATIENCE, "the agent's word of it", || {
        Ok(agent::last_words().contains("not the agent").then_some(()))
    })?;
    Ok(agent)
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
