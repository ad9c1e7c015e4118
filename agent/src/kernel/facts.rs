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
        Self { recursion_misses: recursion_misses(&program).unwrap_or(0), verified_instructions }
    }
}

/// The loader's structure for it ends before this field; the text that the kernel shows does not.
fn recursion_misses(program: &Lsm) -> Option<u64> {
    let descriptor = program.fd().ok()?.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}
