//! `stockade profile merge`: one profile that grants what any of several grant.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::{complain, print};
use super::profile_diff::read;
use super::{FAILURE, ModeWord};
use crate::compare::merge;
use crate::profile;

/// One profile that grants what any of these grant, and nothing else.
///
/// Name, labels, annotations and `match` are those of the first. Rules for the same thing are joined, and
/// rules that add nothing are left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Profiles to merge
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the merged profile, in place of the first one's
    #[arg(long)]
    name: Option<String>,
    /// Mode of the merged profile; needed when theirs differ
    #[arg(long, value_enum)]
    mode: Option<ModeWord>,
    /// How to print the merged profile
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A profile, ready to be used
    Yaml,
    /// The same as JSON, which every reader of profiles takes, too
    Json,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut profiles = Vec::new();
    for file in &args.files {
        let Some(profile) = read(file)? else { return Ok(ExitCode::from(FAILURE)) };
        profiles.push(profile);
    }
    let mut merged = merge(&profiles, args.mode.map(ModeWord::mode))?;
    if let Some(name) = &args.name {
        merged.name.clone_from(name);
    }
    let text = match args.output {
        Output::Yaml => merged.to_yaml(),
        Output::Json => format!("{}\n", merged.to_json()),
    };
    // What is printed here is put in force elsewhere; a bad --name shows here.
    if let Err(error) = profile::parse("the merged profile", &text) {
        complain(&error.to_string());
        return Ok(ExitCode::from(FAILURE));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
