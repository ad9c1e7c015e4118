//! The maps that these programs judge by: no labelled process opens them, whatever its profile grants.

use core::ffi::c_void;
use core::ptr::from_ref;

use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::facility::{self, DENY};
use super::judge::ALLOW;
use super::kernel::{Pointer, address, current, offset};
use super::maps::{
    CANARY as CANARIES, CONTENTS, EVENTS, GUARDS, HEADS, INODES, LABELS, LOST, ONCE, PEERS, REASONS, REFUSED,
    SCRATCH, SEEN, STARTED, SUBJECTS, TABLES_L, TABLES_M, TABLES_S,
};
use super::{count, label};

/// `cmd`: make a map.
const BPF_MAP_CREATE: u32 = 0;

/// `bpf(cmd, attr, size)`.
#[inline(always)]
pub(crate) fn bpf(before: i32, command: u32) -> i32 {
    // The canary is to get as far as the hook for maps.
    if command == BPF_MAP_CREATE && label::tag(current()).is_some_and(|tag| tag.flags & CANARY != 0) {
        return before;
    }
    facility::hook(before, Hook::Bpf, Facility::Bpf)
}

/// `bpf_map(map, fmode)`: about to open a map, a new one or one that is there already, by a pin or by its number.
/// Whether it may use maps at all was judged before. Tables are of no interest here: they cannot be written again.
#[inline(always)]
pub(crate) fn bpf_map(before: i32, map: Pointer) -> i32 {
    if before != 0 {
        return before;
    }
    let Some(tag) = label::tag(current()) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::BpfMap);
        return DENY;
    }
    if is_own(map) { facility::refuse(Facility::Bpf) } else { ALLOW }
}

#[inline(always)]
fn is_own(map: Pointer) -> bool {
    macro_rules! any {
        ($($own:ident)+) => { $(map == from_ref(&$own).cast_mut().cast::<c_void>())||+ };
    }
    any!(
        LABELS INODES GUARDS ONCE SUBJECTS STARTED CONTENTS TABLES_S TABLES_M TABLES_L PEERS REFUSED EVENTS SEEN
        REASONS LOST CANARIES SCRATCH
    ) || is_heads(map)
}

/// Of the heads, a section to the compiler, the programs know where the value is, and not where the map is.
#[inline(always)]
fn is_heads(map: Pointer) -> bool {
    let heads = address(HEADS.words().cast());
    heads != 0 && address(map).wrapping_add(offset!(array_value) as u64) == heads
}
