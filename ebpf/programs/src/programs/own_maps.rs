//! The maps that these programs judge by: no labelled process opens them, whatever its profile grants, and outside
//! every subject nobody but the agent does while it runs.

use core::ffi::c_void;
use core::ptr::{from_ref, read_volatile, write_volatile};

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use aya_log_ebpf::warn;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::owner::Owner;

use super::facility::{self, DENY};
use super::file::{FMODE_READ, FMODE_WRITE};
use super::judge::ALLOW;
use super::kernel::{Pointer, address, before, current, load, offset, probe};
use super::maps::{
    CANARY as CANARIES, CONTENTS, EVENTS, GUARDS, HEADS, INODES, LABELS, LOST, ONCE, OWNER, PEERS, REASONS,
    REFUSED, ROOTS, SCRATCH, SEEN, STARTED, SUBJECTS, TABLES_L, TABLES_M, TABLES_S,
};
use super::{count, label};

/// In `flags` of a task: it has begun to end.
const PF_EXITING: u32 = 0x4;
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
pub(crate) fn bpf_map(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, BpfMap);
    if before != 0 {
        return before;
    }
    let (map, mode): (Pointer, u32) = (ctx.arg(0), ctx.arg(1));
    let task = current();
    let Some(tag) = label::tag(task) else {
        if !is_own(map) || is_agents(task, map, mode) {
            return ALLOW;
        }
        warn!(ctx, "a map was opened for a process that is not the agent: refused");
        return DENY;
    };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::BpfMap);
        return DENY;
    }
    if is_own(map) { facility::refuse(Facility::Bpf) } else { ALLOW }
}

/// Whether `task`, outside every subject, is a thread of the agent, or there is none. Who then opens the map of the
/// owner only to write is the agent from there on: by accident nobody does.
///
/// An agent is gone when it has begun to end. Its lock is held longer, so the next one does not come too early.
#[inline(always)]
fn is_agents(task: *mut task_struct, map: Pointer, mode: u32) -> bool {
    let Some(owner) = OWNER.get_ptr_mut(0) else { return true };
    // SAFETY: a value of the map, of words that are written by one agent at a time.
    let Owner { task: known, started } = unsafe { read_volatile(owner) };
    let leader: Pointer = load!(task.cast(), task_group_leader as Pointer);
    let own = Owner { task: address(leader), started: load!(leader, task_started as u64) };
    let agent = known as Pointer;
    let lives = probe!(agent, task_started as u64) == Some(started)
        && probe!(agent, task_flags as u32).is_some_and(|flags| flags & PF_EXITING == 0);
    if lives {
        return own.task == known;
    }
    if map == from_ref(&OWNER).cast_mut().cast::<c_void>() && mode & (FMODE_READ | FMODE_WRITE) == FMODE_WRITE
    {
        // SAFETY: as above.
        unsafe { write_volatile(owner, own) };
    }
    true
}

#[inline(always)]
fn is_own(map: Pointer) -> bool {
    macro_rules! any {
        ($($own:ident)+) => { $(map == from_ref(&$own).cast_mut().cast::<c_void>())||+ };
    }
    any!(
        LABELS INODES GUARDS OWNER ONCE SUBJECTS STARTED ROOTS CONTENTS TABLES_S TABLES_M TABLES_L PEERS REFUSED EVENTS
        SEEN REASONS LOST CANARIES SCRATCH
    ) || is_heads(map)
}

/// Of the heads, a section to the compiler, the programs know where the value is, and not where the map is.
#[inline(always)]
fn is_heads(map: Pointer) -> bool {
    let heads = address(HEADS.words().cast());
    heads != 0 && address(map).wrapping_add(offset!(array_value) as u64) == heads
}
