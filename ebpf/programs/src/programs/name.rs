//! Walking the name of one directory entry through a table.

use stockade_abi::table::{self, DEAD, GRANTS, HOLD, Table as _, low};

use super::kernel::{Pointer, load, part};
use super::policy::{Grants, Words, grants_in, walk_bytes};
use super::scratch;

/// Bytes of a name that is walked without a loop: most names are no longer, and a call of the loop helper
/// costs as much as ten steps.
const SHORT: u32 = 16;

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
    let slot = scratch::claim()?;
    // SAFETY: only the address is taken; the claim on the buffer is ours.
    let buffer = unsafe { &raw mut (*slot).object }.cast::<u8>();
    let len = scratch::plain(slot, len) & 0xff;
    // SAFETY: at most 255 bytes into a buffer of 4096; the helper checks the source.
    let read =
        unsafe { aya_ebpf::helpers::generated::bpf_probe_read_kernel(buffer.cast(), len, name.cast_const()) };
    let end = walk_bytes(table, state, buffer, len);
    scratch::release(slot);
    (read == 0).then_some(end)
}
