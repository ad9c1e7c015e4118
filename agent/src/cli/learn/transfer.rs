//! `stockade learn export` and `import`: baselines as files.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::State;
use crate::cli::output::complain;
use crate::learn::transfer::Transfer;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExportArgs {
    /// Name of the profile
    name: String,
    #[command(flatten)]
    state: State,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ImportArgs {
    /// Baselines that were exported; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Put them to this profile's, whatever their own name is
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    state: State,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let transfer = Transfer::of(&args.state.read()?, &args.name)?;
    if transfer.seen.is_empty() && transfer.runs.is_empty() {
        complain(&format!("nothing was learned for `{}`", args.name));
        return Ok(ExitCode::FAILURE);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    transfer.write(&mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut read = Vec::new();
    // A bad file is found before anything is changed.
    for file in &args.files {
        let name = file.display();
        let mut transfer = if file.as_os_str() == "-" {
            Transfer::read(io::stdin().lock())
        } else {
            Transfer::read(BufReader::new(File::open(file).with_context(|| format!("reading {name}"))?))
        }
        .with_context(|| format!("{name} cannot be imported"))?;
        if let Some(name) = &args.name {
            transfer.profile.clone_from(name);
        }
        read.push(transfer);
    }
    let mut store = Store::open(&args.state.dir())?;
    for transfer in &read {
        transfer.store(&mut store)?;
    }
    Ok(ExitCode::SUCCESS)
}
