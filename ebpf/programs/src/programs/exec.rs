//! Starting programs.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::programs::LsmContext;
use aya_log_ebpf::warn;
use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, Label};
use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, current, load};
use super::{count, label, path, scratch};

/// `bprm_check_security(bprm)`: called for the program, and once more for each `#!` interpreter.
#[inline(always)]
pub(crate) fn bprm_check_security(ctx: &LsmContext) -> i32 {
    let before: i32 = ctx.arg(1);
    if before != 0 {
        return before;
    }
    let task = current();
    let (label, enters) = match label::of(task) {
        Some(label) => (label, false),
        None => match label::at_entry(task, (bpf_get_current_pid_tgid() >> 32) as u32) {
            Some(label) => (label, true),
            None => return ALLOW,
        },
    };
    if label.flags & CANARY != 0 {
        count::canary(Hook::Exec);
        return DENY;
    }
    let bprm: Pointer = ctx.arg(0);
    let file: Pointer = load!(bprm, bprm_file as Pointer);

    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Exec, Reason::ScratchBusy);
    };
    let object = path::of_file(file, slot);
    let question = Question { operation: Operation::Exec, access: access::EXEC, object };
    let answer = judge(&label, &question, slot);
    scratch::release(slot);
    if answer == ALLOW && enters { enter(ctx, task, label) } else { answer }
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
