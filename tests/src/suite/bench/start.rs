//! Where the instructions of a start go: which programs run, how often, and how long, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::confined::Confined;
use super::{Figure, GIVEN};
use crate::act::{SERIES, STARTS};
use crate::suite::hooks::agent::{cli, told};

/// Hooks that a start passes. The agent passes others meanwhile.
const HOOKS: [&str; 8] = [
    "task_alloc",
    "file_open",
    "bprm_check_content",
    "bprm_check_security",
    "file_permission",
    "mmap_file",
    "bprm_committed_creds",
    "file_mprotect",
];
/// While this is set the kernel counts the runs of programs, and the nanoseconds: here, instructions.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Counts of one program: its runs, and the instructions of all of them.
type Counts = (u64, u64);

/// Counts for a process outside every subject, and for one inside.
pub(super) fn measure(figures: &mut Vec<Figure>) -> Result<()> {
    fs::write(SWITCH, "1").context("counting")?;
    let inside = Confined::Stockade(format!("{GIVEN}/1000.yaml"), None);
    for (who, confined) in [("outsider", Confined::No), ("inside", inside)] {
        one(who, &confined, figures).context(who)?;
    }
    fs::write(SWITCH, "0").context("counting no more")
}

/// The same actor once with and once without starts more; what differs is theirs.
fn one(who: &str, confined: &Confined, figures: &mut Vec<Figure>) -> Result<()> {
    let first = counts()?;
    act(confined, &["exec"])?;
    let second = counts()?;
    act(confined, &["exec", "exec"])?;
    let third = counts()?;
    let starts = STARTS * SERIES as u64;
    for hook in HOOKS {
        let at = |all: &BTreeMap<String, Counts>| all.get(hook).copied().context(hook);
        let (first, second, third) = (at(&first)?, at(&second)?, at(&third)?);
        let more = |of: fn(Counts) -> u64| (of(third) + of(first)).saturating_sub(2 * of(second));
        let (runs, instructions) = (more(|(runs, _)| runs), more(|(_, instructions)| instructions));
        ensure!(runs > 0, "{hook} never ran");
        for (what, best) in [("runs", runs * 100 / starts), ("each", instructions / runs)] {
            figures.push(Figure { op: format!("{who}-{hook}-{what}"), best, spread: 0 });
        }
    }
    Ok(())
}

fn act(confined: &Confined, operations: &[&str]) -> Result<()> {
    let mut command = confined.command("/stockade/guest")?;
    let output = command.args(["act", "bench"]).args(operations).output().context("starting the actor")?;
    ensure!(output.status.success(), "{}", told(&output));
    Ok(())
}

/// Counts of each hook so far.
fn counts() -> Result<BTreeMap<String, Counts>> {
    let output = cli(&["status", "-o", "json"])?;
    let status: Value = serde_json::from_slice(&output.stdout).with_context(|| told(&output))?;
    let hooks = status["hooks"].as_array().context("no hooks in status")?;
    let counts = |hook: &Value| {
        let name = hook["name"].as_str()?.to_owned();
        Some((name, (hook["runs"].as_u64()?, hook["run_time_ns"].as_u64()?)))
    };
    hooks.iter().map(|hook| counts(hook).with_context(|| hook.to_string())).collect()
}
