//! Memory for one decision, safe under preemption.
//!
//! A task can be preempted in the middle of a program, and another on the same CPU can enter the same
//! program: one buffer for each CPU would mix two paths into a wrong verdict. So each CPU has several,
//! a decision claims one and gives it back, and none left is a reason of its own.

use stockade_abi::event::EventHeader;

use stockade_abi::label::Label;

use super::atomic;
use super::climb::Text;
use super::maps::SCRATCH;
use super::policy::{Grants, Object};
use super::seen::SeenKey;

/// Buffers of each CPU: the number of decisions that can be in preempted flight on it.
pub(crate) const SCRATCH_SLOTS: u32 = 8;

/// Bytes that hold an object: `PATH_MAX`, terminator included.
pub(crate) const OBJECT_SIZE: usize = 4096;

/// One buffer. Header and object are contiguous, as the ring buffer takes them.
#[repr(C)]
pub(crate) struct Scratch {
    busy: u64,
    plain: u32,
    /// Which of its CPU's buffers this is.
    index: u64,
    pub(crate) desk: Desk,
    text: Text,
    /// How names in the directory of the object begin: as in [`Judged`](super::judge::Judged).
    pub(crate) below: u64,
    /// Hash of the object, while learning.
    pub(crate) whole: u64,
    pub(crate) seen: SeenKey,
    pub(crate) header: EventHeader,
    pub(crate) object: [u8; OBJECT_SIZE],
    /// Where a path is put together from its end.
    pub(crate) build: [u8; OBJECT_SIZE + NAME_SIZE],
}

/// What a decision is about and what came of it so far, where each of its stages finds it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Desk {
    pub(crate) label: Label,
    /// The word that was in the policy's slot when the decision began.
    pub(crate) head: u64,
    /// An [`Operation`](stockade_abi::reason::Operation).
    pub(crate) operation: u32,
    pub(crate) access: u32,
    pub(crate) object: Object,
    pub(crate) grants: Grants,
}

/// Bytes of the longest name, and room for what the verifier cannot follow.
pub(crate) const NAME_SIZE: usize = 512;

/// Claims a buffer of this CPU.
#[inline(always)]
pub(crate) fn claim() -> Option<*mut Scratch> {
    let mut index = 0;
    while index < SCRATCH_SLOTS {
        if let Some(slot) = SCRATCH.get_ptr_mut(index) {
            // SAFETY: only the address is taken.
            let busy = unsafe { &raw mut (*slot).busy };
            // SAFETY: a field of a map value.
            if unsafe { atomic::swap(busy, 1) } == 0 {
                // SAFETY: the claim on the buffer is ours.
                unsafe { (*slot).index = u64::from(index) };
                return Some(slot);
            }
        }
        index += 1;
    }
    None
}

/// What tells a claimed buffer from the others of this CPU; a program stays on its CPU.
#[inline(always)]
pub(crate) fn index(slot: *mut Scratch) -> u32 {
    // SAFETY: the claim on the buffer is the caller's.
    unsafe { core::ptr::read_volatile(&raw const (*slot).index) as u32 }
}

/// The buffer that was claimed under `index`.
#[inline(always)]
pub(crate) fn at(index: u32) -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(index)
}

/// The desk of a claimed buffer.
#[inline(always)]
pub(crate) fn desk(slot: *mut Scratch) -> *mut Desk {
    // SAFETY: only the address is taken.
    unsafe { &raw mut (*slot).desk }
}

/// Where a claimed buffer keeps how far a path is.
#[inline(always)]
pub(crate) fn text(slot: *mut Scratch) -> *mut Text {
    // SAFETY: only the address is taken.
    unsafe { &raw mut (*slot).text }
}

/// The same value, of which the verifier knows nothing any more. Numbers that it could follow (where a
/// loop ended, say) would otherwise make it look at all that comes after once for each of them.
#[inline(always)]
pub(crate) fn plain(slot: *mut Scratch, value: u32) -> u32 {
    // SAFETY: only the address is taken.
    let at = unsafe { &raw mut (*slot).plain };
    // SAFETY: a field of a map value that the caller has claimed.
    unsafe { core::ptr::write_volatile(at, value) };
    // SAFETY: as above.
    unsafe { core::ptr::read_volatile(at) }
}

/// The bytes of a claimed buffer's object.
#[inline(always)]
pub(crate) fn object(slot: *mut Scratch) -> *mut u8 {
    // SAFETY: only the address is taken.
    unsafe { &raw mut (*slot).object }.cast()
}

/// Gives a claimed buffer back.
#[inline(always)]
pub(crate) fn release(slot: *mut Scratch) {
    // SAFETY: only the address is taken.
    let busy = unsafe { &raw mut (*slot).busy };
    // SAFETY: a field of a map value; the claim is the caller's, so nobody else writes here.
    unsafe { core::ptr::write_volatile(busy, 0) };
}

/// The byte at `at` of a buffer's object.
#[inline(always)]
pub(crate) fn byte_at(object: *const u8, at: u32) -> u8 {
    // SAFETY: inside the object, by the mask.
    unsafe { *object.wrapping_add(at as usize & (OBJECT_SIZE - 1)) }
}
