//! Who a task belongs to.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::{bpf_get_current_ancestor_cgroup_id, bpf_get_current_cgroup_id};
use stockade_abi::label::{Label, SESSION, SHARES_HOST_ROOT, SubjectEntry};

use super::kernel::{Pointer, has_host_root, load};
use super::maps::{LABELS, SUBJECTS};
use super::rounds::{CONTINUE, STOP, rounds};

/// Cgroup levels that are searched for a bound ancestor. systemd and Kubernetes nest about eight.
const LEVELS: u32 = 24;

/// The label of `task`.
#[inline(always)]
pub(crate) fn of(task: *mut task_struct) -> Option<Label> {
    // Most tasks of a node have no storage at all; this load spares them the helper call.
    let storages: Pointer = load!(task, task_storage as Pointer);
    if storages.is_null() {
        return None;
    }
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

/// The label that the unlabelled current task takes with the program it is about to start: `None`
/// outside every subject, and for the runtime's own work inside one.
#[inline(always)]
pub(crate) fn at_entry(task: *mut task_struct, pid: u32) -> Option<Label> {
    let (subject, entry) = bound_cgroup()?;
    if entry.flags & SHARES_HOST_ROOT == 0 && has_host_root(task.cast()) {
        return None;
    }
    let flags = if entry.init_pid == pid { 0 } else { SESSION };
    Some(Label { subject, policy: entry.policy, flags })
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
