//! `stockade learn report`: a page for people who were not there.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::promote::replace;
use super::{Measure, current};
use crate::cli::output::complain;
use crate::learn::complete::{Baseline, Completeness, complete, percent};
use crate::learn::curve::{escape, svg};
use crate::learn::export::export;
use crate::profile::Profile;
use stockade_abi::reason::Mode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the profile
    name: String,
    /// Where to write it: a page, or the curve alone if the name ends in `.svg`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    measure: Measure,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.measure.state.read()?;
    let baseline = Baseline::read(&store, &args.name)?;
    if baseline.seen.is_empty() && baseline.runs.is_empty() {
        complain(&format!("nothing was learned for `{}`", args.name));
        return Ok(ExitCode::FAILURE);
    }
    let current = current(&store.slots()?, &args.name).map(|current| current.profile);
    let found = complete(&baseline, current.as_ref(), args.measure.bound);
    let curve = svg(&found.curve, &args.name);
    let text = if args.out.extension().is_some_and(|end| end == "svg") {
        curve
    } else {
        page(&found, &baseline, current.as_ref(), &curve)
    };
    replace(&args.out, &text).with_context(|| format!("writing {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn page(found: &Completeness, baseline: &Baseline, current: Option<&Profile>, curve: &str) -> String {
    let name = escape(&found.name);
    let mut page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n<style>body{{font:15px/1.5 sans-serif;\
         max-width:46em;margin:2em auto}}td,th{{text-align:left;padding:0 1em 0 0}}pre{{background:#f4f4f4;\
         padding:1em;overflow:auto}}</style>\n<h1>{name}: {}</h1>\n{curve}",
        if found.ready() { "ready" } else { "not ready" }
    );
    if !found.missing.is_empty() {
        page.push_str("<h2>Missing</h2>\n<ul>\n");
        for missing in &found.missing {
            let _ = writeln!(page, "<li>{}</li>", escape(missing));
        }
        page.push_str("</ul>\n");
    }
    page.push_str(
        "<h2>Chance of something new</h2>\n<table>\n<tr><th>in the next<th>seen<th>with something of their \
         own<th>estimate<th>bound (95 %)</tr>\n",
    );
    for (what, spread) in
        [("window", &found.windows), ("start", &found.restarts), ("replica", &found.replicas)]
    {
        let _ = writeln!(
            page,
            "<tr><td>{what}<td>{}<td>{}<td>{}<td>{}</tr>",
            spread.units,
            spread.alone,
            percent(spread.estimate()),
            percent(spread.bound())
        );
    }
    let _ = writeln!(
        page,
        "</table>\n<p>At least {:.0} things were probably not seen yet. {} runs, {} observations of sessions left \
         out.</p>",
        found.windows.unseen(),
        baseline.runs.len(),
        baseline.of_sessions
    );
    let yaml = export(&found.name, Mode::Enforce, current, &baseline.seen, None).yaml;
    let _ = writeln!(page, "<h2>Profile, {} rules</h2>\n<pre>{}</pre>", found.rules, escape(&yaml));
    page
}
