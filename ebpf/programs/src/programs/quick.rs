//! The short way to "allowed": from memory, or from the directory's state and the file's name. Whatever
//! is not plainly allowed here takes the long way.
//!
//! What most opens run is what stands here: nothing is worked out before it is needed, and nothing is kept
//! over a call that can be loaded again for less.

use aya_ebpf::bindings::task_struct;
use stockade_abi::head::Head;

use super::kernel::{Pointer, load};
use super::label::Tag;
use super::memory::{self, Lesson, Place, Sight, View};
use super::name;
use super::policy::{self, Grants, Policy, side};
use super::reported::{self, is_learning};
use super::special;

/// Whether everything that is wanted of the file is remembered as granted.
#[inline(always)]
pub(crate) fn remembered(
    tag: Tag,
    file: Pointer,
    wanted: impl Fn() -> u32,
    sight: impl Fn() -> Sight,
) -> bool {
    let known = memory::entry(load!(file, file_inode as Pointer), tag.policy);
    if known.is_null() {
        return false;
    }
    let granted = memory::granted(known, &place_of(file), &sight());
    granted.is_some_and(|granted| wanted() & !side(granted, tag.flags) == 0)
}

/// The same of what is not remembered, or not as much of it. `settled`: the file was there before.
#[inline(always)]
pub(crate) fn unremembered(
    task: *mut task_struct,
    tag: Tag,
    file: Pointer,
    wanted: impl Fn() -> u32,
    settled: impl Fn() -> bool,
) -> bool {
    let head = policy::word(tag.policy);
    let place = place_of(file);
    if is_learning(head) {
        return reported::file(task, tag, file, wanted(), settled());
    }
    let renames = policy::renames();
    if load!(place.dentry, dentry_hashed as u64) == 0 {
        return false;
    }
    let sight = Sight::of(task, tag.policy, head, 0);
    let named = |directory: &Place| in_directory(tag, head, directory, place.dentry, &sight);
    let Some(grants) = in_its_directory(&place, named) else { return false };
    if wanted() & !side(grants.granted, tag.flags) != 0 {
        return false;
    }
    let inode: Pointer = load!(file, file_inode as Pointer);
    if settled() && memory::comes_again(inode) {
        let name = memory::name_of(place.dentry);
        let view = View::of(&sight, renames);
        let granted = special::memorable(file, grants.granted);
        let lesson = Lesson::File { name, granted, groups: grants.groups };
        memory::remember(inode, tag.policy, &place, &view, lesson);
    }
    true
}

#[inline(always)]
pub(crate) fn place_of(file: Pointer) -> Place {
    Place { dentry: load!(file, file_dentry as Pointer), mount: load!(file, file_mount as Pointer) }
}

/// What `find` finds in the directory of an entry, if the entry has stayed in it meanwhile.
#[inline(always)]
pub(crate) fn in_its_directory<T>(place: &Place, find: impl Fn(&Place) -> Option<T>) -> Option<T> {
    let dentry = place.dentry;
    // Of what is the root of its mount, the directory is outside of that mount, and never remembered on it.
    let before: u32 = load!(dentry, dentry_sequence as u32);
    let parent: Pointer = load!(dentry, dentry_parent as Pointer);
    if parent == dentry || before & 1 != 0 {
        return None;
    }
    let found = find(&Place { dentry: parent, mount: place.mount })?;
    // Name and directory belong together if the entry was not renamed meanwhile.
    (load!(dentry, dentry_sequence as u32) == before).then_some(found)
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
    let below = below(tag, directory, sight)? as u32;
    match Policy::find(head)? {
        Policy::Small(table) => name::grants(&table, below, dentry),
        Policy::Medium(table) => name::grants(&table, below, dentry),
        Policy::Large(table) => name::grants(&table, below, dentry),
    }
}

/// How names in this directory begin, if that is remembered.
#[inline(always)]
pub(crate) fn below(tag: Tag, directory: &Place, sight: &Sight) -> Option<u64> {
    let known = memory::entry(load!(directory.dentry, dentry_inode as Pointer), tag.policy);
    if known.is_null() {
        return None;
    }
    let below = memory::below(known, directory, sight);
    (below != 0).then_some(below)
}

/// What is remembered of a program's file: the words `granted` and `groups` of a table.
#[inline(always)]
pub(crate) fn program(task: *mut task_struct, policy: u32, file: Pointer) -> Option<(u64, u64)> {
    let head = policy::word(policy);
    let known = memory::entry(load!(file, file_inode as Pointer), policy);
    if known.is_null() || is_learning(head) {
        return None;
    }
    memory::granted_to_program(known, &place_of(file), &Sight::of(task, policy, head, 0))
}
