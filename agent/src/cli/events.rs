//! `stockade events`.

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use crate::clock::poll;
use crate::control::client::{ask, socket};
use crate::control::{Request, Response};
use crate::events::filter::Filter;
use crate::events::read::Reader;
use crate::store::DEFAULT_STATE;

const LOOK_EVERY: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Go on with events as they come
    #[arg(short, long)]
    follow: bool,
    /// How to print events
    #[arg(short, long, value_enum, default_value_t = Output::Compact)]
    output: Output,
    /// Only those of this subject: its id, name or pod
    #[arg(long)]
    subject: Option<String>,
    /// Only those with this verdict
    #[arg(long, value_parser = ["allowed", "denied", "would-deny"])]
    verdict: Option<String>,
    /// Only those of this kind
    #[arg(long, value_parser = ["exec", "file", "connect", "listen", "fork", "breaker"])]
    kind: Option<String>,
    /// Only those judged by this profile
    #[arg(long)]
    profile: Option<String>,
    /// State directory; asked from the agent unless given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// One line for people
    Compact,
    /// One JSON object on a line
    Json,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dir = state_dir(args.state);
    match std::fs::read_dir(&dir) {
        Err(error) if !args.follow || error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| {
                format!("cannot read the state directory {}; name the agent's with --state", dir.display())
            });
        }
        Ok(_) | Err(_) => {}
    }
    let filter =
        Filter { subject: args.subject, verdict: args.verdict, kind: args.kind, profile: args.profile };
    let mut reader = Reader::new(&dir);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut round = || -> io::Result<()> {
        reader.read(&mut |line, record| {
            if !filter.admits(&record) {
                return Ok(());
            }
            match args.output {
                Output::Json => writeln!(out, "{line}"),
                Output::Compact => writeln!(out, "{}", record.compact()),
            }
        })?;
        out.flush()
    };
    if args.follow {
        if let Some(error) = poll(None, LOOK_EVERY, || round().err()) {
            bail!(error);
        }
    } else {
        round()?;
    }
    let bad = reader.bad_lines();
    if bad > 0 {
        tracing::warn!("{bad} lines of the log in {} are not events and were left out", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The directory given, else the agent's, else the usual one.
pub(super) fn state_dir(given: Option<PathBuf>) -> PathBuf {
    if let Some(given) = given {
        return given;
    }
    match ask(&socket(), &Request::Where, PATIENCE) {
        Ok(Response::Where { state }) => PathBuf::from(state),
        // Without an agent the log is still there to be read.
        Ok(_) | Err(_) => PathBuf::from(DEFAULT_STATE),
    }
}
