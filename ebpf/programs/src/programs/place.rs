//! Judging by a place alone, a directory entry on a mount: for hooks in which the kernel tells no path, and
//! in which nothing is worth remembering.

use aya_ebpf::bindings::task_struct;
use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, Question, judge, without_object};
use super::kernel::{Pointer, load, offset, probe};
use super::memory::Place;
use super::policy::Object;
use super::scratch::{self, Scratch};
use super::{climb, label, policy};

/// `f_mode` of the kernel's own file behind an overlay's, from 6.5 on.
const FMODE_BACKING: u32 = 1 << 25;

/// Judges accesses to the file there. A function of its own: the verifier looks at it once for each hook.
#[inline(never)]
pub(crate) fn judge_place(task: *mut task_struct, dentry: Pointer, mount: Pointer, access: u32) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy);
    };
    let head = policy::head(label.policy);
    let object = object_at(&Place { dentry, mount }, slot);
    let question = Question { operation: Operation::File, access, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    judged.answer
}

/// The path of the place, left in the buffer.
#[inline(always)]
pub(crate) fn object_at(place: &Place, slot: *mut Scratch) -> Object {
    let object = match climb::build(place, slot) {
        Ok(len) => Object { skip: 0, split: len, len, start: 0, problem: 0 },
        Err(problem) => Object::none(problem),
    };
    // How it went must not be followed through all that comes after.
    let len = scratch::plain(slot, object.len);
    Object { problem: scratch::plain(slot, object.problem), len, split: len, ..object }
}

/// Where the user found an open file: of a file behind an overlay's, the overlay's. Null where that cannot
/// be read, which has no path.
#[inline(always)]
pub(crate) fn of_user(file: Pointer) -> Place {
    if offset!(backing_user_dentry) != 0 && load!(file, file_mode as u32) & FMODE_BACKING != 0 {
        let nothing = core::ptr::null_mut();
        let dentry = probe!(file, backing_user_dentry as Pointer).unwrap_or(nothing);
        return Place { dentry, mount: probe!(file, backing_user_mount as Pointer).unwrap_or(nothing) };
    }
    Place { dentry: load!(file, file_dentry as Pointer), mount: load!(file, file_mount as Pointer) }
}
