//! The short way to "allowed": from memory, or from the directory's state and the file's name. Whatever
//! is not plainly allowed here takes the long way.
//!
//! What most opens run is what stands here: nothing is worked out before it is needed, and nothing is kept
//! over a call that can be loaded again for less.

use aya_ebpf::bindings::task_struct;
use stockade_abi::head::Head;
use stockade_abi::reason::Mode;

use super::kernel::{Pointer, load};
use super::label::{self, Tag};
use super::memory::{self, Lesson, Place, Sight, View};
use super::name;
use super::policy::{self, Grants, Policy, side};
use super::special;

/// Whether everything that is wanted of the file is remembered as granted.
#[inline(always)]
pub(crate) fn remembered(task: *mut task_struct, tag: Tag, file: Pointer, wanted: impl Fn() -> u32) -> bool {
    let known = memory::entry(load!(file, file_inode as Pointer), tag.policy);
    if known.is_null() {
        return false;
    }
    let sight = Sight { task, key: policy::word(tag.policy).word() };
    let granted = memory::granted(known, &place_of(file), &sight);
    granted.is_some_and(|granted| wanted() & !side(granted, tag.flags) == 0)
}

/// The same of what is not remembered, or not as much of it. `settled`: the file was there before.
/// `implied`: it is not this that is judged.
#[inline(always)]
pub(crate) fn unremembered(
    task: *mut task_struct,
    tag: Tag,
    file: Pointer,
    wanted: impl Fn() -> u32,
    settled: impl Fn() -> bool,
    implied: impl Fn() -> bool,
) -> bool {
    let head = policy::word(tag.policy);
    let place = place_of(file);
    if head.mode() == Some(Mode::Learn) {
        return was_reported(task, tag, head, file, &place, wanted);
    }
    let renames = policy::renames();
    if implied() || load!(place.dentry, dentry_hashed as u64) == 0 {
        return false;
    }
    let Some(grants) = by_name(tag, head, &place, &Sight { task, key: head.word() }) else {
        return false;
    };
    if wanted() & !side(grants.granted, tag.flags) != 0 {
        return false;
    }
    let inode: Pointer = load!(file, file_inode as Pointer);
    if settled() && memory::comes_again(inode) {
        let name = memory::name_of(place.dentry);
        let view = View::of(task, head, renames, 0);
        let granted = special::memorable(file, grants.granted);
        let lesson = Lesson::File { name, granted, groups: grants.groups };
        memory::remember(inode, tag.policy, &place, &view, lesson);
    }
    true
}

#[inline(always)]
fn place_of(file: Pointer) -> Place {
    Place { dentry: load!(file, file_dentry as Pointer), mount: load!(file, file_mount as Pointer) }
}

/// Whether learning has reported everything that is wanted of the file.
#[inline(always)]
fn was_reported(
    task: *mut task_struct,
    tag: Tag,
    head: Head,
    file: Pointer,
    place: &Place,
    wanted: impl Fn() -> u32,
) -> bool {
    let Some(label) = label::of(task) else { return false };
    let known = memory::entry(load!(file, file_inode as Pointer), tag.policy);
    if known.is_null() {
        return false;
    }
    let sight = Sight { task, key: memory::key(head, label.subject) };
    let reported = memory::granted(known, place, &sight);
    reported.is_some_and(|reported| wanted() & !side(reported, tag.flags) == 0)
}

/// What the table grants on an entry of a directory whose state is remembered.
#[inline(always)]
fn by_name(tag: Tag, head: Head, place: &Place, sight: &Sight) -> Option<Grants> {
    let dentry = place.dentry;
    // Of what is the root of its mount, the directory is outside of that mount, and never remembered on it.
    let before: u32 = load!(dentry, dentry_sequence as u32);
    let parent: Pointer = load!(dentry, dentry_parent as Pointer);
    if parent == dentry || before & 1 != 0 {
        return None;
    }
    let grants = in_directory(tag, head, &Place { dentry: parent, mount: place.mount }, dentry, sight)?;
    // Name and directory belong together if the entry was not renamed meanwhile.
    (load!(dentry, dentry_sequence as u32) == before).then_some(grants)
}

/// What the table grants on the name of `dentry` in this directory, if its state is remembered.
#[inline(always)]
pub(crate) fn in_directory(
    tag: Tag,
    head: Head,
    directory: &Place,
    dentry: Pointer,
    sight: &Sight,
) -> Option<Grants> {
    let inode: Pointer = load!(directory.dentry, dentry_inode as Pointer);
    let known = memory::entry(inode, tag.policy);
    if known.is_null() {
        return None;
    }
    let below = memory::below(known, directory, sight);
    if below == 0 {
        return None;
    }
    match Policy::find(head)? {
        Policy::Small(table) => name::grants(&table, below, dentry),
        Policy::Medium(table) => name::grants(&table, below, dentry),
        Policy::Large(table) => name::grants(&table, below, dentry),
    }
}

/// What is remembered of a program's file: the words `granted` and `groups` of a table.
#[inline(always)]
pub(crate) fn program(task: *mut task_struct, policy: u32, file: Pointer) -> Option<(u64, u64)> {
    let head = policy::word(policy);
    let known = memory::entry(load!(file, file_inode as Pointer), policy);
    if known.is_null() || head.mode() == Some(Mode::Learn) {
        return None;
    }
    memory::granted_to_program(known, &place_of(file), &Sight { task, key: head.word() })
}
