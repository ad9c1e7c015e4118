//! What no rule grants: device controls that reach out of the container.

use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, current};
use super::names::NEVER;
use super::place::{judge_place, of_user};
use super::{count, label};

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
