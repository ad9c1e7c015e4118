//! A file that gets a second name comes under other rules. Those must not grant what the old ones did not.

use aya_ebpf::bindings::task_struct;
use stockade_abi::access;
use stockade_abi::head::Head;
use stockade_abi::reason::{Mode, Operation, Reason};
use stockade_abi::table::{high, low, pair};

use super::judge::{ALLOW, Question, conclude, without_object};
use super::kernel::{Pointer, load};
use super::memory::Place;
use super::names::NEVER;
use super::place::object_at;
use super::policy::{Object, side};
use super::scratch::{self, Scratch};
use super::{judge, label, policy};

/// Accesses to what a file holds, whatever its name.
const CONTENT: u32 =
    access::READ | access::WRITE | access::APPEND | access::ATTR | access::MAP | access::EXEC;
const S_IFMT: u32 = 0o170_000;
const S_IFLNK: u32 = 0o120_000;

/// A second name, `new`, for the file `old`; its mount is that of both. That the name may be made has been
/// judged.
///
/// What the new name grants on the file's content, the old one must grant too. A file that has no name yet
/// was written here, and only that has to be granted on its name; but it must not become a program.
#[inline(never)]
pub(crate) fn link(task: *mut task_struct, old: Pointer, mount: Pointer, new: Pointer) -> i32 {
    let inode: Pointer = load!(old, dentry_inode as Pointer);
    if u32::from(load!(inode, inode_mode as u16)) & S_IFMT == S_IFLNK {
        return ALLOW;
    }
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy);
    };
    let head = policy::head(label.policy);
    let (mut object, mut grants) = look(&Place { dentry: new, mount }, head, slot);
    let target = side(grants.granted, label.flags) & CONTENT;
    let groups = grants.groups;
    let programs = target & access::EXEC != 0 || high(groups) != 0;
    let mut access = access::WRITE | if programs { NEVER } else { 0 };
    if load!(old, dentry_hashed as u64) != 0 {
        (object, grants) = look(&Place { dentry: old, mount }, head, slot);
        let everybody = side(grants.granted, label.flags) & access::EXEC != 0;
        let starters = if everybody { 0 } else { high(groups) & !high(grants.groups) };
        let members = if programs { low(groups) & !low(grants.groups) } else { 0 };
        access = target;
        if starters | members != 0 {
            // As a program it would be started by others, or be known as another.
            access |= access::EXEC;
            grants.granted &= !pair(access::EXEC, access::EXEC);
            grants.groups = 0;
        }
    }
    if head.mode() == Some(Mode::Learn) {
        // Which rules the new name will have in the end is not known; it will be for reading.
        access = access::READ;
    }
    object.split = object.len;
    let question = Question { operation: Operation::File, access, object };
    let judged = conclude(&label, head, &question, &grants, slot);
    scratch::release(slot);
    judged.answer
}

/// The path of a place, and what the table says of it.
#[inline(always)]
fn look(place: &Place, head: Head, slot: *mut Scratch) -> (Object, policy::Grants) {
    let object = object_at(place, slot);
    (object, judge::look(head, &object, slot))
}
