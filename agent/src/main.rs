//! The `stockade` binary: parses the command line and runs one verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade_agent::cli::main()
}
