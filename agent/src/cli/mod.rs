//! The command line: one module for each verb.

mod agent;
mod doctor;
mod events;
mod learn;
mod oci_hook;
mod output;
pub mod profile_diff;
pub mod profile_explain;
mod profile_export;
pub mod profile_lint;
pub mod profile_merge;
mod profile_schema;
mod profile_surface;
mod profile_test;
mod run;
mod status;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::kernel;

/// Exit code for usage and failure; 1 is the answer "no".
const FAILURE: u8 = 2;

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (eBPF programs {})", env!("CARGO_PKG_VERSION"), kernel::build_id()));

#[derive(Debug, Parser)]
#[command(
    name = "stockade",
    version = VERSION.as_str(),
    about = "Lets each container do what its profile approves, and denies the rest in the kernel",
    after_help = "Exit codes: 0 good, 1 the answer is no, 2 usage or failure.\nSTOCKADE_LOG filters the log on standard error, for example STOCKADE_LOG=debug."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the node agent in the foreground; what it puts in force stays when it exits
    Agent(agent::Args),
    /// Run a command as a subject of its own; exits with the command's status
    Run(run::Args),
    /// The OCI createRuntime hook: binds the profile that a container's annotation names
    OciHook(oci_hook::Args),
    /// Show what is truly enforced; exits 0 only if that is everything
    Status(status::Args),
    /// Can this node enforce, and if not, what to change?
    Doctor(doctor::Args),
    /// Print the event log
    Events(events::Args),
    /// See how complete what was learned is, and put it in force
    #[command(subcommand)]
    Learn(learn::Verb),
    /// Work with profiles
    #[command(subcommand)]
    Profile(ProfileVerb),
    /// The agent's own test process
    #[command(hide = true)]
    Canary {
        /// Its directory
        place: std::path::PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ProfileVerb {
    /// Check profiles
    Lint(profile_lint::Args),
    /// Would this be allowed, and by which rule?
    Explain(profile_explain::Args),
    /// What does one profile allow that another does not?
    Diff(profile_diff::Args),
    /// Make one profile that grants what any of several grant
    Merge(profile_merge::Args),
    /// What would a profile have denied of what was recorded?
    Test(profile_test::Args),
    /// How much of an image does a profile leave open?
    Surface(profile_surface::Args),
    /// Print a learned profile
    Export(profile_export::Args),
    /// Print the JSON Schema of profiles and rule sets, for editors
    Schema,
}

/// How a verb prints its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The mode words, as an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeWord {
    /// Allow everything and record it
    Learn,
    /// Allow everything and record what would be denied
    Audit,
    /// Deny and record
    Enforce,
}

impl ModeWord {
    const fn mode(self) -> stockade_abi::reason::Mode {
        use stockade_abi::reason::Mode;
        match self {
            Self::Learn => Mode::Learn,
            Self::Audit => Mode::Audit,
            Self::Enforce => Mode::Enforce,
        }
    }
}

/// Parses the command line, runs its verb, and says what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = if matches!(cli.verb, Verb::Agent(_)) { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("STOCKADE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .init();
    let outcome = match cli.verb {
        Verb::Agent(args) => agent::run(args),
        Verb::Run(args) => run::run(args),
        Verb::OciHook(args) => oci_hook::run(args),
        Verb::Status(args) => status::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Events(args) => events::run(args),
        Verb::Learn(verb) => learn::run(verb),
        Verb::Profile(ProfileVerb::Lint(args)) => profile_lint::run(args),
        Verb::Profile(ProfileVerb::Explain(args)) => profile_explain::run(args),
        Verb::Profile(ProfileVerb::Diff(args)) => profile_diff::run(&args),
        Verb::Profile(ProfileVerb::Merge(args)) => profile_merge::run(&args),
        Verb::Profile(ProfileVerb::Test(args)) => profile_test::run(&args),
        Verb::Profile(ProfileVerb::Surface(args)) => profile_surface::run(&args),
        Verb::Profile(ProfileVerb::Export(args)) => profile_export::run(args),
        Verb::Canary { place } => Ok(kernel::canary_main(&place)),
        Verb::Profile(ProfileVerb::Schema) => profile_schema::run(),
    };
    match outcome {
        Ok(code) => code,
        // The reader of our output has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let cli =
            Cli::try_parse_from(["stockade", "run", "--profile", "web", "--", "ls", "-l", "--mode"]).unwrap();
        let Verb::Run(args) = cli.verb else { panic!("{cli:?}") };
        assert_eq!(args.command, ["ls", "-l", "--mode"]);
        assert!(Cli::try_parse_from(["stockade", "run", "--profile", "web"]).is_err());
        assert!(Cli::try_parse_from(["stockade", "agent", "--uninstall"]).is_ok());
    }
}
