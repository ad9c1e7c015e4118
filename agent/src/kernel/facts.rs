//! What the kernel says about a program of ours that is pinned.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;

use aya::programs::Lsm;

/// Counts of one program; zero where the kernel says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Runs that the kernel skipped.
    pub(super) recursion_misses: u64,
    /// Runs so far, while the kernel counts them (`kernel.bpf_stats_enabled`).
    pub(super) runs: u64,
    /// Instructions that the verifier looked at before it accepted the program: the same each time on one
    /// kernel, and what loading the program takes grows with it.
    pub(super) verified_instructions: u32,
}

impl Facts {
    /// Of the program pinned at `path`.
    pub(super) fn of(path: &Path) -> Self {
        let Ok(program) = Lsm::from_pin(path) else { return Self::default() };
        let info = program.info().ok();
        let verified_instructions = info.and_then(|info| info.verified_instruction_count()).unwrap_or(0);
        let shown = shown(&program).unwrap_or_default();
        let count = |name: &str| {
            let line = shown.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
        };
        Self { recursion_misses: count("recursion_misses:"), runs: count("run_cnt:"), verified_instructions }
    }
}

/// The loader's structure for it ends before these fields; the text that the kernel shows does not.
fn shown(program: &Lsm) -> Option<String> {
    let descriptor = program.fd().ok()?.as_fd().as_raw_fd();
    fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()
}
