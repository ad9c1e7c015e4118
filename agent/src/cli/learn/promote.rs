//! `stockade learn promote`: a learned profile takes the place of the one that learned.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{Measure, current};
use crate::cli::output::{complain, print};
use crate::cli::{FAILURE, ModeWord};
use crate::compile::compile_table;
use crate::events::record::printable;
use crate::learn::complete::{Baseline, complete};
use crate::learn::export::{Export, export};
use crate::learn::probes::with_probes;
use crate::profile::{FILE_MAX, Shelf, read_profile};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the profile
    name: String,
    /// Promote it although it is not ready
    #[arg(long)]
    force: bool,
    /// Mode to write into it
    #[arg(long, value_enum, default_value_t = ModeWord::Enforce)]
    mode: ModeWord,
    /// Where to write it; the file that the profile came from unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    measure: Measure,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let packages = args.measure.rules.packages()?;
    let how = args.measure.rules.how(packages.as_ref());
    let store = args.measure.state.read()?;
    let current = current(&store.slots()?, &args.name);
    let baseline = Baseline::read(&store, &args.name)?;
    if baseline.seen.is_empty() {
        complain(&format!("nothing was recorded for `{}`: there is nothing to promote", args.name));
        return Ok(ExitCode::FAILURE);
    }
    let of_sessions = store.seen(&args.name, true)?;
    let known = current.as_ref().map(|current| with_probes(current.profile.clone(), &of_sessions));
    let known = known.as_ref();
    let found = complete(&baseline, known, args.measure.bound, how);
    if !found.ready() {
        let missing: Vec<String> =
            found.missing.iter().map(|why| format!("\n  {}", printable(why))).collect();
        let verb = if args.force { "is promoted although it is" } else { "is" };
        complain(&format!("`{}` {verb} not ready:{}", args.name, missing.concat()));
        if !args.force {
            complain("promote it with --force if you know better");
            return Ok(ExitCode::FAILURE);
        }
    }
    let source = current.as_ref().and_then(|current| current.source.clone());
    let Some(out) = args.out.clone().or(source) else {
        complain(&format!("`{}` came from no file of the profile directory; name one with --out", args.name));
        return Ok(ExitCode::from(FAILURE));
    };
    let status = store.baselines()?.into_iter().find(|status| status.profile == args.name);
    let export = export(&args.name, args.mode.mode(), known, &baseline.seen, status.as_ref(), how);
    drop(baseline);
    if let Some(why) = unfit(&export) {
        complain(&format!("what was learned does not make a valid profile:\n{why}"));
        return Ok(ExitCode::from(FAILURE));
    }
    replace(&out, &export.yaml).with_context(|| format!("writing {}", out.display()))?;
    print(&format!("{} now holds the learned profile, {} rules\n", out.display(), found.rules))?;
    Ok(ExitCode::SUCCESS)
}

/// Why the agent would not take it. There may be very many rules, so what is dear comes last.
fn unfit(export: &Export) -> Option<String> {
    let size = export.yaml.len() as u64;
    if size > FILE_MAX {
        let (rules, mib) = (export.profile.files.len(), FILE_MAX >> 20);
        return Some(format!(
            "{rules} rules for files are {size} bytes, and the agent reads {mib} MiB: write globs for them into the \
             profile by hand"
        ));
    }
    let text = export.profile.standalone(&export.yaml);
    match read_profile("the learned profile", text.as_bytes(), &Shelf::default()) {
        Ok(profile) => compile_table(&profile).err().map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Puts `text` in the place of the file, as a whole or not at all.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // No ending that the agent takes for a profile.
    let beside = dir.join(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let write = || {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    let outcome = write();
    if outcome.is_err() {
        // What cannot be removed either is seen by the next who tries.
        let _ = fs::remove_file(&beside);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::READ;
    use stockade_abi::reason::Mode;

    use super::*;
    use crate::learn::made_code::MadeCode;
    use crate::profile::{FileRule, Profile};
    use crate::testing::TempDir;

    fn of(count: usize, glob: &str) -> Export {
        let mut profile = Profile::new("web", Mode::Enforce);
        profile.files = (0..count).map(|n| FileRule::new(format!("/srv/{n}{glob}"), READ)).collect();
        let yaml = profile.to_yaml();
        Export { yaml, profile, refused: Vec::new(), facilities: Vec::new(), made_code: MadeCode::default() }
    }

    #[test]
    fn what_the_agent_would_not_take_is_not_promoted() {
        assert_eq!(unfit(&of(50, "/*")), None);
        assert!(unfit(&of(1, "/{")).is_some());
        let many = unfit(&of(100_000, "/a")).unwrap();
        assert!(many.starts_with("100000 rules for files are "), "{many}");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = TempDir::new("promote");
        let path = dir.path().join("web.yaml");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(replace(&dir.path().join("none/web.yaml"), "x").is_err());
    }
}
