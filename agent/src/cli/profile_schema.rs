//! `stockade profile schema`: the JSON Schema of profiles and rule sets.

use std::process::ExitCode;

use anyhow::Context as _;

use super::output::print;
use crate::profile::json_schema;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&json_schema()).context("the schema cannot be written")?;
    print(&format!("{schema}\n"))?;
    Ok(ExitCode::SUCCESS)
}
