//! The root directory that a subject began with. Paths are told from there, wherever its processes move their own.

use core::hint::cold_path;

use aya_ebpf::bindings::{BPF_NOEXIST, task_struct};
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::Root;

use super::judge::ALLOW;
use super::kernel::{Pointer, address, current, load};
use super::label::Tag;
use super::maps::ROOTS;
use super::{facility, label, policy};

/// `path_chroot(path)`. What the root is until then is noted, once for each subject: none of its processes can have left it
/// before.
#[inline(always)]
pub(crate) fn change(before: i32) -> i32 {
    let answer = facility::hook(before, Hook::Chroot, Facility::Chroot);
    if answer != ALLOW {
        return answer;
    }
    let task = current();
    let (Some(subject), Some(tag)) = (label::subject(task), label::tag(task)) else { return ALLOW };
    if note(task, subject, tag) { ALLOW } else { facility::root_unknown() }
}

#[inline(always)]
fn note(task: *mut task_struct, subject: u64, tag: Tag) -> bool {
    let root = of_task(task);
    policy::root_changes(tag.policy);
    ROOTS.insert(subject, root, u64::from(BPF_NOEXIST)).is_ok() || noted(subject).is_some()
}

/// Whether a process of `subject`, judged by the policy in `slot`, may have another root than it began with.
///
/// To be asked after the root of a task was looked at: what is not noted by then was not left when that was done.
#[inline(always)]
pub(crate) fn was_left(subject: u64, slot: u32) -> bool {
    policy::may_have_left(policy::renames(), slot) && noted(subject).is_some()
}

#[inline(always)]
fn noted(subject: u64) -> Option<Root> {
    // SAFETY: what is noted is never changed, only removed with its subject.
    unsafe { ROOTS.get(subject) }.map(|root| Root { dentry: root.dentry, mount: root.mount })
}

/// The root from which `task` is shown paths: that of its subject.
#[inline(always)]
pub(crate) fn shown_to(task: *mut task_struct) -> Root {
    let own = of_task(task);
    if !policy::any_left(policy::renames()) {
        return own;
    }
    label::subject(task).and_then(noted).unwrap_or(own)
}

/// The directory entry of the root that `task` has. No call: where this is asked, there is no stack for one.
#[inline(always)]
pub(crate) fn entry_of(task: *mut task_struct) -> Pointer {
    let fs: Pointer = load!(task.cast(), task_fs as Pointer);
    load!(fs, fs_root_dentry as Pointer)
}

/// The same of the root that its subject began with, where `own` may be another.
#[inline(always)]
pub(crate) fn entry_begun_with(task: *mut task_struct, own: Pointer) -> Pointer {
    cold_path();
    let noted = noted_entry(task);
    if noted == 0 { own } else { noted as Pointer }
}

/// A function of its own: in each of the many places that ask, it would be verified once more.
#[inline(never)]
fn noted_entry(task: *mut task_struct) -> u64 {
    label::subject(task).and_then(noted).map_or(0, |root| root.dentry)
}

#[inline(always)]
fn of_task(task: *mut task_struct) -> Root {
    let fs: Pointer = load!(task.cast(), task_fs as Pointer);
    let dentry: Pointer = load!(fs, fs_root_dentry as Pointer);
    let mount: Pointer = load!(fs, fs_root_mount as Pointer);
    Root { dentry: address(dentry), mount: address(mount) }
}
