//! What the kernel keeps on behalf of the agent, and how much memory the agent itself has.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A memory-controlled cgroup for the agent. The kernel charges a map to the cgroup of its maker, at
/// whatever time it grows.
const CGROUP: &str = "/sys/fs/cgroup/agent";

/// Starts something inside the agent's cgroup.
pub(super) fn inside<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").context("controlling memory")?;
    fs::create_dir_all(CGROUP).context(CGROUP)?;
    enter(Path::new(CGROUP))?;
    let started = start();
    enter(Path::new("/sys/fs/cgroup"))?;
    started
}

fn enter(cgroup: &Path) -> Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0").with_context(|| format!("entering {}", cgroup.display()))
}

/// Bytes that the kernel keeps for the agent: maps, programs, and what any process needs.
pub(super) fn kernel() -> Result<u64> {
    field(&format!("{CGROUP}/memory.stat"), "kernel")
}

fn field(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.and_then(|line| number(line, 1)).with_context(|| format!("{file} tells nothing of {name}"))
}

fn number(text: &str, index: usize) -> Option<u64> {
    text.split_whitespace().nth(index)?.parse().ok()
}
