//! `cargo xtask cases`: every case of suite hooks without confinement, under the product and under AppArmor's
//! equivalent profile, on every kernel, and the page about it.

mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::build;
use crate::exec::say;
use crate::guest::{CaseResult, Figure, Guest, Line, Suite, Verdict};
use crate::project::Project;
use crate::setup::kernels::{self, Family, Kernel};
use crate::setup::packages;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this kernel; the page is not written then
    #[arg(long)]
    kernel: Option<Family>,
    /// Only cases whose name contains this; the page is not written then
    #[arg(long)]
    filter: Option<String>,
}

/// Exit code of an action that was refused.
const REFUSED: u64 = 40;

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    /// It was done.
    Done,
    /// It was refused, and nothing of it can be seen.
    Refused,
    /// It failed in another way.
    Failed,
}

impl Went {
    /// From what the guest tells: the exit code, and 1 or 2 where it can be seen from outside whether it was done.
    fn of(figure: &Figure) -> Self {
        match (figure.value, figure.spread) {
            (_, 2) | (0, 0) => Self::Done,
            (REFUSED, _) => Self::Refused,
            (_, _) => Self::Failed,
        }
    }
}

/// One case on one kernel.
#[derive(Clone, Copy, Debug)]
struct Fates {
    forbidden: bool,
    off: Went,
    stockade: Went,
    apparmor: Went,
}

/// By kernel, by case.
type Results = BTreeMap<String, BTreeMap<String, Fates>>;

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    packages::install(&packages::BENCH, "the comparison with AppArmor")?;
    let families = options.kernel.map_or(Family::ALL.to_vec(), |family| vec![family]);
    let kernels =
        families.iter().map(|family| kernels::prepare(project, *family)).collect::<Result<Vec<_>>>()?;
    let (stockade, init) = (build::stockade(project)?, build::guest(project)?);
    let files = parser()?;
    let guest = |kernel| Guest {
        kernel,
        suite: Suite::Cases,
        filter: options.filter.as_deref(),
        thorough: false,
        disk: None,
        init: &init,
        stockade: Some(&stockade),
        files: &files,
        command: None,
        timeout: None,
        memory: 2048,
    };
    let ran: Vec<Result<_>> = thread::scope(|scope| {
        let lanes: Vec<_> =
            kernels.iter().map(|kernel| scope.spawn(|| lane(project, &guest(kernel)))).collect();
        lanes.into_iter().map(|lane| lane.join().map_err(|_| anyhow!("a lane panicked"))?).collect()
    });
    let (mut total, mut results) = (Verdict::default(), Results::new());
    for (kernel, ran) in kernels.iter().zip(ran) {
        let (verdict, of_kernel) = ran?;
        total.add(verdict);
        results.insert(name(kernel), of_kernel);
    }
    if options.kernel.is_none() && options.filter.is_none() && total.failed == 0 {
        page::write(project, &results)?;
        say("Wrote", "docs/CASES.md");
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    Ok(total.failed == 0 && total.passed > 0)
}

fn name(kernel: &Kernel) -> String {
    kernel.family.to_string()
}

/// AppArmor's compiler, with what it needs to run in a guest without a distribution.
fn parser() -> Result<Vec<(PathBuf, String)>> {
    let files = [
        ("/sbin/apparmor_parser", "/sbin/apparmor_parser"),
        ("/usr/share/apparmor-features/features", "/stockade/apparmor-features"),
        ("/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
        ("/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"),
    ];
    // Symbolic links on this machine are files there.
    files
        .into_iter()
        .map(|(here, there)| {
            let real = std::fs::canonicalize(here).with_context(|| format!("looking for {here}"))?;
            Ok((real, there.to_owned()))
        })
        .collect()
}

fn lane(project: &Project, guest: &Guest<'_>) -> Result<(Verdict, BTreeMap<String, Fates>)> {
    let name = format!("{} cases", guest.kernel.family);
    say("Booting", &format!("{name} ({})", guest.kernel.package));
    let mut figures: BTreeMap<String, BTreeMap<String, Figure>> = BTreeMap::new();
    let mut outcome = guest.run(project, &mut |line| match line {
        Line::Case(case) if case.result != CaseResult::Pass => {
            say("FAIL", &format!("{name}: {} {}", case.name, case.detail));
        }
        Line::Figure(figure) => {
            let of = figures.entry(figure.operation.clone()).or_default();
            of.insert(figure.configuration.clone(), figure.clone());
        }
        Line::Case(_) | Line::Verdict(_) | Line::Died(_) | Line::Say(_) | Line::Chatter(_) => {}
    })?;
    let verdict = outcome.verdict();
    if let Some(trouble) = &outcome.trouble {
        say("FAIL", &format!("{name}: {trouble}; see {}", guest.log(project).display()));
    }
    let results = figures.into_iter().filter_map(|(case, by)| Some((case, result(&by)?)));
    Ok((verdict, results.collect()))
}

fn result(by: &BTreeMap<String, Figure>) -> Option<Fates> {
    let went = |how: &str| by.get(how).map(Went::of);
    let forbidden = by.get("forbidden")?.value == 1;
    Some(Fates { forbidden, off: went("off")?, stockade: went("stockade")?, apparmor: went("apparmor")? })
}
