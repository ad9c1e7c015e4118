//! `cargo xtask lint`: everything about the source that needs no test run.

mod deny;
mod rules;
mod words;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::exec::{output, say, seconds, stream};
use crate::project::Project;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out licences and advisories
    #[arg(long)]
    no_deny: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    let started = Instant::now();
    for tool in ["fmt", "clippy"] {
        // A toolchain manager may have a stand-in on the path for a tool that is not installed.
        if output(project.cargo().args([tool, "--version"])).is_err() {
            bail!("`cargo {tool}` is missing; run `rustup component add rustfmt clippy`, then try again");
        }
    }
    let mut good = rules::check(project)?;
    good &= check(project, "formatting", &["fmt", "--all", "--check"], &[]);
    // For the host the eBPF programs are an empty program, of which clippy sees nothing; their compiler
    // brings no clippy, so its own warnings are what they are checked with.
    good &= told("the eBPF programs", || build::check_programs(project));
    let clippy =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "--deny", "warnings"];
    good &= check(project, "clippy", &clippy, &[]);
    let doc = ["doc", "--workspace", "--no-deps", "--locked", "--quiet", "--exclude", "stockade-ebpf"];
    good &= check(project, "documentation", &doc, &[("RUSTDOCFLAGS", "-Dwarnings")]);
    if !options.no_deny {
        good &= deny::check(project)?;
    }
    say(if good { "Clean" } else { "FAIL" }, &format!("after {}", seconds(started)));
    Ok(good)
}

/// One of cargo's own checks; says what failed and goes on, so that one run shows everything.
fn check(project: &Project, what: &str, arguments: &[&str], environment: &[(&str, &str)]) -> bool {
    let mut cargo = project.cargo();
    cargo.args(arguments).envs(environment.iter().copied());
    told(what, || stream(&mut cargo))
}

fn told(what: &str, check: impl FnOnce() -> Result<()>) -> bool {
    say("Checking", what);
    match check().with_context(|| what.to_owned()) {
        Ok(()) => true,
        Err(error) => {
            say("FAIL", &format!("{error:#}"));
            false
        }
    }
}
