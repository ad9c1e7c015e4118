//! What enforcement survives: the agent killed at any moment, replaced by another build, its pins and its
//! state damaged. All the while subjects try what is allowed and what is forbidden.

mod crowd;
mod flood;
mod guard;
mod pins;
mod restart;
mod state;
mod upgrade;

use std::fs;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, mount};

use super::Report;
use super::hooks::agent::{self, Agent};

/// Size of the state directory's file system, so that it can be filled.
const STATE_SIZE: &std::ffi::CStr = c"size=200m,mode=700";

pub(super) fn run(report: &mut Report) -> Result<()> {
    fs::create_dir_all(agent::STATE).context(agent::STATE)?;
    mount(c"tmpfs", agent::STATE, c"tmpfs", MountFlags::empty(), STATE_SIZE).context(agent::STATE)?;
    crowd::prepare()?;
    let agent = Agent::start()?;
    let agent = restart::run(report, agent)?;
    let agent = guard::run(report, agent)?;
    let agent = pins::run(report, agent)?;
    let agent = state::run(report, agent)?;
    let agent = flood::go(report, agent)?;
    upgrade::run(report, agent)?;
    Ok(())
}

/// A case: what it is called, and what it does with the agent that runs. It gives back one that runs.
type Case = (&'static str, fn(Agent) -> Result<Agent>);

/// Runs the cases of a group, each with the agent that the one before left; after one that failed, with a new one.
fn each(report: &mut Report, agent: Agent, group: &str, cases: &[Case]) -> Result<Agent> {
    let mut agent = Some(agent);
    for (name, case) in cases {
        let name = format!("{group}.{name}");
        if !report.wants(&name) {
            continue;
        }
        report.case(&name, || {
            let running = match agent.take() {
                Some(agent) => agent,
                None => Agent::start()?,
            };
            agent = Some(case(running)?);
            Ok(())
        });
    }
    match agent {
        Some(agent) => Ok(agent),
        None => Agent::start(),
    }
}
