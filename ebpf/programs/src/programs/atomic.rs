//! Read-modify-write on shared memory. `core` offers none for the bpf target, whose instruction set has
//! had them since v3.

use core::arch::asm;

/// Puts `value` at `at` and gives what was there.
///
/// # Safety
///
/// `at` is aligned and points into a map value.
#[inline(always)]
pub(crate) unsafe fn swap(at: *mut u64, mut value: u64) -> u64 {
    // SAFETY: one instruction on the address that the caller vouches for.
    unsafe { asm!("{value} = xchg_64({at} + 0, {value})", at = in(reg) at, value = inout(reg) value) };
    value
}

/// Adds one at `at`.
///
/// # Safety
///
/// `at` is aligned and points into a map value.
#[inline(always)]
pub(crate) unsafe fn increment(at: *mut u64) {
    // SAFETY: one instruction on the address that the caller vouches for.
    unsafe { asm!("lock *(u64 *)({at} + 0) += {one}", at = in(reg) at, one = in(reg) 1u64) };
}

/// Sets `bits` at `at`.
///
/// # Safety
///
/// `at` is aligned and points into a map value.
#[inline(always)]
pub(crate) unsafe fn set(at: *mut u64, bits: u64) {
    // SAFETY: one instruction on the address that the caller vouches for.
    unsafe { asm!("lock *(u64 *)({at} + 0) |= {bits}", at = in(reg) at, bits = in(reg) bits) };
}
