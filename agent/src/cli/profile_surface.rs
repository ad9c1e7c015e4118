//! `stockade profile surface`: how much of an image a profile leaves open.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::output::print;
use super::profile_diff::read;
use super::{FAILURE, Format};
use crate::compile::compile;
use crate::events::record::printable;
use crate::image::{Counts, Left, Surface, surface};
use crate::learn::complete::rules;
use stockade_abi::reason::Mode;

/// How many files of an image, and how many of its executables, does a profile allow to be used?
///
/// Executables are files with an `x` bit, scripts, and ELF files that are not named like libraries. They count as allowed
/// when they may be started or changed, libraries also when they may be mapped, and any file also when it may be read. Exits with 0 when at least 95 % of the executables and 90 % of the files
/// are not allowed, by each of the profiles; with 1 when not; with 2 when something cannot be read at all.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profiles to compare
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The image's root directory, for example `$(podman image mount IMAGE)`
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    small: bool,
    rules: usize,
    files: Counts,
    executables: Counts,
    libraries: Counts,
    unreadable: u64,
    mounts: u64,
    links: u64,
    special: u64,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut profiles, mut policies) = (Vec::new(), Vec::new());
    for file in &args.files {
        let Some(profile) = read(file)? else { return Ok(ExitCode::from(FAILURE)) };
        policies.push(compile(&profile, Mode::Enforce)?);
        profiles.push(profile);
    }
    let (found, left) = surface(&args.root, &policies)?;
    for (profile, surface) in profiles.iter().zip(&found) {
        let rules = rules(profile);
        print(&match args.output {
            Format::Json => {
                format!("{}\n", serde_json::to_string(&answer(&profile.name, rules, surface, left))?)
            }
            Format::Text => text(&profile.name, rules, surface),
        })?;
    }
    if args.output == Format::Text {
        print(&passed_by(left))?;
    }
    let small = found.iter().all(Surface::is_small);
    Ok(if small { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answer<'a>(name: &'a str, rules: usize, surface: &Surface, left: Left) -> Answer<'a> {
    let Surface { files, executables, libraries } = *surface;
    let Left { unreadable, mounts, links, special } = left;
    let small = surface.is_small();
    Answer { name, small, rules, files, executables, libraries, unreadable, mounts, links, special }
}

fn text(name: &str, rules: usize, surface: &Surface) -> String {
    let line = |what: &str, counts: &Counts, wanted: Option<f64>| {
        let wanted = wanted.map(|wanted| format!(" (at least {wanted:.0} % should be)"));
        format!(
            "  {what:<11} {:>6.2} % of {} not allowed{}: {} allowed; read {}, write {}, \
             map {}, exec {}\n",
            (counts.not_allowed * 100.0).floor() / 100.0,
            counts.total,
            wanted.as_deref().unwrap_or(""),
            counts.allowed,
            counts.read,
            counts.write,
            counts.map,
            counts.exec
        )
    };
    let size = if surface.is_small() { "small" } else { "not small" };
    format!(
        "{}: {size}, {rules} rules\n{}{}{}",
        printable(name),
        line("executables", &surface.executables, Some(Surface::EXECUTABLES)),
        line("files", &surface.files, Some(Surface::FILES)),
        line("libraries", &surface.libraries, None)
    )
}

/// What the counts are without, when that matters.
pub(super) fn passed_by(left: Left) -> String {
    let mut text = String::new();
    if left.unreadable > 0 {
        text.push_str(&format!(
            "not counted: {} directories or files that could not be read\n",
            left.unreadable
        ));
    }
    if left.mounts > 0 {
        text.push_str(&format!("not counted: what is mounted on {} directories\n", left.mounts));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs_get_the_same_figures() {
        let counts =
            |total, allowed, not_allowed| Counts { total, allowed, not_allowed, ..Counts::default() };
        let surface = Surface {
            files: counts(3000, 301, 89.966),
            executables: counts(200, 3, 98.5),
            libraries: counts(90, 9, 90.0),
        };
        let left = Left { unreadable: 2, ..Left::default() };
        let shown = text("web", 41, &surface);
        assert!(
            shown.starts_with("web: not small, 41 rules\n  executables  98.50 % of 200 not allowed"),
            "{shown}"
        );
        assert!(
            shown.contains("  files        89.96 % of 3000 not allowed (at least 90 % should be): 301"),
            "{shown}"
        );
        let json = serde_json::to_value(answer("web", 41, &surface, left)).unwrap();
        assert_eq!((&json["small"], &json["unreadable"]), (&false.into(), &2.into()));
        assert_eq!(json["files"]["not_allowed"], 89.96);
        assert_eq!(passed_by(left).lines().count(), 1);
        assert_eq!(passed_by(Left { links: 9, special: 1, ..Left::default() }), "");
    }
}
