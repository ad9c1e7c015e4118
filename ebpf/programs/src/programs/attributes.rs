//! Changing what a file carries besides its content: times, extended attributes, access control lists. Mode and
//! owner have hooks that tell a path, see [`super::names`].

use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::file::SB_KERNMOUNT;
use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, current, load, probe_at};
use super::names::NEVER;
use super::place::judge_place;
use super::{count, label, mounts};

/// What names of attributes begin with that the kernel or an overlay acts upon.
const SECURITY: &[u8] = b"security.";
const OVERLAY: &[u8] = b"trusted.overlay.";
/// `ia_valid` of a change that somebody asked times for: other changes only bring them along.
const TIMES: u32 = 1 << 7 | 1 << 8 | 1 << 16 | 1 << 17;

/// `inode_setxattr(…, dentry, name, …)` and `inode_removexattr(…, dentry, name)`.
#[inline(always)]
pub(crate) fn xattr(before: i32, hook: Hook, dentry: Pointer, name: Pointer) -> i32 {
    let trusted = || match probe_at::<[u8; 16]>(name, 0) {
        Some(name) => begins(&name, SECURITY) || begins(&name, OVERLAY),
        None => true,
    };
    judge(before, hook, dentry, || if trusted() { access::ATTR | NEVER } else { access::ATTR })
}

#[inline(always)]
fn begins(name: &[u8; 16], with: &[u8]) -> bool {
    let mut index = 0;
    while index < with.len() {
        if name[index] != with[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// `inode_set_acl(…, dentry, …)` and `inode_remove_acl(…, dentry, …)`.
#[inline(always)]
pub(crate) fn acl(before: i32, hook: Hook, dentry: Pointer) -> i32 {
    judge(before, hook, dentry, || access::ATTR)
}

/// `inode_setattr(…, dentry, attributes)`.
#[inline(always)]
pub(crate) fn times(before: i32, dentry: Pointer, attributes: Pointer) -> i32 {
    if load!(attributes, iattr_valid as u32) & TIMES == 0 {
        return before;
    }
    judge(before, Hook::Setattr, dentry, || access::ATTR)
}

/// Judges by the path at which the process sees the file.
#[inline(always)]
fn judge(before: i32, hook: Hook, dentry: Pointer, access: impl Fn() -> u32) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    // An overlay that copies a file up does so with the credentials of who mounted it.
    if load!(task.cast(), task_cred as Pointer) != load!(task.cast(), task_real_cred as Pointer) {
        return ALLOW;
    }
    let sb: Pointer = load!(dentry, dentry_sb as Pointer);
    // Memory, pipes and the like have no place.
    if load!(sb, sb_flags as u64) & SB_KERNMOUNT != 0 {
        return ALLOW;
    }
    judge_place(dentry, mounts::showing(mounts::namespace_of(task), dentry), access())
}
