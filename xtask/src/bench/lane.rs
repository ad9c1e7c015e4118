//! One guest for each kernel, which measures all configurations.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::record::Figures;
use super::{apparmor, check, rules};
use crate::build;
use crate::exec::{say, seconds};
use crate::guest::{CaseResult, Guest, Line, Suite, Verdict};
use crate::project::Project;
use crate::setup::kernels::Kernel;
use crate::setup::rootfs;

/// Where the guest finds what was made for it.
const GIVEN: &str = "/stockade/bench";
/// Numbers of rules.
const RULES: [usize; 4] = [10, 100, 1000, 10_000];

/// All configurations, in the order in which they disturb each other least: nothing is attached before
/// the floor, and the product's programs stay once they are there.
pub(super) fn full() -> Vec<String> {
    passes(&[
        "base",
        "floor",
        "apparmor-10",
        "apparmor-1000",
        "apparmor-10000",
        "outsider",
        "stockade-10",
        "stockade-1000",
        "stockade-10000",
        "audit-1000",
        "learn-1000",
        "starts",
        "agent-500",
    ])
}

/// Those of the product whose figures are the same on a busy host, and what they are compared with.
pub(super) fn quick() -> Vec<String> {
    passes(&["base", "outsider", "stockade-10", "stockade-1000"])
}

/// The name of a configuration, if there is one that is called so.
pub(super) fn configuration(name: &str) -> Result<String, String> {
    let (kind, count) = name.split_once('-').map_or((name, None), |(kind, count)| (kind, Some(count)));
    let number = count.and_then(|count| count.parse::<usize>().ok());
    let exists = match (kind, count.is_some()) {
        ("base" | "floor" | "outsider" | "starts", false) => true,
        ("apparmor" | "stockade" | "audit" | "learn", true) => number.is_some_and(|it| RULES.contains(&it)),
        ("agent", true) => number.is_some_and(|subjects| subjects > 0),
        _ => false,
    };
    exists.then(|| name.to_owned()).ok_or_else(|| {
        let rules = RULES.map(|count| count.to_string()).join(", ");
        format!(
            "there is no such configuration; there are base, floor, outsider, starts, agent-SUBJECTS, and \
             apparmor-, stockade-, audit- and learn- with a number of rules: {rules}"
        )
    })
}

/// Every configuration three times in a row, but for those that are not measured in series.
fn passes(names: &[&str]) -> Vec<String> {
    let times = |name: &str| if name == "starts" || name.starts_with("agent-") { 1 } else { 3 };
    names.iter().flat_map(|name| vec![(*name).to_owned(); times(name)]).collect()
}

/// All that the guests need.
pub(crate) struct Bench {
    disk: PathBuf,
    stockade: PathBuf,
    init: PathBuf,
    files: Vec<(PathBuf, String)>,
}

impl Bench {
    pub(super) fn prepare(project: &Project, plan: &[String]) -> Result<Self> {
        let disk = rootfs::prepare(project)?;
        let stockade = build::stockade(project)?;
        let init = build::guest(project)?;
        let files = given(project, plan)?;
        Ok(Self { disk, stockade, init, files })
    }

    /// What the tests compare with the record.
    pub(crate) fn quick(project: &Project) -> Result<Self> {
        Self::prepare(project, &quick())
    }

    /// Measures on one kernel and compares: the guest's cases, and one case for each figure.
    pub(crate) fn compare(&self, project: &Project, kernel: &Kernel) -> Result<Verdict> {
        let (mut verdict, family, figures) = self.measure(project, kernel)?;
        verdict.add(self.check(project, kernel, &family, &figures)?);
        let Verdict { passed, failed, skipped } = verdict;
        say("", &format!("{family} bench: {passed} passed, {failed} failed, {skipped} skipped"));
        Ok(verdict)
    }

    /// Compares what was measured with the record. What is worse is measured once more, in a fresh guest: it fails if
    /// it is worse there, too.
    pub(super) fn check(
        &self,
        project: &Project,
        kernel: &Kernel,
        family: &str,
        figures: &Figures,
    ) -> Result<Verdict> {
        let mut compared = check::against_record(project, family, figures)?;
        let mut again = Verdict::default();
        if compared.is_worse() {
            for what in compared.worse() {
                say("Again", &format!("{family} bench: {what}"));
            }
            let (verdict, _, figures) = self.measure(project, kernel)?;
            again = Verdict { passed: 0, ..verdict };
            compared = compared.and(&check::against_record(project, family, &figures)?);
        }
        for what in compared.worse() {
            say("FAIL", &format!("{family} bench: in two guests, {what}"));
        }
        again.add(compared.verdict());
        Ok(again)
    }

    /// Measures on one kernel: how the cases went, the kernel's family, and the figures.
    pub(super) fn measure(&self, project: &Project, kernel: &Kernel) -> Result<(Verdict, String, Figures)> {
        let guest = Guest {
            kernel,
            suite: Suite::Bench,
            filter: None,
            thorough: false,
            disk: Some(&self.disk),
            init: &self.init,
            stockade: Some(&self.stockade),
            files: &self.files,
            command: None,
            timeout: None,
            memory: 2048,
        };
        let name = format!("{} bench", kernel.family);
        say("Booting", &format!("{name} ({})", kernel.package));
        let started = Instant::now();
        let mut figures = Figures::new(&kernel.package);
        let mut outcome = guest.run(project, &mut |line| match line {
            Line::Case(case) => match case.result {
                CaseResult::Pass => say("", &format!("{name}: {} after {}", case.name, seconds(started))),
                CaseResult::Fail => say("FAIL", &format!("{name}: {} {}", case.name, case.detail)),
                CaseResult::Skip => say("skip", &format!("{name}: {} {}", case.name, case.detail)),
            },
            Line::Figure(figure) => figures.put(figure),
            Line::Verdict(_) | Line::Died(_) | Line::Say(_) | Line::Chatter(_) => {}
        })?;
        let verdict = outcome.verdict();
        if let Some(trouble) = &outcome.trouble {
            say("FAIL", &format!("{name}: {trouble}; see {}", guest.log(project).display()));
        }
        Ok((verdict, kernel.family.to_string(), figures))
    }
}

/// Makes the files that a plan needs, below the target directory.
fn given(project: &Project, plan: &[String]) -> Result<Vec<(PathBuf, String)>> {
    let dir = project.target.join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let mut files = Vec::new();
    let mut text = |name: &str, text: &str| -> Result<()> {
        let path = dir.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        files.push((path, format!("{GIVEN}/{name}")));
        Ok(())
    };
    text("plan", &plan.join("\n"))?;
    text("1.yaml", &rules::smallest())?;
    for count in RULES {
        text(&format!("{count}.yaml"), &rules::stockade(count))?;
    }
    for name in plan {
        let there = |name: &str| format!("{GIVEN}/{name}");
        if name == "floor" {
            files.push((build::floor(project)?, there("floor")));
        } else if let Some(count) = name.strip_prefix("apparmor-") {
            let policy = apparmor::compiled(project, count.parse().context("how many rules")?)?;
            files.push((policy, there(&format!("{count}.apparmor"))));
        }
    }
    Ok(files)
}

/// The directory in which the page lies.
pub(super) fn docs(project: &Project) -> PathBuf {
    Path::new(&project.root).join("docs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_configurations() {
        assert!(full().iter().chain(&quick()).all(|name| configuration(name).is_ok()));
        for name in ["", "bases", "base-10", "stockade", "stockade-11", "learn-x", "agent-0", "agent-", "-10"]
        {
            assert!(configuration(name).is_err(), "{name}");
        }
    }
}
