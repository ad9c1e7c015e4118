//! Fresh figures against those of the record.

use anyhow::Result;

use super::record::{Figures, Record};
use super::{operations, starts};
use crate::exec::say;
use crate::guest::Verdict;
use crate::project::Project;

/// What a run of a program differs by.
const RUN_NOISE: i64 = 40;
/// The same where the kernel makes storage for a label, for which memory is more or less at hand.
const STORAGE_NOISE: i64 = 500;

/// How much worse a figure may be than the recorded one.
const WORSE_PERCENT: i64 = 5;

/// One case for each figure of the product that both have.
pub(crate) fn against_record(project: &Project, kernel: &str, fresh: &Figures) -> Result<Verdict> {
    let record = Record::read(project)?;
    let mut verdict = Verdict::default();
    let Some(recorded) = record.kernels.get(kernel) else {
        say("FAIL", &format!("{kernel} bench: nothing is recorded for this kernel; run `cargo xtask bench`"));
        verdict.failed += 1;
        return Ok(verdict);
    };
    let mut judge = |what: &str, is: i64, was: i64, noise: i64| {
        if is > most(was, noise) {
            say(
                "FAIL",
                &format!("{kernel} bench: {what} is {is}, recorded is {was} (limit {})", most(was, noise)),
            );
            verdict.failed += 1;
        } else {
            verdict.passed += 1;
        }
    };
    let product =
        fresh.configurations("").filter(|(name, _)| *name == "outsider" || name.starts_with("stockade-"));
    for (name, _) in product {
        for operation in &operations::ALL {
            let pair = (fresh.over(name, operation.name), recorded.over(name, operation.name));
            if let (Some(is), Some(was)) = pair {
                judge(&format!("{name} {}, over the base,", operation.name), is, was, operation.noise);
            }
        }
    }
    let known = starts::runs(recorded);
    for (name, is) in starts::runs(fresh) {
        if let Some(was) = known.get(name) {
            let what = format!("a run of {name} during a start");
            let noise = if name.ends_with("task_alloc") { STORAGE_NOISE } else { RUN_NOISE };
            judge(&what, i64::try_from(is)?, i64::try_from(*was)?, noise);
        }
    }
    for (_, figures) in fresh.configurations("agent-") {
        for (operation, figure) in figures {
            if let Some(was) = recorded.agent(operation) {
                judge(operation, i64::try_from(figure.value)?, i64::try_from(was)?, agent_noise(operation));
            }
        }
    }
    if verdict.passed + verdict.failed == 0 {
        say("FAIL", &format!("{kernel} bench: the record and this run have no figure in common"));
        verdict.failed += 1;
    }
    Ok(verdict)
}

/// What the agent's figures differ by from run to run: its allocator keeps what it likes, and who waits
/// for a policy asks the agent now and then, which counts as the agent's work.
fn agent_noise(name: &str) -> i64 {
    if name.starts_with("agent-memory") {
        4 << 20
    } else if name.starts_with("kernel-memory") {
        256 << 10
    } else {
        15_000_000
    }
}

/// The most that is still no worse.
fn most(was: i64, noise: i64) -> i64 {
    was + noise.max(was.abs() * WORSE_PERCENT / 100)
}

#[cfg(test)]
mod tests {
    use super::most;

    #[test]
    fn small_figures_have_noise_and_large_ones_five_percent() {
        assert_eq!(most(366, 30), 396);
        assert_eq!(most(2000, 30), 2100);
        assert_eq!(most(-10, 30), 20);
    }
}
