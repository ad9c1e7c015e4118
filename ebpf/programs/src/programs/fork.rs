//! Making processes: the label goes to every child.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use aya_log_ebpf::warn;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, without_object};
use super::kernel::{before, current};
use super::label::Tag;
use super::{count, facility, label};

const EAGAIN: i32 = -11;
/// Flags of `clone` that ask for new namespaces, of any kind.
const NAMESPACES: u64 = 0x7e02_0080;
/// The flag that starts the process in another cgroup.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// `task_alloc(task, clone_flags)`.
#[inline(always)]
pub(crate) fn task_alloc(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Fork);
    if before != 0 {
        return before;
    }
    let Some(label) = label::if_any(current()) else { return ALLOW };
    let flags: u64 = ctx.arg(1);
    if flags & (NAMESPACES | CLONE_INTO_CGROUP) != 0 && label.flags & CANARY == 0 {
        let tag = Tag { policy: label.policy, flags: label.flags };
        let facility = if flags & NAMESPACES != 0 { Facility::Namespaces } else { Facility::Cgroup };
        let answer = facility::judge(tag, facility);
        if answer != ALLOW {
            return answer;
        }
    }
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
