//! Making processes: the label goes to every child.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use aya_log_ebpf::warn;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, without_object};
use super::kernel::current;
use super::{count, label};

const EAGAIN: i32 = -11;

/// `task_alloc(task, clone_flags)`.
#[inline(always)]
pub(crate) fn task_alloc(ctx: &LsmContext) -> i32 {
    let before: i32 = ctx.arg(2);
    if before != 0 {
        return before;
    }
    let Some(label) = label::of(current()) else { return ALLOW };
    let child: *mut task_struct = ctx.arg(0);
    if label::put(child, label) {
        if label.flags & CANARY != 0 {
            count::canary(Hook::Fork);
        }
        return ALLOW;
    }
    warn!(ctx, "no memory for the label of a new process of subject {}", label.subject);
    // A process that cannot be made for want of memory: the errno that fork documents for it.
    match without_object(&label, Operation::Fork, Reason::LabelFull) {
        ALLOW => ALLOW,
        ..0 | 1.. => EAGAIN,
    }
}
