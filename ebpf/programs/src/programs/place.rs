//! Judging by a place alone, a directory entry on a mount: for hooks in which the kernel tells no path, and
//! in which nothing is worth remembering.

use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, Question, answer, judge, without_object};
use super::kernel::{Pointer, address, current, load, offset, probe};
use super::memory::Place;
use super::policy::Object;
use super::scratch::{self, Scratch};
use super::standing::Standing;
use super::{climb, label, policy};

/// `f_mode` of the kernel's own file behind an overlay's, from 6.5 on.
const FMODE_BACKING: u32 = 1 << 25;

/// Judges accesses to the file there.
#[inline(always)]
pub(crate) fn judge_place(dentry: Pointer, mount: Pointer, access: u32) -> i32 {
    answer(stockade_place(address(dentry), address(mount), access))
}

/// The same, as a stage. Not 0 where it is denied.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_place(dentry: u64, mount: u64, access: u32) -> u32 {
    let Some(label) = label::of(current()) else { return 0 };
    let place = Place { dentry: dentry as Pointer, mount: mount as Pointer };
    let answer = Standing::of(&place, false).judge();
    if answer != ALLOW {
        return answer as u32;
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy) as u32;
    };
    let head = policy::head(label.policy);
    let object = object_at(&place, slot);
    let question = Question { operation: Operation::File, access, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    judged.answer as u32
}

/// The path of the place, left in the buffer.
#[inline(always)]
pub(crate) fn object_at(place: &Place, slot: *mut Scratch) -> Object {
    let climb::Built { len, problem } = climb::build(place, slot);
    Object { skip: 0, split: len, len, start: 0, problem }
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
