//! What enforcement survives: the agent killed at any moment, replaced by another build, its pins and its
//! state damaged. All the while subjects try what is allowed and what is forbidden.

mod crowd;
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
    guard::run(report);
    let agent = pins::run(report, agent)?;
    let agent = state::run(report, agent)?;
    upgrade::run(report, agent)?;
    Ok(())
}
