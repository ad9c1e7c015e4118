//! The page about it.

use anyhow::Result;

use super::record::Record;
use crate::project::Project;

pub(super) fn write(_project: &Project, _record: &Record) -> Result<()> {
    Ok(())
}
