//! The guests: one lane for each kernel, all lanes at once, the suites of a lane one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::bench::Bench;
use crate::build;
use crate::exec::{say, seconds, tail};
use crate::guest::{CaseResult, Guest, Line, Suite, Verdict};
use crate::project::Project;
use crate::setup::kernels::{self, Family, Kernel};
use crate::setup::rootfs;

/// How long a suite may take that does everything as often as it should be done once.
const THOROUGH: Duration = Duration::from_secs(5400);

/// All that the guests need.
pub(super) struct Matrix {
    kernels: Vec<Kernel>,
    suites: Vec<Suite>,
    thorough: bool,
    disk: Option<PathBuf>,
    stockade: PathBuf,
    init: PathBuf,
    /// What the suite `bench` needs, if it is asked for.
    bench: Option<Bench>,
}

impl Matrix {
    pub(super) fn prepare(
        project: &Project,
        families: &[Family],
        suites: Vec<Suite>,
        thorough: bool,
    ) -> Result<Self> {
        let kernels =
            families.iter().map(|family| kernels::prepare(project, *family)).collect::<Result<Vec<_>>>()?;
        let wants_disk = suites.iter().any(|suite| suite.wants_disk());
        let disk = if wants_disk { Some(rootfs::prepare(project)?) } else { None };
        let stockade = build::stockade(project)?;
        let init = build::guest(project)?;
        let bench = suites.contains(&Suite::Bench).then(|| Bench::quick(project)).transpose()?;
        Ok(Self { kernels, suites, thorough, disk, stockade, init, bench })
    }

    pub(super) fn run(&self, project: &Project, filter: Option<&str>) -> Result<Verdict> {
        let results: Vec<Result<Verdict>> = thread::scope(|scope| {
            let lanes: Vec<_> = self
                .kernels
                .iter()
                .map(|kernel| scope.spawn(move || self.lane(project, kernel, filter)))
                .collect();
            lanes
                .into_iter()
                .map(|lane| lane.join().map_err(|_| anyhow!("a lane of guests panicked"))?)
                .collect()
        });
        let mut total = Verdict::default();
        for result in results {
            total.add(result?);
        }
        Ok(total)
    }

    fn lane(&self, project: &Project, kernel: &Kernel, filter: Option<&str>) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        for suite in &self.suites {
            if let (Suite::Bench, Some(bench)) = (suite, &self.bench) {
                // A filter names cases; a part of the figures says nothing.
                if filter.is_none() {
                    verdict.add(bench.compare(project, kernel)?);
                }
                continue;
            }
            let guest = Guest {
                kernel,
                suite: *suite,
                filter,
                thorough: self.thorough,
                disk: self.disk.as_deref(),
                init: &self.init,
                stockade: Some(&self.stockade),
                files: &[],
                command: None,
                timeout: self.thorough.then_some(THOROUGH),
                memory: 2048,
            };
            verdict.add(one(project, &guest)?);
        }
        Ok(verdict)
    }
}

/// Runs one suite in one guest and tells how it went.
fn one(project: &Project, guest: &Guest<'_>) -> Result<Verdict> {
    let name = format!("{} {}", guest.kernel.family, guest.suite.name());
    say("Booting", &format!("{name} ({})", guest.kernel.package));
    let started = Instant::now();
    let mut outcome = guest.run(project, &mut |line| match line {
        Line::Case(case) => match case.result {
            CaseResult::Pass => {}
            CaseResult::Fail => say("FAIL", &format!("{name}: {} {}", case.name, case.detail)),
            CaseResult::Skip => say("skip", &format!("{name}: {} {}", case.name, case.detail)),
        },
        Line::Verdict(_) | Line::Figure(_) | Line::Died(_) | Line::Say(_) | Line::Chatter(_) => {}
    })?;
    let verdict = outcome.verdict();
    if let Some(trouble) = &outcome.trouble {
        say("FAIL", &format!("{name}: {trouble}"));
    }
    if verdict.failed > 0 {
        let log = guest.log(project);
        for path in [&log, &log.with_extension("console")] {
            eprint!("--- the end of {}\n{}", path.display(), last_words(path)?);
        }
    }
    let Verdict { passed, failed, skipped } = verdict;
    say("", &format!("{name}: {passed} passed, {failed} failed, {skipped} skipped in {}", seconds(started)));
    Ok(verdict)
}

fn last_words(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(tail(&String::from_utf8_lossy(&bytes)))
}
