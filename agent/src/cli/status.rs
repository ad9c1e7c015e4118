//! `stockade status`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::Format;
use super::output::print;
use crate::clock::{parse_duration, poll};
use crate::control::client::{ClientError, ask, socket};
use crate::control::{Request, Response};
use crate::status::Status;

const PATIENCE: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Wait up to this long (30s, 2m) for an agent that runs and is healthy
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + args.wait.unwrap_or_default();
    let mut last = None;
    // `None` from the closure asks again; the last answer is shown when time is up.
    let _ = poll(Some(deadline), ASK_EVERY, || {
        let answer = ask(&socket(), &Request::Status, PATIENCE);
        let done = match &answer {
            Ok(Response::Status(status)) => status.healthy,
            Ok(_) => true,
            Err(ClientError::NotRunning(_) | ClientError::Silent(..) | ClientError::Io { .. }) => false,
            Err(ClientError::NotRoot(_) | ClientError::Answer { .. }) => true,
        };
        last = Some(answer);
        done.then_some(())
    });
    let Some(answer) = last else { bail!("the agent was not asked") };
    match answer? {
        Response::Status(status) => show(&status, args.output),
        Response::Refused { message } => bail!(message),
        Response::Bound { .. } | Response::Where { .. } => {
            bail!("the agent gave the answer to another question")
        }
    }
}

fn show(status: &Status, output: Format) -> anyhow::Result<ExitCode> {
    match output {
        Format::Text => print(&status.text())?,
        Format::Json => print(&format!("{}\n", serde_json::to_string(status)?))?,
    }
    Ok(if status.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
