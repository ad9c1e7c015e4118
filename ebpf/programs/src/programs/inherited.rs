//! Open files that a process did not open itself: those it has from outside when its subject begins, and
//! those that another process sends it.
//!
//! Inside a subject, files go from process to process as they were judged when they were opened. What a
//! subject's first program was given is judged once, when it has started: what no rule grants is remembered
//! as refused, by the address of the open file, and the label says that there is something to look up. So
//! reading and writing cost next to nothing where nothing was refused.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, REFUSES, REFUSES_ALL};

use super::file::{FMODE_PATH, FMODE_READ, FMODE_WRITE, is_internal, judge_file, wanted};
use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, before, current, load, probe, probe_at, unknown};
use super::maps::REFUSED;
use super::memory::Sight;
use super::opened::only_appends;
use super::place::judge_place;
use super::rounds::{CONTINUE, STOP, rounds};
use super::{count, label, quick, special};

/// Descriptors that are looked at: as many as a process can have by default.
const DESCRIPTORS: u32 = 1 << 20;
/// What a file is about to be used for.
const MAY_WRITE: u32 = 0x2;
const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFSOCK: u32 = 0o140_000;

/// Flags that the label of `task` gets for the files that it has from outside. Its program has started: the
/// table of files is its own, and what is closed by starting a program is closed.
#[inline(always)]
pub(crate) fn judge_all(task: *mut task_struct) -> u32 {
    let files: Pointer = load!(task.cast(), task_files as Pointer);
    let table: Pointer = load!(files, files_table as Pointer);
    let size: u32 = load!(table, table_size as u32);
    let open: Pointer = load!(table, table_files as Pointer);
    let mut all = All { open, size, flags: 0 };
    rounds(DESCRIPTORS, &mut all, judge_one);
    if size > DESCRIPTORS { all.flags | REFUSES_ALL } else { all.flags }
}

/// A table of open files.
#[repr(C)]
struct All {
    open: Pointer,
    size: u32,
    flags: u32,
}

extern "C" fn judge_one(descriptor: u32, all: &mut All) -> i64 {
    if descriptor >= all.size {
        return STOP;
    }
    let at = descriptor as usize * size_of::<Pointer>();
    let Some(file) = probe_at::<Pointer>(all.open, at) else {
        all.flags |= REFUSES_ALL;
        return STOP;
    };
    if file.is_null() || is_harmless(file) {
        return CONTINUE;
    }
    let mode = probe!(file, file_mode as u32).unwrap_or(FMODE_READ | FMODE_WRITE);
    let flags = probe!(file, file_flags as u32).unwrap_or(0);
    let mut access = if mode & FMODE_READ != 0 { access::READ } else { 0 };
    if mode & FMODE_WRITE != 0 {
        access |= if flags & super::file::O_APPEND != 0 { access::APPEND } else { access::WRITE };
    }
    // Where its output goes is for whoever starts it to say.
    let is_output = (descriptor == 1 || descriptor == 2) && access & access::READ == 0;
    if access == 0 || is_output {
        return CONTINUE;
    }
    let (dentry, mount) = (
        probe!(file, file_dentry as Pointer).unwrap_or(core::ptr::null_mut()),
        probe!(file, file_mount as Pointer).unwrap_or(core::ptr::null_mut()),
    );
    let answer = match judge_place(dentry, mount, access) {
        ALLOW => label::tag(current()).map_or(ALLOW, |tag| special::judge_unknown(tag, file, access)),
        denied => denied,
    };
    if answer != ALLOW {
        let inode = probe!(file, file_inode as u64).unwrap_or(0);
        let marked = REFUSED.insert(file as u64, inode, 0).is_ok();
        all.flags |= if marked { REFUSES } else { REFUSES_ALL };
    }
    CONTINUE
}

/// Whether an open file gives no access to what has a name: a pipe, a socket, memory, an object of the
/// kernel's, a terminal, or `/dev/null` and its like.
#[inline(always)]
fn is_harmless(file: Pointer) -> bool {
    let Some(mount) = probe!(file, file_mount as Pointer) else { return false };
    if is_internal(mount) {
        return true;
    }
    let Some(inode) = probe!(file, file_inode as Pointer) else { return false };
    match probe!(inode, inode_mode as u16).map(|mode| u32::from(mode) & S_IFMT) {
        Some(S_IFIFO | S_IFSOCK) => true,
        Some(S_IFCHR) => probe!(inode, inode_device as u32).is_some_and(is_harmless_device),
        Some(_) | None => false,
    }
}

/// By the numbers that the kernel gives devices for good.
#[inline(always)]
pub(crate) fn is_harmless_device(device: u32) -> bool {
    let (major, minor) = (device >> 20, device & 0xf_ffff);
    match major {
        // null, zero, full, random, urandom
        1 => matches!(minor, 3 | 5 | 7..=9),
        // Terminals.
        4 | 5 | 136..=143 => true,
        0 | 2..=3 | 6..=135 | 144.. => false,
    }
}

/// Whether the use of `file` was refused when the subject began.
#[inline(always)]
pub(crate) fn is_refused(flags: u32, file: Pointer) -> bool {
    if flags & (REFUSES | REFUSES_ALL) == 0 {
        return false;
    }
    // Opened by the program that runs: since it was started, or by a thread of it.
    if load!(file, file_cred as Pointer) == load!(current().cast(), task_cred as Pointer) {
        return false;
    }
    if flags & REFUSES_ALL != 0 {
        return !is_harmless(file);
    }
    // SAFETY: the copy is short; an entry is written once.
    let inode = unsafe { REFUSED.get(file as u64) };
    // Another file may stand at the address by now.
    inode.is_some_and(|inode| *inode == load!(file, file_inode as u64))
}

/// `file_permission(file, mask)`.
#[inline(always)]
pub(crate) fn permission(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Permission);
    if before != 0 {
        return before;
    }
    let Some(tag) = label::tag(current()) else { return ALLOW };
    if tag.flags & (CANARY | REFUSES | REFUSES_ALL) == 0 {
        return ALLOW;
    }
    let file: Pointer = ctx.arg(0);
    if tag.flags & CANARY != 0 {
        // Its pipes are how it reports, and the kernel reads the programs that it tries to start.
        let mask: u32 = ctx.arg(1);
        if mask & MAY_WRITE == 0 || is_harmless(file) {
            return ALLOW;
        }
        count::canary(Hook::Permission);
        return DENY;
    }
    if is_refused(tag.flags, file) { DENY } else { ALLOW }
}

/// `file_receive(file)`: over a socket, by `pidfd_getfd`, or from a supervisor. It is as if opened.
#[inline(always)]
pub(crate) fn receive(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Receive);
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Receive);
        return DENY;
    }
    let file: Pointer = ctx.arg(0);
    let mode: u32 = load!(file, file_mode as u32);
    // What a descriptor without access is used for is judged then.
    if mode & FMODE_PATH != 0 || is_harmless(file) {
        return ALLOW;
    }
    let mut access = wanted(load!(file, file_flags as u32), || mode);
    if only_appends(file) {
        access |= access::APPEND;
    }
    let access = unknown(access);
    // Before anything is remembered of it, by which it could be opened again.
    let answer = special::judge(tag, file, access);
    if answer != ALLOW {
        return answer;
    }
    let wanted = || access;
    if quick::remembered(tag, file, wanted, || Sight::of_policy(task, tag.policy))
        || quick::unremembered(task, tag, file, wanted, || true)
    {
        return ALLOW;
    }
    judge_file(task, file, access)
}
