//! Loops that the verifier does not unroll.

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::c_void;

/// Go on with the next round.
pub(crate) const CONTINUE: i64 = 0;
/// Leave the loop.
pub(crate) const STOP: i64 = 1;

/// Calls `body` with the number of the round and `context`, up to `limit` times.
///
/// The verifier looks at the body once. What the body keeps from round to round must not be a number
/// that the verifier can follow (a counter, say), or every round is a new state to it: the body counts
/// by the round it is given. Nor may the body branch on what it changes itself and what began as a number
/// that the verifier knows: 6.1 looks at the body with the first value only, and drops the other branch.
#[inline(always)]
pub(crate) fn rounds<T>(limit: u32, context: &mut T, body: extern "C" fn(u32, &mut T) -> i64) {
    let context = core::ptr::from_mut(context).cast();
    // SAFETY: the kernel calls `body` with this very pointer, while this frame is live.
    unsafe { bpf_loop(limit, body as *mut c_void, context, 0) };
}
