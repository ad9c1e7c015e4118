//! `stockade profile export`: a profile from what was learned.

use std::path::PathBuf;
use std::process::ExitCode;

use stockade_abi::reason::Mode;

use super::events::state_dir;
use super::learn::{Rules, current};
use super::output::{complain, print};
use super::{FAILURE, ModeWord};
use crate::events::record::printable;
use crate::learn::export::export;
use crate::learn::probes::with_probes;
use crate::profile;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the profile
    name: String,
    /// Mode to write into it: enforce unless given, or audit when no start-up was seen
    #[arg(long, value_enum)]
    mode: Option<ModeWord>,
    #[command(flatten)]
    rules: Rules,
    /// State directory; asked from the agent unless given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let packages = args.rules.packages()?;
    let store = Store::open_read_only(&state_dir(args.state))?;
    let of_sessions = store.seen(&args.name, true)?;
    let current =
        current(&store.slots()?, &args.name).map(|current| with_probes(current.profile, &of_sessions));
    let seen = store.seen(&args.name, false)?;
    let baseline = store.baselines()?.into_iter().find(|baseline| baseline.profile == args.name);
    if seen.is_empty() && current.is_none() {
        complain(&format!(
            "nothing was learned for `{}`, and there is no profile of that name; run something under it in mode learn",
            args.name
        ));
        return Ok(ExitCode::FAILURE);
    }
    // What was not seen to start could not be started: nobody enforces that without saying so.
    let saw_start = store.runs(&args.name)?.iter().any(|run| run.from_start);
    let mode = match args.mode {
        Some(mode) => mode.mode(),
        None if saw_start || seen.is_empty() => Mode::Enforce,
        None => {
            complain(&format!(
                "no start-up of `{}` was seen; --mode enforce puts it in force anyway",
                args.name
            ));
            Mode::Audit
        }
    };
    let export = export(
        &args.name,
        mode,
        current.as_ref(),
        &seen,
        baseline.as_ref(),
        args.rules.how(packages.as_ref()),
    );
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
