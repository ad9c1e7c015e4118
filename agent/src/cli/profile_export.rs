//! `stockade profile export`: a profile from what was learned.

use std::path::PathBuf;
use std::process::ExitCode;

use super::events::state_dir;
use super::output::{complain, print};
use super::{FAILURE, ModeWord};
use crate::events::record::printable;
use crate::learn::export::export;
use crate::profile::{self, Profile};
use crate::store::Store;
use crate::store::slots::SlotRow;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the profile
    name: String,
    /// Mode to write into it
    #[arg(long, value_enum, default_value_t = ModeWord::Enforce)]
    mode: ModeWord,
    /// State directory; asked from the agent unless given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let store = Store::open_read_only(&state_dir(args.state))?;
    let current = current(&store.slots()?, &args.name);
    let seen = store.seen(&args.name)?;
    let baseline = store.baselines()?.into_iter().find(|baseline| baseline.profile == args.name);
    if seen.is_empty() && current.is_none() {
        complain(&format!(
            "nothing was learned for `{}`, and there is no profile of that name; run something under it in mode learn",
            args.name
        ));
        return Ok(ExitCode::FAILURE);
    }
    let export = export(&args.name, args.mode.mode(), current.as_ref(), &seen, baseline.as_ref());
    for refused in &export.refused {
        complain(&format!("left out: {}: {}", printable(&refused.object), refused.why));
    }
    if let Some(reason) = baseline.and_then(|baseline| baseline.incomplete_reason) {
        complain(&format!("the baseline of `{}` is incomplete: {reason}", args.name));
    }
    // What is printed here is put in force elsewhere.
    let profile = match profile::parse("the exported profile", &export.profile.standalone(&export.yaml)) {
        Ok(parsed) => parsed.profile,
        Err(error) => {
            complain(&format!("what was learned does not make a valid profile:\n{error}"));
            return Ok(ExitCode::from(FAILURE));
        }
    };
    // A recording of nothing is no baseline: put in force, it would deny its container everything.
    if profile.exec.is_empty() && profile.files.is_empty() && profile.peers.is_empty() {
        complain(&format!(
            "nothing was learned for `{}` yet; run something under it in mode learn",
            args.name
        ));
        return Ok(ExitCode::FAILURE);
    }
    print(&export.yaml)?;
    Ok(ExitCode::SUCCESS)
}

/// The last good version of the profile that the agent knew.
fn current(slots: &[SlotRow], name: &str) -> Option<Profile> {
    let of_name = slots.iter().filter(|row| row.key.profile == name && !row.text.is_empty());
    // One in use before one given back, one of the directory before one given to a run, the newest last.
    let best = of_name
        .max_by_key(|row| (row.freed.is_none(), row.key.adhoc.is_none(), row.freed, row.generation))?;
    profile::parse(best.source.as_deref().unwrap_or(name), &best.text).ok().map(|parsed| parsed.profile)
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
        let path = |rows: &[SlotRow]| current(rows, "web").map(|profile| profile.files[0].path.clone());
        assert_eq!(path(&rows).as_deref(), Some("/now"));
        assert_eq!(path(&rows[..2]).as_deref(), Some("/run"));
        assert_eq!(path(&rows[..1]).as_deref(), Some("/old"));
        assert_eq!(current(&rows, "other"), None);
    }
}
