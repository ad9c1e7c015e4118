//! AppArmor profiles, compiled here: ten thousand rules take their time, and the guest's clock has better
//! things to count.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::rules;
use crate::exec::step;
use crate::project::Project;
use crate::setup::{digest, entry, packages};

/// What Debian's kernels know, as its package of AppArmor says.
const FEATURES: &str = "/usr/share/apparmor-features/features";

/// The profile with so many rules, as the kernel takes it; kept in the cache.
pub(super) fn compiled(project: &Project, count: usize) -> Result<PathBuf> {
    packages::install(&packages::BENCH, "the comparison with AppArmor")?;
    let text = rules::apparmor(count);
    let name = format!("apparmor/{:016x}", digest(text.as_bytes()));
    Ok(entry(project, &name, |dir, _| compile(&text, count, dir))?.join("policy"))
}

fn compile(text: &str, count: usize, dir: &Path) -> Result<()> {
    let source = dir.join("source");
    fs::write(&source, text).with_context(|| format!("writing {}", source.display()))?;
    let mut parser = Command::new("/sbin/apparmor_parser");
    parser.args(["--skip-kernel-load", "--skip-cache", "--quiet"]);
    parser.args(["--features-file", FEATURES]);
    parser.arg("--ofile").arg(dir.join("policy")).arg(&source);
    step("Compiling", &format!("AppArmor's profile of {count} rules"), &mut parser)
}
