//! `stockade agent`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output::print;
use crate::agent::{self, Options};
use crate::control::{DEFAULT_SOCKET, SOCKET_ENV};
use crate::kernel;
use crate::store::DEFAULT_STATE;

/// Threads for what blocks: the recorder, three that look after things, and what is asked at the same time. Each holds
/// memory while it compiles a profile, and hardly anything is done without the one lock.
const THREADS: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory of profiles (*.yaml, *.yml), followed while it changes
    #[arg(long, value_name = "DIR", default_value = "/etc/stockade/profiles")]
    profiles: PathBuf,
    /// Directory for the database and the event log
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Control socket
    #[arg(long, value_name = "PATH", env = SOCKET_ENV, default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Take everything out of the kernel instead: nothing is enforced any more
    #[arg(long)]
    uninstall: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.uninstall {
        let removed = agent::uninstall()?;
        print(&format!("removed {} maps and {} links; nothing is enforced\n", removed.maps, removed.links))?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options { profiles: args.profiles, state: args.state, socket: args.socket };
    kernel::share_heaps();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(agent::run(options))?;
    Ok(ExitCode::SUCCESS)
}
