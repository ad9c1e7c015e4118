//! `cargo xtask fuzz`: the mangled input of the unit tests, for longer.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::exec::say;
use crate::project::Project;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only this target: profile, glob, policy_table, kernel_event, event_record, control_request, oci,
    /// question or rpm
    #[arg(long)]
    target: Option<String>,
    /// How long each target is fed
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the mangling begins with, to do it again in the same way; the time unless given
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = options.seed.unwrap_or(now);
    say("Fuzzing", &format!("seed {seed}, {} s for each target", options.seconds));
    let test = options
        .target
        .as_ref()
        .map_or("fuzz::targets::".to_owned(), |target| format!("fuzz::targets::{target}"));
    let mut cargo = project.cargo();
    cargo.args([
        "test",
        "--release",
        "--locked",
        "-p",
        "stockade-agent",
        "--lib",
        "--",
        "--nocapture",
        &test,
    ]);
    cargo.env("STOCKADE_FUZZ_SECONDS", options.seconds.to_string());
    cargo.env("STOCKADE_FUZZ_SEED", seed.to_string());
    Ok(cargo.status()?.success())
}
