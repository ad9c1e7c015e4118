//! Who a task belongs to.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::{
    bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id, bpf_task_storage_delete,
};
use core::hint::cold_path;
use core::mem::offset_of;
use stockade_abi::label::{Label, SESSION, SHARES_HOST_ROOT, SubjectEntry};

use super::kernel::{Loaded as _, Pointer, has_host_root, load, part};
use super::maps::{LABELS, SUBJECTS};
use super::rounds::{CONTINUE, STOP, rounds};

/// Cgroup levels that are searched for a bound ancestor. systemd and Kubernetes nest about eight.
const LEVELS: u32 = 24;

/// The part of a label that most decisions need.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    /// Slot of the policy.
    pub(crate) policy: u32,
    /// Flags of the label.
    pub(crate) flags: u32,
}

/// The tag of `task`.
#[inline(always)]
pub(crate) fn tag(task: *mut task_struct) -> Option<Tag> {
    let word = word::<{ offset_of!(Label, policy) as i32 }>(task, |label| {
        u64::from(label.policy) | u64::from(label.flags) << 32
    })?;
    Some(Tag { policy: word as u32, flags: (word >> 32) as u32 })
}

/// The subject that `task` belongs to.
#[inline(always)]
pub(crate) fn subject(task: *mut task_struct) -> Option<u64> {
    word::<{ offset_of!(Label, subject) as i32 }>(task, |label| label.subject)
}

/// Whether the program of `task`, or the one it is about to start, belongs to groups of parents.
#[inline(always)]
pub(crate) fn has_groups(task: *mut task_struct) -> bool {
    word::<{ offset_of!(Label, member) as i32 }>(task, |label| u64::from(label.member | label.next_member))
        .is_some_and(|groups| groups != 0)
}

/// The word at `OFFSET` of the label of `task`; `of` takes it from a whole one.
///
/// Most tasks of a node have no storage at all, and one load tells. A storage keeps the values that were
/// asked for last at hand; ours is nearly always there, and reading it costs a fifth of the helper call.
#[inline(always)]
fn word<const OFFSET: i32>(task: *mut task_struct, of: impl Fn(&Label) -> u64) -> Option<u64> {
    let storages: Pointer = load!(task.cast(), task_storage as Pointer);
    if storages.is_null() {
        return None;
    }
    // Where nothing is at hand, nothing is the owner: a load through null gives zero.
    let cached: Pointer = load!(storages, storage_cache as Pointer);
    let owner: Pointer = load!(cached, data_map as Pointer);
    if owner == LABELS.map() {
        let value = part!(cached, data_value);
        // A load that the compiler does not know: it would make one of it and the one of the whole label, which the
        // verifier wants apart.
        // SAFETY: a word of a label; the verifier checks the access.
        return Some(unsafe { u64::load::<OFFSET>(value) });
    }
    cold_path();
    self::of(task).map(|label| of(&label))
}

/// The label of a task that most likely has none.
#[inline(always)]
pub(crate) fn if_any(task: *mut task_struct) -> Option<Label> {
    let storages: Pointer = load!(task.cast(), task_storage as Pointer);
    if storages.is_null() { None } else { of(task) }
}

/// The label of `task`, which most likely has one: the helper is asked at once.
#[inline(always)]
pub(crate) fn of(task: *mut task_struct) -> Option<Label> {
    let label = LABELS.get(task, None);
    if label.is_null() {
        return None;
    }
    // SAFETY: not null, and values of task storage live as long as the program runs.
    Some(unsafe { *label })
}

/// Labels `task`. False when the kernel has no memory for it.
#[inline(always)]
pub(crate) fn put(task: *mut task_struct, mut label: Label) -> bool {
    let stored = LABELS.get(task, Some(&mut label));
    if stored.is_null() {
        return false;
    }
    // SAFETY: not null; written again since a value that was there is left as it is.
    unsafe { *stored = label };
    true
}

/// Takes the label of `task` away.
#[inline(always)]
pub(crate) fn remove(task: *mut task_struct) {
    // SAFETY: the verifier proves that `task` is a trusted task.
    let _was_there = unsafe { bpf_task_storage_delete(LABELS.map(), task) };
}

/// The label that the unlabelled current task takes with the program it is about to start: `None`
/// outside every subject, and for the runtime's own work inside one.
#[inline(always)]
pub(crate) fn at_entry(task: *mut task_struct, pid: u32) -> Option<Label> {
    let (subject, entry) = bound_cgroup()?;
    if entry.flags & SHARES_HOST_ROOT == 0 && has_host_root(task.cast()) {
        return None;
    }
    let flags = if entry.init_pid == pid { 0 } else { SESSION };
    Some(Label { subject, policy: entry.policy, flags, member: 0, next_member: 0 })
}

/// The innermost bound cgroup that the current task is in or below.
#[inline(always)]
fn bound_cgroup() -> Option<(u64, SubjectEntry)> {
    // SAFETY: the helper has no precondition.
    let own = unsafe { bpf_get_current_cgroup_id() };
    if let Some(entry) = entry(own) {
        return Some((own, entry));
    }
    let none = SubjectEntry { policy: 0, init_pid: 0, flags: 0, reserved: 0 };
    let mut search = Search { cgroup: 0, entry: none };
    rounds(LEVELS, &mut search, look);
    (search.cgroup != 0).then_some((search.cgroup, search.entry))
}

/// The innermost bound cgroup so far.
#[repr(C)]
struct Search {
    cgroup: u64,
    entry: SubjectEntry,
}

extern "C" fn look(level: u32, search: &mut Search) -> i64 {
    // SAFETY: the helper answers 0 for a level below the task's own.
    let cgroup = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
    if cgroup == 0 {
        return STOP;
    }
    if let Some(entry) = entry(cgroup) {
        search.cgroup = cgroup;
        search.entry = entry;
    }
    CONTINUE
}

#[inline(always)]
fn entry(cgroup: u64) -> Option<SubjectEntry> {
    // SAFETY: the copy is short; an entry is written once when its subject is bound.
    unsafe { SUBJECTS.get(cgroup) }.copied()
}
