//! What confinement costs, in executed instructions: each operation under each configuration.
//!
//! The guest runs on a virtual clock that counts instructions (see `docs/PERFORMANCE.md`). Which
//! configurations are measured, in which order, is written in a plan that comes with the guest; each is
//! one case, and its figures are handed to the host, which compares them.

mod agent;
mod confined;
mod floor;
mod memory;
mod server;
mod start;
mod world;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use self::confined::Confined;
use self::floor::Floor;
use super::Report;
use super::hooks::agent::{Agent, told};

/// Profiles, programs and the plan, as the host made them.
const GIVEN: &str = "/stockade/bench";
/// After so long the kernel has chosen its clock for good.
const SETTLE: Duration = Duration::from_secs(3);
/// What the actor measures, in this order.
const OPERATIONS: [&str; 14] = [
    "open",
    "open-nested",
    "open-4000",
    "open-300-levels",
    "open-inside-300-levels",
    "distinct",
    "distinct-nested",
    "create",
    "unlink",
    "rename",
    "write",
    "exec",
    "connect",
    "send",
];

/// One line of the actor's.
#[derive(Deserialize)]
struct Figure {
    op: String,
    best: u64,
    spread: u64,
}

pub(super) fn run(report: &mut Report) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < SETTLE {
        thread::park_timeout(SETTLE);
    }
    let plan = fs::read_to_string(format!("{GIVEN}/plan")).context("reading the plan")?;
    let mut product = None;
    for name in plan.split_whitespace() {
        let figures = &mut Vec::new();
        report.case(name, || measure(name, &mut product, figures));
        for Figure { op, best, spread } in figures {
            report.figure(name, op, *best, *spread);
        }
    }
    Ok(())
}

/// Measures one configuration. The product's agent, once started, stays for those that follow.
fn measure(name: &str, product: &mut Option<Agent>, figures: &mut Vec<Figure>) -> Result<()> {
    let (kind, rules) = name.split_once('-').map_or((name, ""), |(kind, rules)| (kind, rules));
    let (mut floor, mut warm) = (None, false);
    let confined = match kind {
        "base" => Confined::No,
        "floor" => {
            floor = Some(Floor::attach()?);
            Confined::No
        }
        "apparmor" => Confined::load_apparmor(rules)?,
        "outsider" | "stockade" | "audit" | "learn" => {
            running(product)?;
            let mode = ["audit", "learn"].into_iter().find(|mode| *mode == kind);
            warm = mode.is_some();
            if kind == "outsider" {
                Confined::No
            } else {
                Confined::Stockade(format!("{GIVEN}/{rules}.yaml"), mode)
            }
        }
        "starts" => {
            running(product)?;
            return start::measure(figures);
        }
        "agent" => {
            if let Some(agent) = product.take() {
                agent.stop()?;
            }
            return agent::measure(rules.parse().context("how many")?, figures);
        }
        _ => bail!("there is no such configuration"),
    };
    world::make().context("making the files")?;
    actor(&confined, warm, figures)?;
    server::measure(&confined, figures).context("server")?;
    drop(floor);
    Ok(())
}

/// Starts the product's agent, unless it runs.
fn running(product: &mut Option<Agent>) -> Result<()> {
    if product.is_none() {
        *product = Some(Agent::start()?);
    }
    Ok(())
}

/// Has the actor measure everything, and do it once before if it is to be warm: what was done in a window is known
/// to who learns.
fn actor(confined: &Confined, warm: bool, figures: &mut Vec<Figure>) -> Result<()> {
    let mut command = confined.command("/stockade/guest")?;
    command.args(["act", "bench"]);
    if warm {
        command.arg("warm");
    }
    let output = command.args(OPERATIONS).output().context("starting the actor")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        figures.push(serde_json::from_str(line).with_context(|| line.to_owned())?);
    }
    ensure!(output.status.success(), "{}", told(&output));
    Ok(())
}
