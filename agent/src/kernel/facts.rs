//! What the kernel says about a program of ours that is pinned.

use std::os::fd::AsFd as _;
use std::path::Path;

use aya::programs::Lsm;

use super::fdinfo::FdInfo;

/// Counts of one program; zero where the kernel says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Runs that the kernel skipped.
    pub(super) recursion_misses: u64,
    /// Runs so far, while the kernel counts them (`kernel.bpf_stats_enabled`).
    pub(super) runs: u64,
    /// Nanoseconds that they took.
    pub(super) run_time_ns: u64,
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
        // The loader's structure for it ends before these fields; the text that the kernel shows does not.
        let shown = program.fd().ok().and_then(|program| FdInfo::of(&program.as_fd()).ok());
        let count = |name: &str| shown.as_ref().and_then(|shown| shown.value(name)).unwrap_or(0);
        Self {
            recursion_misses: count("recursion_misses:"),
            runs: count("run_cnt:"),
            run_time_ns: count("run_time_ns:"),
            verified_instructions,
        }
    }
}
