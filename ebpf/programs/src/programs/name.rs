//! Walking the name of one directory entry through a table.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use stockade_abi::table::{self, DEAD, GRANTS, HOLD, Table as _, low};

use super::kernel::{Pointer, load, part};
use super::policy::{Grants, Words, grants_in, walk_bytes};
use super::scratch::{self, Scratch};

/// Bytes of a name that is walked without a loop: most names are no longer, and a call of the loop helper
/// costs as much as ten steps.
pub(crate) const SHORT: u32 = 16;

/// What `table` grants on the entry's name, from `state`; `None` when the name cannot be had.
#[inline(always)]
pub(crate) fn grants<const N: usize>(table: &Words<N>, state: u32, dentry: Pointer) -> Option<Grants> {
    let len: u32 = load!(dentry, dentry_name_len as u32);
    let inside = part!(dentry, dentry_short);
    let name: u64 = load!(dentry, dentry_name as u64);
    // A name holds no slash.
    let end = if state & HOLD != 0 {
        state
    } else if len <= SHORT && name == inside as u64 {
        walk_short(table, state, inside, len)
    } else {
        walk_long(table, state, name as Pointer, len)?
    };
    Some(grants_in(table, end, 0))
}

#[inline(always)]
fn walk_short<const N: usize>(table: &Words<N>, mut state: u32, inside: Pointer, len: u32) -> u32 {
    // Zero, which the verifier cannot know. A step has several outcomes about which it knows different
    // things, and it would look at all further steps once for each; after this they are all the same.
    let blur = low(table.word(GRANTS));
    macro_rules! eight {
        ($word:literal) => {
            // SAFETY: part of the entry; the verifier checks the access.
            let mut bytes = unsafe { core::ptr::read_volatile(inside.cast::<u64>().wrapping_add($word)) };
            let mut index = 1;
            while index <= 8 {
                if state & HOLD != 0 {
                    return state;
                }
                state = table::step(table, state, bytes as u8) ^ blur;
                if state == DEAD || len == 8 * $word + index {
                    return state;
                }
                bytes >>= 8;
                index += 1;
            }
        };
    }
    eight!(0);
    eight!(1);
    state
}

#[inline(always)]
fn walk_long<const N: usize>(table: &Words<N>, state: u32, name: Pointer, len: u32) -> Option<u32> {
    let (slot, len) = copied(name, len)?;
    let end = walk_bytes(table, state, scratch::object(slot), len);
    scratch::release(slot);
    Some(end)
}

/// The name in a buffer that the caller has to give back, and its length.
#[inline(always)]
pub(crate) fn copied(name: Pointer, len: u32) -> Option<(*mut Scratch, u32)> {
    let slot = scratch::claim()?;
    let len = scratch::plain(slot, len) & 0xff;
    let buffer = scratch::object(slot);
    // SAFETY: at most 255 bytes into a buffer of 4096, on which the claim is ours; the helper checks the source.
    let read = unsafe { bpf_probe_read_kernel(buffer.cast(), len, name.cast_const()) };
    if read != 0 {
        scratch::release(slot);
        return None;
    }
    Some((slot, len))
}
