//! The agent is killed, again and again, when it is ready and while it starts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::crowd::Crowd;
use crate::suite::hooks::agent::{self, Agent};
use crate::suite::wait::pause;
use crate::suite::{Report, is_thorough, stockade};

const ROUNDS: u32 = 15;
const ALL_ROUNDS: u32 = 200;
/// An agent that takes over what is in force is ready after this, most of the time: half the rounds.
const SOON: Duration = Duration::from_secs(20);

pub(super) fn run(report: &mut Report, agent: Agent) -> Result<Agent> {
    if !report.wants("restart.killed") {
        return Ok(agent);
    }
    let mut told = String::new();
    let mut agent = Some(agent);
    report.case("restart.killed", || {
        told = killed(&mut agent)?;
        Ok(())
    });
    report.say(&told);
    match agent {
        Some(agent) => Ok(agent),
        None => Agent::start(),
    }
}

fn killed(agent: &mut Option<Agent>) -> Result<String> {
    let rounds = if is_thorough() { ALL_ROUNDS } else { ROUNDS };
    let mut crowd = Crowd::start()?;
    let mut times = Vec::new();
    for round in 0..rounds {
        agent.take().context("no agent")?.kill()?;
        if round % 3 == 2 {
            let early = Agent::spawn(&stockade())?;
            // Numbers without a pattern, from nothing to about what a start takes.
            pause(Duration::from_millis(u64::from(round * 97 % 89) * 9));
            early.kill()?;
        }
        crowd.still().with_context(|| format!("round {round}"))?;
        let began = Instant::now();
        *agent = Some(Agent::start().with_context(|| format!("round {round}"))?);
        times.push(began.elapsed());
        crowd.still().with_context(|| format!("round {round}"))?;
    }
    let tries = crowd.end()?;
    times.sort_unstable();
    let middle = times[times.len() / 2];
    let longest = times.last().copied().unwrap_or_default();
    ensure!(middle < SOON, "it took {middle:?} to start again");
    let status = agent::status()?;
    ensure!(status["healthy"] == true, "{}", status["problems"]);
    Ok(format!(
        "{rounds} times killed: ready again after {middle:.1?}, at most {longest:.1?}; {tries} rounds of the \
         subjects without a wrong verdict"
    ))
}
