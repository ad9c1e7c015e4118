//! `cargo xtask bench`: what confinement costs, counted in executed instructions on every kernel, and the
//! page about it. `--check` compares with the record instead of renewing it.

mod apparmor;
mod chart;
mod check;
mod lane;
mod operations;
mod page;
mod record;
mod rules;
mod starts;
mod table;

use std::thread;

use anyhow::{Context, Result, anyhow};

pub(crate) use self::lane::Bench;
use self::record::Record;
use crate::exec::say;
use crate::guest::Verdict;
use crate::project::Project;
use crate::setup::kernels::{self, Family};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this kernel; the page is not written then
    #[arg(long)]
    kernel: Option<Family>,
    /// Only what is compared with the record, without the other enforcers; the page is not written
    #[arg(long)]
    quick: bool,
    /// Only these configurations, by name; the page is not written then, unless with `--renew`
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = lane::configuration)]
    only: Vec<String>,
    /// Take what was measured into the record and the page, and keep the rest of them
    #[arg(long, conflicts_with = "check")]
    renew: bool,
    /// Fail where a figure is more than 5 % worse than the record in two guests, and write nothing
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let families = options.kernel.map_or(Family::ALL.to_vec(), |family| vec![family]);
    let plan = match (&options.only[..], options.quick) {
        ([], true) => lane::quick(),
        ([], false) => lane::full(),
        (only, _) => only.to_vec(),
    };
    let kernels =
        families.iter().map(|family| kernels::prepare(project, *family)).collect::<Result<Vec<_>>>()?;
    let bench = Bench::prepare(project, &plan)?;
    let measured: Vec<Result<_>> = thread::scope(|scope| {
        let lanes: Vec<_> =
            kernels.iter().map(|kernel| scope.spawn(|| bench.measure(project, kernel))).collect();
        lanes.into_iter().map(|lane| lane.join().map_err(|_| anyhow!("a lane panicked"))?).collect()
    });
    let mut total = Verdict::default();
    let mut fresh = Record::default();
    for (guest, measured) in kernels.iter().zip(measured) {
        let (verdict, kernel, figures) = measured?;
        total.add(verdict);
        print!("{}{}", table::over(&kernel, &figures), table::learning(&figures));
        if options.check {
            total.add(bench.check(project, guest, &kernel, &figures)?);
        }
        fresh.kernels.insert(kernel, figures);
    }
    let complete = options.kernel.is_none() && !options.quick && options.only.is_empty();
    if options.renew || (complete && !options.check) {
        let mut record = if complete { Record::default() } else { Record::read(project)? };
        record.renew(fresh);
        record.write(project).context("writing the record")?;
        page::write(project, &record).context("writing the page")?;
        say("Wrote", "docs/PERFORMANCE.md, docs/performance.svg and docs/performance.json");
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    Ok(total.failed == 0 && total.passed > 0)
}
