//! A file that gets a second name, and what is below a directory that gets another, come under other rules.
//! Those must not grant what the old ones did not.

use aya_ebpf::bindings::task_struct;
use stockade_abi::access;
use stockade_abi::head::Head;
use stockade_abi::reason::{Mode, Operation, Reason};
use stockade_abi::table::{DEAD, high, low, pair};

use super::judge::{ALLOW, Question, answer, conclude, without_object};
use super::kernel::{Pointer, address, current, load};
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
    // Newer verifiers want to be asked, though a link is always made to something.
    if !inode.is_null() && u32::from(load!(inode, inode_mode as u16)) & S_IFMT == S_IFLNK {
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

/// The directory `old`, about to be called `new`, on this mount.
///
/// All that is below it changes its rules with it. They are known to grant nothing more where nothing is
/// granted below the new name, where the same rules begin below both, or where below each of them one rule
/// speaks of everything: then what counts is whether that of the new name grants no more, or the one rule
/// lets every name be given away and the other lets it be made.
#[inline(always)]
pub(crate) fn directory(old: Pointer, mount: Pointer, new: Pointer) -> i32 {
    answer(stockade_directory(address(old), address(mount), address(new)))
}

/// The same, as a stage (see [`super::judge`]). Not 0 where it is denied.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_directory(old: u64, mount: u64, new: u64) -> u32 {
    let Some(label) = label::of(current()) else { return 0 };
    let head = policy::head(label.policy);
    if head.mode() == Some(Mode::Learn) {
        return 0;
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy) as u32;
    };
    let mount = mount as Pointer;
    let target = object_at(&Place { dentry: new as Pointer, mount }, slot);
    let (to, to_all) = judge::look_below(head, &target, slot);
    let mut object = object_at(&Place { dentry: old as Pointer, mount }, slot);
    let (from, from_all) = judge::look_below(head, &object, slot);
    let (given, taken) = (side(from.granted, label.flags), side(to.granted, label.flags));
    let one_by_one = given & access::RENAME != 0 && taken & access::CREATE != 0;
    let all = from_all && to_all && to.groups == 0;
    // The judgements of the names have said by now why one cannot be told.
    let known = target.problem == 0 && object.problem == 0;
    let same = to.below == DEAD || to.below == from.below;
    let mut judged = ALLOW;
    if !known || !(same || all && (taken & CONTENT & !given == 0 || one_by_one)) {
        if object.problem == 0 {
            object.problem = Reason::WiderRules as u32;
        }
        let question = Question { operation: Operation::File, access: access::RENAME, object };
        judged = conclude(&label, head, &question, &policy::Grants::NOTHING, slot).answer;
    }
    scratch::release(slot);
    judged as u32
}
