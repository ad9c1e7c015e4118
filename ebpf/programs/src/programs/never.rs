//! What no rule grants: extended attributes that the kernel trusts, and device controls that reach out of
//! the container.

use aya_ebpf::bindings::task_struct;
use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, current, load, offset, probe, probe_at};
use super::names::NEVER;
use super::place::{judge_place, of_user};
use super::rounds::{CONTINUE, STOP, rounds};
use super::{count, label};

/// What names of attributes begin with that the kernel or an overlay acts upon.
const SECURITY: &[u8] = b"security.";
const OVERLAY: &[u8] = b"trusted.overlay.";

/// Puts a byte into a terminal as if it was typed.
const TIOCSTI: u32 = 0x5412;
/// The same, on a console, by selecting and pasting.
const TIOCLINUX: u32 = 0x541c;
/// Flags of a file such as immutable, in all forms.
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;
/// Loop devices, and their control.
const LOOP_FIRST: u32 = 0x4c00;
const LOOP_LAST: u32 = 0x4c0a;
const LOOP_CTL_FIRST: u32 = 0x4c80;
const LOOP_CTL_LAST: u32 = 0x4c82;
/// Makes a network device.
const TUNSETIFF: u32 = 0x4004_54ca;

/// `inode_setxattr(…, dentry, name, …)` and `inode_removexattr(…, dentry, name)`.
#[inline(always)]
pub(crate) fn xattr(before: i32, hook: Hook, dentry: Pointer, name: Pointer) -> i32 {
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
    let trusted = match probe_at::<[u8; 16]>(name, 0) {
        Some(name) => begins(&name, SECURITY) || begins(&name, OVERLAY),
        None => true,
    };
    if !trusted {
        return ALLOW;
    }
    judge_place(dentry, likely_mount(task, dentry), access::ATTR | NEVER)
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

/// A mount by which the file may have been reached: for the event alone, as the answer does not depend on the
/// path. Null when none is found.
#[inline(always)]
fn likely_mount(task: *mut task_struct, dentry: Pointer) -> Pointer {
    let proxy: Pointer = load!(task.cast(), task_nsproxy as Pointer);
    let namespace: Pointer = load!(proxy, nsproxy_mounts as Pointer);
    let nothing = core::ptr::null_mut();
    if offset!(sb_mounts) == 0 {
        return nothing;
    }
    let sb: Pointer = load!(dentry, dentry_sb as Pointer);
    let at = probe!(sb, sb_mounts as Pointer).unwrap_or(nothing);
    let mut search = Search { at, namespace, found: nothing };
    rounds(MOUNTS, &mut search, look);
    search.found
}

/// Mounts of one file system that are looked at.
const MOUNTS: u32 = 64;

/// A walk through the mounts of a file system, each of which leads to the next.
#[repr(C)]
struct Search {
    at: Pointer,
    namespace: Pointer,
    found: Pointer,
}

extern "C" fn look(_round: u32, search: &mut Search) -> i64 {
    let mount = search.at.wrapping_byte_sub(offset!(mount_instance));
    if probe!(mount, mount_ns as Pointer) == Some(search.namespace) {
        search.found = mount.wrapping_byte_add(offset!(mount_mnt));
        return STOP;
    }
    match probe!(mount, mount_instance as Pointer) {
        Some(next) => {
            search.at = next;
            CONTINUE
        }
        None => STOP,
    }
}

/// `file_ioctl(file, cmd, arg)` and `file_ioctl_compat`.
#[inline(always)]
pub(crate) fn ioctl(before: i32, hook: Hook, file: Pointer, command: u32) -> i32 {
    if before != 0 {
        return before;
    }
    let access = if matches!(command, FS_IOC_SETFLAGS | FS_IOC32_SETFLAGS | FS_IOC_FSSETXATTR) {
        access::ATTR
    } else if is_device_control(command) {
        access::WRITE
    } else {
        return ALLOW;
    };
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    let place = of_user(file);
    judge_place(place.dentry, place.mount, access | NEVER)
}

#[inline(always)]
fn is_device_control(command: u32) -> bool {
    matches!(
        command,
        TIOCSTI
            | TIOCLINUX
            | TUNSETIFF
            | LOOP_FIRST..=LOOP_LAST
            | LOOP_CTL_FIRST..=LOOP_CTL_LAST
    )
}
