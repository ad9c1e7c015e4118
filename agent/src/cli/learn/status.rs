//! `stockade learn status`.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::{Measure, current};
use crate::cli::Format;
use crate::cli::output::{complain, print};
use crate::events::record::printable;
use crate::learn::complete::{Baseline, Completeness, complete, percent};
use crate::learn::curve::sparkline;
use crate::learn::probes::{ANNOTATION, suspects};

/// Width of the curve in characters.
const WIDTH: i64 = 32;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the profile; every baseline unless given
    name: Option<String>,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    measure: Measure,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let packages = args.measure.rules.packages()?;
    let how = args.measure.rules.how(packages.as_ref());
    let store = args.measure.state.read()?;
    let slots = store.slots()?;
    let names = match &args.name {
        Some(name) => vec![name.clone()],
        None => store.baselines()?.into_iter().map(|baseline| baseline.profile).collect(),
    };
    if names.is_empty() {
        complain("nothing was learned yet; run something under a profile in mode learn");
        return Ok(ExitCode::FAILURE);
    }
    let mut ready = true;
    for name in &names {
        let baseline = Baseline::read(&store, name)?;
        let current = current(&slots, name).map(|current| current.profile);
        let found = complete(&baseline, current.as_ref(), args.measure.bound, how);
        ready &= found.ready();
        print(&match args.output {
            Format::Json => format!("{}\n", serde_json::to_string(&found.answer())?),
            Format::Text => {
                let suspects = suspects(current.as_ref(), &store.seen(name, true)?);
                text(&found, &baseline, &suspects)
            }
        })?;
    }
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(found: &Completeness, baseline: &Baseline, suspects: &[String]) -> String {
    let mut text = String::new();
    let name = printable(&found.name);
    let state = if found.ready() { "ready" } else { "not ready" };
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "{name}: {state}, {} rules from {} observations", found.rules, baseline.seen.len());
    let mut line = |what: &str, spread: &crate::learn::estimate::Spread, unit: &str| {
        let _ = writeln!(
            text,
            "  {what:<8} up to {} that the next {unit} shows something new ({} seen, {} with something of their own)",
            percent(spread.bound()),
            spread.units,
            spread.alone
        );
    };
    line("windows", &found.windows, "window");
    line("starts", &found.restarts, "start");
    line("replicas", &found.replicas, "replica");
    if let Some(last) = found.curve.last() {
        let _ = writeln!(
            text,
            "  growth   {} {} things in {} s of work",
            sparkline(&found.curve, WIDTH),
            last.known,
            last.exposure_ms / 1000
        );
    }
    for missing in &found.missing {
        let _ = writeln!(text, "  missing  {}", printable(missing));
    }
    if let Some(seconds) = found.ready_in_s {
        let _ = writeln!(text, "  time     ready after {seconds} s more of work, if nothing new comes");
    }
    if baseline.of_sessions > 0 {
        let _ = writeln!(text, "  sessions {} observations, left out but for probes", baseline.of_sessions);
    }
    for suspect in suspects {
        let suspect = printable(suspect);
        let _ = writeln!(
            text,
            "  probe?   sessions start {suspect} again and again; name probes in {ANNOTATION}"
        );
    }
    text
}
