//! The root directory that a subject began with. Paths are told from there, wherever its processes move their own.

use aya_ebpf::bindings::{BPF_NOEXIST, task_struct};
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::Root;

use super::judge::ALLOW;
use super::kernel::{Pointer, address, current, load};
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
    match label::subject(task) {
        Some(subject) if !note(task, subject) => facility::root_unknown(),
        Some(_) | None => ALLOW,
    }
}

#[inline(always)]
fn note(task: *mut task_struct, subject: u64) -> bool {
    let root = of_task(task);
    policy::root_changes();
    ROOTS.insert(subject, root, u64::from(BPF_NOEXIST)).is_ok() || noted(subject).is_some()
}

/// The root that was noted of `subject`, which a process of it may have left.
///
/// To be asked after the root of a task was looked at: what is not noted by then was not left when that was done.
#[inline(always)]
pub(crate) fn of(subject: u64) -> Option<Root> {
    if policy::any_root_changed() { noted(subject) } else { None }
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
    if !policy::any_root_changed() {
        return own;
    }
    label::subject(task).and_then(noted).unwrap_or(own)
}

#[inline(always)]
fn of_task(task: *mut task_struct) -> Root {
    let fs: Pointer = load!(task.cast(), task_fs as Pointer);
    let dentry: Pointer = load!(fs, fs_root_dentry as Pointer);
    let mount: Pointer = load!(fs, fs_root_mount as Pointer);
    Root { dentry: address(dentry), mount: address(mount) }
}
