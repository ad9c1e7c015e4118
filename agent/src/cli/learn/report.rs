//! `stockade learn report`: a page for people who were not there.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::promote::replace;
use super::{Measure, current};
use crate::cli::output::complain;
use crate::cli::profile_surface::passed_by;
use crate::image::{Counts, Left};
use crate::learn::complete::{Baseline, Completeness, complete, percent};
use crate::learn::curve::{escape, svg};
use crate::learn::export::export;
use crate::learn::how::How;
use crate::learn::tradeoff::{Choice, tradeoff};
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
    let packages = args.measure.rules.packages()?;
    let how = args.measure.rules.how(packages.as_ref());
    let store = args.measure.state.read()?;
    let baseline = Baseline::read(&store, &args.name)?;
    if baseline.seen.is_empty() && baseline.runs.is_empty() {
        complain(&format!("nothing was learned for `{}`", args.name));
        return Ok(ExitCode::FAILURE);
    }
    let current = current(&store.slots()?, &args.name).map(|current| current.profile);
    let found = complete(&baseline, current.as_ref(), args.measure.bound, how);
    let curve = svg(&found.curve, &args.name);
    let choices = match &args.measure.rules.root {
        Some(root) => choices(&tradeoff(&args.name, current.as_ref(), &baseline.seen, how, root)?),
        None => String::new(),
    };
    let text = if args.out.extension().is_some_and(|end| end == "svg") {
        curve
    } else {
        page(&found, &baseline, current.as_ref(), how, &(curve + &choices))
    };
    replace(&args.out, &text).with_context(|| format!("writing {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn page(
    found: &Completeness,
    baseline: &Baseline,
    current: Option<&Profile>,
    how: How<'_>,
    figures: &str,
) -> String {
    let name = escape(&found.name);
    let mut page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n<style>body{{font:15px/1.5 sans-serif;\
         max-width:46em;margin:2em auto}}td,th{{text-align:left;padding:0 1em 0 0}}pre{{background:#f4f4f4;\
         padding:1em;overflow:auto}}</style>\n<h1>{name}: {}</h1>\n{figures}",
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
    let yaml = export(&found.name, Mode::Enforce, current, &baseline.seen, None, how).yaml;
    let _ = writeln!(page, "<h2>Profile, {} rules</h2>\n<pre>{}</pre>", found.rules, escape(&yaml));
    page
}

/// Rules against the files of the image that they allow.
fn choices((choices, left): &(Vec<Choice>, Left)) -> String {
    let mut table =
        "<h2>Rules against what they allow of the image</h2>\n<table>\n<tr><th>width<th>rules<th>files \
                     allowed<th>not allowed<th>executables allowed<th>not allowed<th>libraries allowed<th>not allowed</tr>\n"
            .to_owned();
    for Choice { width, rules, surface } in choices {
        let _ = write!(table, "<tr><td>{}<td>{rules}", width.word());
        for counts in [surface.files, surface.executables, surface.libraries] {
            let Counts { allowed, total, not_allowed, .. } = counts;
            let _ = write!(table, "<td>{allowed} of {total}<td>{not_allowed:.1} %");
        }
        table.push_str("</tr>\n");
    }
    let _ = writeln!(table, "</table>\n<p>{}</p>", escape(&passed_by(*left)));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Surface;
    use crate::learn::how::Width;

    #[test]
    fn each_width_is_a_line() {
        let files = Counts { total: 40, allowed: 1, not_allowed: 97.5, ..Counts::default() };
        let surface = Surface { files, ..Surface::default() };
        let line = |width| Choice { width, rules: 7, surface };
        let left = Left { unreadable: 3, ..Left::default() };
        let table = choices(&(Width::ALL.map(line).into(), left));
        assert_eq!(table.matches("<td>7<td>1 of 40<td>97.5 %<td>0 of 0<td>100.0 %").count(), 3, "{table}");
        assert!(table.contains("<td>exact") && table.contains("not counted: 3 "), "{table}");
    }
}
