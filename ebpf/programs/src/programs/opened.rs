//! What is done with files that are open already, beyond what was asked for when they were opened.

use aya_ebpf::programs::LsmContext;
use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::file::{FMODE_WRITE, O_APPEND, PROT_EXEC, PROT_WRITE, anonymous_code, is_of_own_program};
use super::inherited::is_refused;
use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, before, current, load, probe};
use super::place::{judge_place, of_user};
use super::{count, label};

/// The command of fcntl that sets a file's flags.
const F_SETFL: u32 = 4;
/// `vm_flags`.
const VM_WRITE: u64 = 0x2;
const VM_EXEC: u64 = 0x4;
const VM_SHARED: u64 = 0x8;

/// Whether what may be written to `file` by its opening is only appended.
#[inline(always)]
pub(crate) fn only_appends(file: Pointer) -> bool {
    load!(file, file_flags as u32) & O_APPEND != 0 && load!(file, file_mode as u32) & FMODE_WRITE != 0
}

/// `file_truncate(file)`: what was opened for writing was judged for that; what was opened for appending was
/// not.
#[inline(always)]
pub(crate) fn truncate(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Ftruncate);
    if before != 0 {
        return before;
    }
    overwrite(Hook::Ftruncate, ctx.arg(0))
}

/// `file_fcntl(file, cmd, arg)`: without `O_APPEND`, a file opened for appending can be written anywhere.
#[inline(always)]
pub(crate) fn fcntl(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Fcntl);
    if before != 0 {
        return before;
    }
    let (command, flags): (u32, u64) = (ctx.arg(1), ctx.arg(2));
    if command != F_SETFL || flags as u32 & O_APPEND != 0 {
        return ALLOW;
    }
    overwrite(Hook::Fcntl, ctx.arg(0))
}

#[inline(always)]
fn overwrite(hook: Hook, file: Pointer) -> i32 {
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    if is_refused(tag.flags, file) {
        return DENY;
    }
    if !only_appends(file) {
        return ALLOW;
    }
    let (dentry, mount) = (load!(file, file_dentry as Pointer), load!(file, file_mount as Pointer));
    judge_place(dentry, mount, access::WRITE)
}

/// `file_mprotect(vma, reqprot, prot)`.
#[inline(always)]
pub(crate) fn mprotect(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Mprotect);
    if before != 0 {
        return before;
    }
    let prot: u64 = ctx.arg(2);
    if prot & (PROT_EXEC | PROT_WRITE) == 0 {
        return ALLOW;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    let vma: Pointer = ctx.arg(0);
    let file: Pointer = load!(vma, vma_file as Pointer);
    if file.is_null() {
        return if prot & PROT_EXEC != 0 { anonymous_code(tag) } else { ALLOW };
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Mprotect);
        return DENY;
    }
    // What cannot be read is judged, and then has no path.
    let Some(flags) = probe!(vma, vma_flags as u64) else {
        return judge_place(core::ptr::null_mut(), core::ptr::null_mut(), access::MAP);
    };
    let mut access = 0;
    if prot & PROT_EXEC != 0 && flags & VM_EXEC == 0 {
        access |= access::MAP;
    }
    if prot & PROT_WRITE != 0 && flags & (VM_WRITE | VM_SHARED) == VM_SHARED && only_appends(file) {
        access |= access::WRITE;
    }
    if access == 0 {
        return ALLOW;
    }
    let place = of_user(file);
    if access == access::MAP && is_of_own_program(task.cast(), place.dentry) {
        return ALLOW;
    }
    judge_place(place.dentry, place.mount, access)
}
