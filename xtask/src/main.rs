//! `cargo xtask VERB`: everything that is done with this repository, one module for each verb.

mod bench;
mod build;
mod cases;
mod demo;
mod exec;
mod fuzz;
mod guest;
mod lint;
mod project;
mod setup;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, tests and demonstrates stockade")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what building and testing need; every other verb does it too, as far as it needs it
    Setup(setup::Options),
    /// Build the eBPF object and the self-contained binary, target/release/stockade
    Build(build::Options),
    /// Check formatting, lints, documentation, licences and the rules of this repository
    Lint(lint::Options),
    /// Run the unit tests, then the kernel suites in guests
    Test(test::Options),
    /// Feed mangled input to everything that reads bytes from outside, longer than the unit tests do
    Fuzz(fuzz::Options),
    /// Count what confinement costs, in instructions, and write docs/PERFORMANCE.md
    Bench(bench::Options),
    /// Run every case of suite hooks beside AppArmor, and write docs/CASES.md
    Cases(cases::Options),
    /// Boot a guest and run a command in it
    Vm(vm::Options),
    /// Learn, enforce and attack a real container, in a guest where this host cannot enforce
    Demo(demo::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = Project::find().and_then(|project| match cli.verb {
        Verb::Setup(options) => setup::run(&project, &options),
        Verb::Build(options) => build::run(&project, &options),
        Verb::Lint(options) => lint::run(&project, &options),
        Verb::Test(options) => test::run(&project, &options),
        Verb::Fuzz(options) => fuzz::run(&project, &options),
        Verb::Bench(options) => bench::run(&project, &options),
        Verb::Cases(options) => cases::run(&project, &options),
        Verb::Vm(options) => vm::run(&project, &options),
        Verb::Demo(options) => demo::run(&project, &options),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
