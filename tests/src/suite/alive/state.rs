//! The state directory is damaged, full or read-only; the profile directory is gone; the clock jumps.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount_remount};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use serde_json::Value;

use super::crowd::Crowd;
use super::pins::refused;
use crate::suite::Report;
use crate::suite::hooks::agent::{self, Agent, PATIENCE};
use crate::suite::wait::{eventually, pause};

const CASES: [super::Case; 8] = [
    ("full", full),
    ("read-only", read_only),
    ("log-unwritable", log_unwritable),
    ("profiles-gone", profiles_gone),
    ("clock", clock),
    ("truncated", truncated),
    ("damaged", damaged),
    ("gone", gone),
];

const DATABASE: [&str; 3] = ["stockade.db", "stockade.db-wal", "stockade.db-shm"];

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<Agent> {
    super::each(report, agent, "state", &CASES)
}

fn path(name: &str) -> String {
    format!("{}/{name}", agent::STATE)
}

/// Waits until status shows a problem in these words, or none.
fn problem(words: Option<&str>) -> Result<Value> {
    let mut last = Value::Null;
    let seen = eventually(PATIENCE, "what status should say", || {
        // One that has only begun to start gives no answer yet.
        let Ok(status) = agent::status() else { return Ok(None) };
        last = status["problems"].clone();
        let text = last.to_string();
        let is = words.map_or(status["healthy"] == true, |words| text.contains(words));
        Ok(is.then_some(status))
    });
    seen.with_context(|| format!("wanted {words:?}, the problems are {last}"))
}

/// An agent that runs says that it cannot write, judges on, and writes when it can.
fn full(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    // Again and again: a log that is moved aside makes room.
    eventually(PATIENCE * 4, "a full disk", || {
        fill()?;
        let problems = agent::status()?["problems"].to_string();
        Ok(problems.contains("the event log cannot be written").then_some(()))
    })?;
    let status = problem(Some("the event log cannot be written"))?;
    ensure!(status["log"]["write_errors"].as_u64() > Some(0), "{}", status["log"]);
    // One that starts now has to write, too; whether it can or not, nothing is opened by it.
    agent.kill()?;
    let early = Agent::spawn(&crate::suite::stockade())?;
    pause(Duration::from_secs(4));
    early.kill()?;
    crowd.still()?;
    fs::remove_file(path("filler")).context("making room")?;
    let agent = Agent::start().context("with room again")?;
    problem(None)?;
    crowd.end()?;
    Ok(agent)
}

/// Takes all the room that is left.
fn fill() -> Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path("filler")).context("filling")?;
    let block = vec![0; 1 << 16];
    loop {
        match file.write_all(&block) {
            Ok(()) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSPC) => return Ok(()),
            Err(error) => return Err(error).context("filling"),
        }
    }
}

fn remount(flags: MountFlags) -> Result<()> {
    mount_remount(agent::STATE, flags, c"").context("mounting again")
}

fn read_only(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    agent.kill()?;
    remount(MountFlags::RDONLY)?;
    refused("readonly")?;
    crowd.still()?;
    remount(MountFlags::empty())?;
    let agent = Agent::start()?;
    problem(None)?;
    crowd.end()?;
    Ok(agent)
}

/// A directory stands where the log should be.
fn log_unwritable(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    agent.kill()?;
    let (log, aside) = (path("events.jsonl"), path("events.aside"));
    fs::rename(&log, &aside).context("moving the log")?;
    fs::create_dir(&log).context("a directory for the log")?;
    let agent = Agent::spawn(&crate::suite::stockade())?;
    problem(Some("the event log cannot be written"))?;
    crowd.still()?;
    fs::remove_dir(&log).context("making room for the log")?;
    fs::rename(&aside, &log).context("moving the log back")?;
    problem(None)?;
    crowd.end()?;
    Ok(agent)
}

fn profiles_gone(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    let aside = format!("{}-aside", agent::PROFILES);
    fs::rename(agent::PROFILES, &aside).context("moving the profiles")?;
    let status = problem(Some(agent::PROFILES))?;
    ensure!(status["policies"].as_array().is_some_and(|all| !all.is_empty()), "{}", status["policies"]);
    crowd.still()?;
    agent.kill()?;
    refused("profile directory")?;
    crowd.still()?;
    fs::rename(&aside, agent::PROFILES).context("moving the profiles back")?;
    let agent = Agent::start()?;
    problem(None)?;
    crowd.end()?;
    Ok(agent)
}

/// Ten years forward, then into the seventies, then back.
fn clock(agent: Agent) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    let began = clock_gettime(ClockId::Monotonic);
    let true_time = clock_gettime(ClockId::Realtime);
    let far = Timespec { tv_sec: true_time.tv_sec + 10 * 365 * 86_400, tv_nsec: 0 };
    let past = Timespec { tv_sec: 86_400, tv_nsec: 0 };
    for time in [far, past] {
        clock_settime(ClockId::Realtime, time).context("setting the clock")?;
        // Sweeping, looking and recording go on.
        pause(Duration::from_secs(4));
        problem(None)?;
        crowd.still()?;
        agent::fence(&format!("fence.clock-{}", time.tv_sec))?;
    }
    let passed = clock_gettime(ClockId::Monotonic).tv_sec - began.tv_sec;
    let back = Timespec { tv_sec: true_time.tv_sec + passed, tv_nsec: 0 };
    clock_settime(ClockId::Realtime, back).context("setting the clock")?;
    agent.kill()?;
    let agent = Agent::start()?;
    crowd.end()?;
    Ok(agent)
}

/// The agent does not start on a damaged database, and starts on none: what is in force stays, and its
/// subjects stay subjects.
fn without_database(agent: Agent, damage: impl Fn() -> Result<bool>) -> Result<Agent> {
    let mut crowd = Crowd::start()?;
    agent.kill()?;
    if damage()? {
        refused("is damaged")?;
        crowd.still()?;
    }
    for name in DATABASE {
        if fs::exists(path(name)).context("the database")? {
            fs::remove_file(path(name)).context("the database")?;
        }
    }
    let agent = Agent::spawn(&crate::suite::stockade())?;
    // Not healthy as long as there is a policy that nobody knows the profile of.
    let output = agent::cli(&["status", "--wait", "60s", "-o", "json"])?;
    let status = problem(Some("before the database was made"))
        .with_context(|| format!("{}; {}", agent::told(&output), agent::last_words()))?;
    let subjects = status["subjects"].as_array().context("no subjects in status")?;
    ensure!(subjects.len() >= 2, "{subjects:?}");
    crowd.end()?;
    problem(None)?;
    Ok(agent)
}

fn truncated(agent: Agent) -> Result<Agent> {
    without_database(agent, || {
        let file = OpenOptions::new().write(true).open(path(DATABASE[0])).context("the database")?;
        let size = file.metadata().context("the database")?.len();
        // A small one was all in the log that goes with it: nothing is left to be cut short.
        let is_there = size >= 8192;
        if is_there {
            file.set_len(size / 2 + 100).context("cutting the database short")?;
        }
        for name in &DATABASE[1..] {
            if fs::exists(path(name)).context("the database")? {
                fs::remove_file(path(name)).context("the database")?;
            }
        }
        Ok(is_there)
    })
}

fn damaged(agent: Agent) -> Result<Agent> {
    without_database(agent, || {
        for name in DATABASE {
            if fs::exists(path(name)).context("the database")? {
                fs::write(path(name), vec![0x5a; 40_000]).context("overwriting the database")?;
            }
        }
        Ok(true)
    })
}

fn gone(agent: Agent) -> Result<Agent> {
    without_database(agent, || Ok(false))
}
