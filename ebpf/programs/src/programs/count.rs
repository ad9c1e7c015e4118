//! Per-CPU counters.

use aya_ebpf::btf_maps::PerCpuArray;
use stockade_abi::hook::Hook;

use super::atomic;
use super::maps::{CANARY, LOST, REASONS};

/// Adds one. Two tasks of a CPU may both do so in the middle of each other, hence the atomic.
#[inline(always)]
fn add<const N: usize>(counters: &PerCpuArray<u64, N>, index: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        // SAFETY: a value of a map of u64.
        unsafe { atomic::increment(counter) };
    }
}

/// Counts a decision by the number of its reason.
#[inline(always)]
pub(crate) fn decision(reason: u32) {
    add(&REASONS, reason);
}

#[inline(always)]
pub(crate) fn lost(policy: u32) {
    add(&LOST, policy);
}

#[inline(always)]
pub(crate) fn canary(hook: Hook) {
    add(&CANARY, hook as u32);
}
