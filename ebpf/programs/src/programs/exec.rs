//! Starting programs.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::programs::LsmContext;
use aya_log_ebpf::warn;
use stockade_abi::access;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, CANARY_MAY_START, ENTERS, Label};
use stockade_abi::reason::{Operation, Reason};
use stockade_abi::table::high;

use super::content::is_pinned;
use super::judge::{ALLOW, DENY, Question, conclude, look, member, without_object};
use super::kernel::{Pointer, before, current, load, unknown};
use super::origin::is_from_image;
use super::policy::side;
use super::{count, facility, inherited, label, path, policy, quick, scratch};

/// What the right content lets be done, to the container and in the high half to a session.
const BY_CONTENT: u64 = (access::EXEC | access::DRIFT) as u64;

/// `bprm_check_security(bprm)`: called for the program, and once more for each `#!` interpreter.
#[inline(always)]
pub(crate) fn bprm_check_security(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Exec);
    if before != 0 {
        return before;
    }
    let task = current();
    let bprm: Pointer = ctx.arg(0);
    let file: Pointer = load!(bprm, bprm_file as Pointer);
    if is_plain(task, file) {
        return ALLOW;
    }
    let (label, enters) = match label::if_any(task) {
        Some(label) => (label, false),
        None => match label::at_entry(task, (bpf_get_current_pid_tgid() >> 32) as u32) {
            Some(label) => (label, true),
            None => return ALLOW,
        },
    };
    if label.flags & CANARY != 0 {
        if label.member == CANARY_MAY_START {
            return ALLOW;
        }
        count::canary(Hook::Exec);
        return DENY;
    }
    let drifted = unknown(if is_from_image(file, label.subject) { 0 } else { access::DRIFT });

    if !enters
        && let Some((granted, groups)) = quick::program(task, label.policy, file)
        && drifted & !side(granted, label.flags) == 0
        && (side(granted, label.flags) & access::EXEC != 0 || high(groups) & label.member != 0)
    {
        return started_by(ctx, task, label, member(groups), false);
    }
    // Before the path is looked at: what was found under an older count is not remembered.
    let (head, renames) = (policy::head(label.policy), policy::renames());
    let standing = path::standing(file);
    if standing.is_outside() && !facility::is_granted(head, label.flags, Facility::ForeignFiles) {
        // For the record of a facility there is no stack left.
        let answer = without_object(&label, Operation::Exec, Reason::PathUnreadable);
        if answer != ALLOW {
            return answer;
        }
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Exec, Reason::ScratchBusy);
    };
    let found = path::of_file(task, file, head, renames, standing, &label, slot);
    let access = access::EXEC | drifted;
    let question = Question { operation: Operation::Exec, access, object: found.object };
    let mut grants = look(head, &found.object, slot);
    let denied = side(grants.denied, label.flags) & access::EXEC != 0;
    if grants.pins != 0 && !denied && is_pinned(file, head, grants.pins, label.member) {
        // It is what was meant, wherever it comes from.
        grants.granted |= BY_CONTENT | BY_CONTENT << 32;
    }
    let judged = conclude(&label, head, &question, &grants, slot);
    scratch::release(slot);
    // What depends on the content is not remembered by the file's place.
    if grants.pins == 0 {
        path::learn(file, label.policy, &found, &judged);
    }
    if judged.answer != ALLOW {
        return judged.answer;
    }
    started_by(ctx, task, label, member(judged.groups), enters)
}

/// Whether it is remembered that everybody in the subject of `task` may start the program, and it is known by no group:
/// then nothing is to be noted, and little of the label to be read.
#[inline(always)]
fn is_plain(task: *mut task_struct, file: Pointer) -> bool {
    let Some(tag) = label::tag(task) else { return false };
    if tag.flags & CANARY != 0 {
        return false;
    }
    let Some((granted, groups)) = quick::program(task, tag.policy, file) else { return false };
    let granted = side(granted, tag.flags);
    granted & access::EXEC != 0
        && member(groups) == 0
        && (granted & access::DRIFT != 0
            || label::subject(task).is_some_and(|subject| is_from_image(file, subject)))
}

/// Notes what the program is known by when it has started, and labels a task that has no label yet.
#[inline(always)]
fn started_by(ctx: &LsmContext, task: *mut task_struct, mut label: Label, groups: u32, enters: bool) -> i32 {
    if enters || groups & !label.next_member != 0 {
        label.next_member |= groups;
        label.flags |= if enters { ENTERS } else { 0 };
        return enter(ctx, task, label);
    }
    ALLOW
}

/// Labels the task. The label comes with the first program that may start: until then the task is still
/// the runtime's.
#[inline(always)]
fn enter(ctx: &LsmContext, task: *mut task_struct, label: Label) -> i32 {
    if label::put(task, label) {
        return ALLOW;
    }
    warn!(ctx, "no memory for the label of the first process of subject {}", label.subject);
    without_object(&label, Operation::Exec, Reason::LabelFull)
}

/// `bprm_committed_creds(bprm)`: the program has started. From here on it is what the process's groups
/// of parents are looked up by; a start that failed has changed nothing.
#[inline(always)]
pub(crate) fn bprm_committed_creds() -> i32 {
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & (CANARY | ENTERS) == 0 && !label::has_groups(task) {
        return ALLOW;
    }
    let Some(mut label) = label::of(task) else { return ALLOW };
    if label.flags & CANARY != 0 {
        count::canary(Hook::Started);
        label::remove(task);
        return ALLOW;
    }
    let enters = label.flags & ENTERS != 0;
    if enters {
        label.flags = label.flags & !ENTERS | inherited::judge_all(task);
    }
    if enters || label.member != label.next_member || label.next_member != 0 {
        label.member = label.next_member;
        label.next_member = 0;
        // The label is there already: no memory is needed.
        let _there = label::put(task, label);
    }
    ALLOW
}
