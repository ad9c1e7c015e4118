//! Pins that are gone, half written, or those of another version.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stockade_abi::{ABI_VERSION, LABELS_SINCE};

use super::crowd::Crowd;
use crate::suite::Report;
use crate::suite::hooks::agent::{self, Agent, PATIENCE};
use crate::suite::wait::eventually;

pub(super) const PINS: &str = "/sys/fs/bpf/stockade";

const CASES: [super::Case; 6] = [
    ("map-gone", map_gone),
    ("link-gone", link_gone),
    ("program-gone", program_gone),
    ("unfinished-left", unfinished_left),
    ("newer-abi", newer_abi),
    ("older-abi", older_abi),
];

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<Agent> {
    super::each(report, agent, "pins", &CASES)
}

pub(super) fn abi(version: u32) -> PathBuf {
    Path::new(PINS).join(format!("abi-{version}"))
}

/// The directories of builds, by name.
pub(super) fn builds() -> Result<Vec<String>> {
    let entries = fs::read_dir(abi(ABI_VERSION)).context("the pins")?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| name.starts_with("build-"));
    Ok(names)
}

/// The directory of the one build that is pinned.
fn build() -> Result<PathBuf> {
    let builds = builds()?;
    let [only] = &builds[..] else { anyhow::bail!("not one build but {builds:?}") };
    Ok(abi(ABI_VERSION).join(only))
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| path.display().to_string())
}

/// Every map is found again by the programs that use it; so is who is a subject.
fn map_gone(agent: Agent) -> Result<Agent> {
    let crowd = Crowd::start()?;
    agent.kill()?;
    for name in ["LABELS", "SUBJECTS", "HEADS", "EVENTS"] {
        remove(&abi(ABI_VERSION).join("maps").join(name))?;
    }
    let agent = Agent::start()?;
    ensure!(agent::last_words().contains("Adopted"), "{}", agent::last_words());
    crowd.end()?;
    Ok(agent)
}

/// A hook whose link is gone is attached again, and the others never cease. What goes is one that the crowd
/// does not try: its hook is open until the agent is back.
fn link_gone(agent: Agent) -> Result<Agent> {
    let crowd = Crowd::start()?;
    agent.kill()?;
    remove(&build()?.join("path_chown-link"))?;
    let agent = Agent::start()?;
    ensure!(agent::last_words().contains("Repaired"), "{}", agent::last_words());
    build()?;
    crowd.end()?;
    Ok(agent)
}

fn program_gone(agent: Agent) -> Result<Agent> {
    let crowd = Crowd::start()?;
    agent.kill()?;
    remove(&build()?.join("task_alloc-program"))?;
    let agent = Agent::start()?;
    build()?;
    crowd.end()?;
    Ok(agent)
}

/// What another build had attached when its agent was killed in the middle of it is cleared away.
fn unfinished_left(agent: Agent) -> Result<Agent> {
    let crowd = Crowd::start()?;
    agent.kill()?;
    let unfinished = abi(ABI_VERSION).join("build-0123456789abcdef-unfinished");
    fs::DirBuilder::new().mode(0o700).create(&unfinished).context("an unfinished build")?;
    for name in ["file_open-link", "file_open-program", "path_mkdir-link"] {
        fs::hard_link(build_of(&unfinished)?.join(name), unfinished.join(name)).context(name)?;
    }
    let agent = Agent::start()?;
    ensure!(agent::last_words().contains("Adopted"), "{}", agent::last_words());
    ensure!(!unfinished.exists(), "it is still there");
    crowd.end()?;
    Ok(agent)
}

fn build_of(unfinished: &Path) -> Result<PathBuf> {
    let mut builds = builds()?;
    builds.retain(|name| !unfinished.ends_with(name));
    Ok(abi(ABI_VERSION).join(builds.first().context("no build")?))
}

/// An older agent leaves alone what a newer one has put in force, and says what to do.
fn newer_abi(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    agent.kill()?;
    fs::rename(abi(ABI_VERSION), abi(ABI_VERSION + 1)).context("renaming the pins")?;
    refused("newer stockade")?;
    crowd.still()?;
    fs::rename(abi(ABI_VERSION + 1), abi(ABI_VERSION)).context("renaming the pins")?;
    let agent = Agent::start()?;
    crowd.end()?;
    Ok(agent)
}

/// A newer agent takes over the subjects of an older one if it understands their labels, and otherwise
/// leaves everything alone.
fn older_abi(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    agent.kill()?;
    let older = abi(ABI_VERSION - 1);
    fs::rename(abi(ABI_VERSION), &older).context("renaming the pins")?;
    let agent = if ABI_VERSION > LABELS_SINCE {
        let agent = Agent::start()?;
        ensure!(agent::last_words().contains("Migrated"), "{}", agent::last_words());
        ensure!(!older.exists(), "the older pins are still there");
        agent
    } else {
        refused("older stockade")?;
        fs::rename(&older, abi(ABI_VERSION)).context("renaming the pins")?;
        Agent::start()?
    };
    crowd.still()?;
    let status = agent::status()?;
    let subjects = status["subjects"].as_array().context("no subjects in status")?;
    ensure!(subjects.iter().any(|one| one["profile"] == super::crowd::PROFILE), "{subjects:?}");
    crowd.end()?;
    Ok(agent)
}

/// An agent does not start, and says so in these words.
pub(super) fn refused(words: &str) -> Result<()> {
    let mut agent = Agent::spawn(&crate::suite::stockade())?;
    let ended = eventually(PATIENCE, "the end of an agent", || agent.ended())?;
    let told = agent::last_words();
    ensure!(ended.code() == Some(2) && told.contains(words), "{ended}, no `{words}` in {told}");
    Ok(())
}
