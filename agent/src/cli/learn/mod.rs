//! `stockade learn`: how complete baselines are, and what becomes of them.

mod promote;
mod report;
mod review;
mod status;
mod transfer;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::output::complain;
use crate::image::{Packages, PackagesError};
use crate::learn::complete::LIMIT;
use crate::learn::how::{How, Width};
use crate::profile::{self, Profile};
use crate::store::slots::SlotRow;
use crate::store::{Store, StoreError};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// How complete is each baseline, and what is missing? Exits with 0 if ready, with 1 if not
    Status(status::Args),
    /// Put a learned profile in force; refused while it is not ready
    Promote(promote::Args),
    /// Write a page with the growth curve
    Report(report::Args),
    /// Walk through what was denied, and decide about it
    Review(review::Args),
    /// Print everything that was recorded for a profile, as lines of JSON
    Export(transfer::ExportArgs),
    /// Put recorded baselines to those of this node
    Import(transfer::ImportArgs),
}

pub(super) fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Status(args) => status::run(&args),
        Verb::Promote(args) => promote::run(&args),
        Verb::Report(args) => report::run(&args),
        Verb::Review(args) => review::run(&args),
        Verb::Export(args) => transfer::export(&args),
        Verb::Import(args) => transfer::import(&args),
    }
}

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
struct State {
    /// State directory; asked from the agent unless given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl State {
    fn dir(&self) -> PathBuf {
        super::events::state_dir(self.state.clone())
    }

    fn read(&self) -> Result<Store, StoreError> {
        Store::open_read_only(&self.dir())
    }
}

/// What is measured, and how little is small enough.
#[derive(Clone, Debug, clap::Args)]
struct Measure {
    /// The probability of something new in the next window that is small enough
    #[arg(long, value_name = "PROBABILITY", default_value_t = LIMIT, value_parser = parse_limit)]
    bound: f64,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    state: State,
}

/// How rules are made of what was seen.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Rules {
    /// How far the rules may reach beyond what was seen
    #[arg(long, value_enum, value_name = "WIDTH", default_value_t)]
    width: Width,
    /// Root directory of the image that was watched: its package database tells which files belong together
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Rules {
    /// The packages of the image, if one was named.
    pub(super) fn packages(&self) -> Result<Option<Packages>, PackagesError> {
        let packages = self.root.as_deref().map(Packages::read).transpose()?;
        if let Some(packages) = &packages {
            packages.notices().iter().for_each(|notice| complain(notice));
            if packages.is_empty() && packages.notices().is_empty() {
                complain("the image has no package database that can be read: dpkg's, apk's and rpm's are");
            }
        }
        Ok(packages)
    }

    pub(super) const fn how<'a>(&self, packages: Option<&'a Packages>) -> How<'a> {
        How { width: self.width, packages }
    }
}

/// The last good version of the profile that the agent knew, and the file it came from.
pub(super) struct Current {
    pub(super) profile: Profile,
    pub(super) source: Option<PathBuf>,
}

pub(super) fn current(slots: &[SlotRow], name: &str) -> Option<Current> {
    let of_name = slots.iter().filter(|row| row.key.profile == name && !row.text.is_empty());
    // One in use before one given back, one of the directory before one given to a run, the newest last.
    let best = of_name
        .max_by_key(|row| (row.freed.is_none(), row.key.adhoc.is_none(), row.freed, row.generation))?;
    let parsed = profile::parse(best.source.as_deref().unwrap_or(name), &best.text).ok()?;
    Some(Current {
        profile: parsed.profile,
        source: best.source.as_deref().map(Path::new).map(Path::to_owned),
    })
}

/// The probability that the user takes for small.
fn parse_limit(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(limit) if (0.0..=1.0).contains(&limit) => Ok(limit),
        Ok(_) | Err(_) => Err(format!("`{text}` is no probability; write a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::slots::SlotKey;

    #[test]
    fn the_profile_in_use_counts() {
        let row = |slot, path: &str, freed, adhoc: Option<&str>| SlotRow {
            slot,
            key: SlotKey { profile: "web".to_owned(), mode: None, adhoc: adhoc.map(str::to_owned) },
            generation: 1,
            digest: String::new(),
            source: None,
            text: format!(
                "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: web }}\nspec:\n  mode: learn\n  \
                 files:\n    - path: {path}\n      access: [read]\n"
            ),
            freed,
        };
        let rows =
            [row(1, "/old", Some(3), None), row(2, "/run", None, Some("d")), row(3, "/now", None, None)];
        let path =
            |rows: &[SlotRow]| current(rows, "web").map(|current| current.profile.files[0].path.clone());
        assert_eq!(path(&rows).as_deref(), Some("/now"));
        assert_eq!(path(&rows[..2]).as_deref(), Some("/run"));
        assert_eq!(path(&rows[..1]).as_deref(), Some("/old"));
        assert!(current(&rows, "other").is_none());
    }

    #[test]
    fn probabilities() {
        assert_eq!(parse_limit("0.05"), Ok(0.05));
        for bad in ["5", "-0.1", "x", "NaN"] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }
}
