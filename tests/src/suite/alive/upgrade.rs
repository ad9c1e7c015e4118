//! One build of the programs takes over from another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::crowd::Crowd;
use super::pins::builds;
use crate::suite::hooks::agent::{self, Agent};
use crate::suite::wait::pause;
use crate::suite::{Report, is_thorough, stockade};

/// Loading every program takes most of an upgrade.
const UPGRADES: u32 = 2;
const ALL_UPGRADES: u32 = 20;
const OTHER: &str = "/tmp/stockade-other";
/// In the eBPF object inside the binary, where nobody reads it.
const COMPILER: &[u8] = b"clang LLVM (rustc version";

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<()> {
    let mut told = String::new();
    report.case("upgrade.there-and-back", || {
        told = there_and_back(agent)?;
        Ok(())
    });
    report.say(&told);
    Ok(())
}

/// A second binary, whose eBPF object is another build of the same programs.
fn other() -> Result<()> {
    let mut binary = fs::read(stockade()).context("reading the binary")?;
    let places: Vec<usize> = (0..binary.len()).filter(|at| binary[*at..].starts_with(COMPILER)).collect();
    ensure!(!places.is_empty(), "the eBPF object does not name its compiler");
    for at in places {
        binary[at] = b'C';
    }
    fs::write(OTHER, binary).context(OTHER)?;
    fs::set_permissions(OTHER, fs::Permissions::from_mode(0o755)).context(OTHER)
}

fn there_and_back(agent: Agent) -> Result<String> {
    other()?;
    let upgrades = if is_thorough() { ALL_UPGRADES } else { UPGRADES };
    let mut crowd = Crowd::start()?;
    let mut running = Some(agent);
    let mut build = agent::status()?["build"].clone();
    let mut longest = Duration::ZERO;
    for number in 0..upgrades {
        let program = if number % 2 == 0 { Path::new(OTHER) } else { &stockade() };
        running.take().context("no agent")?.kill()?;
        // One that does not come to its end, at any moment of it.
        let early = Agent::spawn(program)?;
        pause(Duration::from_millis(u64::from(number) * 1571 % 12_000));
        early.kill()?;
        crowd.still().with_context(|| format!("upgrade {number}"))?;
        let began = Instant::now();
        running = Some(Agent::start_as(program).with_context(|| format!("upgrade {number}"))?);
        longest = longest.max(began.elapsed());
        crowd.still().with_context(|| format!("upgrade {number}"))?;
        let now = agent::status()?["build"].clone();
        ensure!(now != build, "upgrade {number}: the build is still {build}");
        build = now;
        let left = builds()?;
        ensure!(left.len() == 1, "upgrade {number} left {left:?}");
    }
    let tries = crowd.end()?;
    Ok(format!(
        "{upgrades} upgrades, the longest in {longest:.1?}; {tries} rounds of the subjects without a wrong \
         verdict"
    ))
}
