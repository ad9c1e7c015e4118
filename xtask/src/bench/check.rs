//! Fresh figures against those of the record.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::record::{Figures, Record};
use super::{operations, starts};
use crate::guest::Verdict;
use crate::project::Project;

/// What a run of a program differs by.
const RUN_NOISE: i64 = 40;
/// The same where the kernel makes storage for a label, for which memory is more or less at hand.
const STORAGE_NOISE: i64 = 500;

/// How much worse a figure may be than the recorded one.
const WORSE_PERCENT: i64 = 5;

/// Figures of the product, next to those recorded.
pub(super) struct Compared {
    /// How many are no worse than recorded.
    fine: u64,
    /// What is worse, and by how much.
    worse: BTreeMap<String, String>,
}

impl Compared {
    /// Takes what was measured in another guest into account: how the kernel happened to lay out its memory and its
    /// tables makes a figure worse in one guest, a worse program makes it worse in all.
    pub(super) fn and(mut self, again: &Self) -> Self {
        self.worse.retain(|what, _| {
            let still = again.worse.contains_key(what);
            self.fine += u64::from(!still);
            still
        });
        self
    }

    pub(super) fn is_worse(&self) -> bool {
        !self.worse.is_empty()
    }

    /// What is worse, in words.
    pub(super) fn worse(&self) -> impl Iterator<Item = &str> {
        self.worse.values().map(String::as_str)
    }

    /// One case for each figure.
    pub(super) fn verdict(&self) -> Verdict {
        Verdict { passed: self.fine, failed: self.worse.len() as u64, skipped: 0 }
    }

    fn judge(&mut self, what: &str, is: i64, was: i64, noise: i64) {
        let most = most(was, noise);
        if is > most {
            self.worse.insert(what.to_owned(), format!("{what} is {is}, recorded is {was} (limit {most})"));
        } else {
            self.fine += 1;
        }
    }
}

/// Compares each figure of the product that both have.
pub(super) fn against_record(project: &Project, kernel: &str, fresh: &Figures) -> Result<Compared> {
    let record = Record::read(project)?;
    let mut compared = Compared { fine: 0, worse: BTreeMap::new() };
    let recorded =
        record.kernels.get(kernel).context("nothing is recorded for this kernel; run `cargo xtask bench`")?;
    let product =
        fresh.configurations("").filter(|(name, _)| *name == "outsider" || name.starts_with("stockade-"));
    for (name, _) in product {
        for operation in &operations::ALL {
            let pair = (fresh.over(name, operation.name), recorded.over(name, operation.name));
            if let (Some(is), Some(was)) = pair {
                let what = format!("{name} {}, over the base,", operation.name);
                compared.judge(&what, is, was, operation.noise);
            }
        }
    }
    let known = starts::runs(recorded);
    for (name, is) in starts::runs(fresh) {
        if let Some(was) = known.get(name) {
            let what = format!("a run of {name} during a start");
            let noise = if name.ends_with("task_alloc") { STORAGE_NOISE } else { RUN_NOISE };
            compared.judge(&what, i64::try_from(is)?, i64::try_from(*was)?, noise);
        }
    }
    for (_, figures) in fresh.configurations("agent-") {
        for (operation, figure) in figures {
            if let Some(was) = recorded.agent(operation) {
                compared.judge(
                    operation,
                    i64::try_from(figure.value)?,
                    i64::try_from(was)?,
                    agent_noise(operation),
                );
            }
        }
    }
    ensure!(compared.fine > 0 || compared.is_worse(), "the record and this run have no figure in common");
    Ok(compared)
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
    use std::collections::BTreeMap;

    use super::{Compared, most};

    fn compared(open: i64, exec: i64) -> Compared {
        let mut compared = Compared { fine: 0, worse: BTreeMap::new() };
        compared.judge("open", open, 400, 40);
        compared.judge("exec", exec, 9000, 40);
        compared
    }

    #[test]
    fn worse_is_what_is_worse_in_two_guests() {
        let numbers = |compared: &Compared| (compared.verdict().passed, compared.verdict().failed);
        assert_eq!(numbers(&compared(440, 9450)), (2, 0));
        let first = compared(441, 9451);
        assert_eq!(numbers(&first), (0, 2));
        let both = first.and(&compared(400, 9500));
        assert_eq!(numbers(&both), (1, 1));
        assert_eq!(both.worse().collect::<Vec<_>>(), ["exec is 9451, recorded is 9000 (limit 9450)"]);
    }

    #[test]
    fn small_figures_have_noise_and_large_ones_five_percent() {
        assert_eq!(most(366, 30), 396);
        assert_eq!(most(2000, 30), 2100);
        assert_eq!(most(-10, 30), 20);
    }
}
