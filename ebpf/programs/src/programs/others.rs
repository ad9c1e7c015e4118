//! What a process does to others: nothing, beyond its own subject.

use aya_ebpf::bindings::task_struct;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, Label, SESSION};

use super::facility::{DENY, judge_quietly};
use super::judge::ALLOW;
use super::kernel::current;
use super::label::Tag;
use super::{count, label};

/// `mode` of a check whose failure means nothing.
const PTRACE_MODE_NOAUDIT: u32 = 0x04;
/// `mode` of a check before a process is changed, not only looked at.
const PTRACE_MODE_ATTACH: u32 = 0x02;

/// A hook that asks about another process.
#[inline(always)]
pub(crate) fn hook(before: i32, hook: Hook, other: *mut task_struct, facility: Facility) -> i32 {
    asked(before, hook, other, facility, false, false)
}

/// `ptrace_access_check(child, mode)`: also what stands behind `/proc/PID/mem`, `fd` and the like.
#[inline(always)]
pub(crate) fn ptrace(before: i32, other: *mut task_struct, mode: u32) -> i32 {
    let (quiet, attach) = (mode & PTRACE_MODE_NOAUDIT != 0, mode & PTRACE_MODE_ATTACH != 0);
    asked(before, Hook::PtraceAccess, other, Facility::Ptrace, quiet, attach)
}

/// `task_kill(p, info, sig, cred)`: not called for signals of the kernel's own.
#[inline(always)]
pub(crate) fn kill(before: i32, other: *mut task_struct, signal: u32) -> i32 {
    // Asking whether a process is there.
    if signal == 0 {
        return before;
    }
    hook(before, Hook::Kill, other, Facility::Signals)
}

/// `becomes`: who may do it has what the other has.
#[inline(always)]
fn asked(
    before: i32,
    hook: Hook,
    other: *mut task_struct,
    facility: Facility,
    quiet: bool,
    becomes: bool,
) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    if is_of_one_subject(task, tag, other, becomes) {
        return ALLOW;
    }
    judge_quietly(tag, facility, quiet)
}

/// Whether the other process is of the own subject, and, where that counts, may do no more.
#[inline(always)]
fn is_of_one_subject(task: *mut task_struct, tag: Tag, other: *mut task_struct, becomes: bool) -> bool {
    let own = label::of(task);
    match (own, label::of(other)) {
        (Some(Label { subject, .. }), Some(other)) => {
            let gains = becomes && other.flags & SESSION != 0 && tag.flags & SESSION == 0;
            subject == other.subject && !gains
        }
        (Some(_), None) | (None, _) => false,
    }
}
