//! Opening files, and mapping them executable.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Operation, Reason};

use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, current, load, offset, probe_at};
use super::{count, label, path, policy, quick, scratch};

const O_ACCMODE: u32 = 0o3;
const O_RDONLY: u32 = 0o0;
const O_WRONLY: u32 = 0o1;
const O_TRUNC: u32 = 0o1000;
const O_APPEND: u32 = 0o2000;
/// Set by the kernel alone, on the files of a program that is being started.
const FMODE_EXEC: u32 = 0x20;
/// The name was made by this open.
const FMODE_CREATED: u32 = 1 << 20;
/// The kernel's own file below an overlay file: the user's open was judged already.
const FMODE_NOACCOUNT: u32 = 1 << 29;
/// `s_flags` of a file system that has no place in any directory tree.
const SB_KERNMOUNT: u64 = 1 << 22;
/// `s_magic` of pipes.
const PIPEFS: u64 = 0x5049_5045;
/// Namespace of mounts that no process can reach: `ERR_PTR(-EINVAL)`.
const MNT_NS_INTERNAL: u64 = -22i64 as u64;
const PROT_EXEC: u64 = 4;

/// `file_open(file)`.
#[inline(always)]
pub(crate) fn file_open(ctx: &LsmContext) -> i32 {
    let before: i32 = ctx.arg(1);
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    let file: Pointer = ctx.arg(0);
    let flags = || -> u32 { load!(file, file_flags as u32) };
    let mode = || -> u32 { load!(file, file_mode as u32) };
    let settled = || mode() & FMODE_CREATED == 0;
    let starts = || flags() & FMODE_EXEC != 0;
    if quick::file(task, tag, file, || wanted(flags(), mode), settled, starts) {
        return ALLOW;
    }
    // The exec hook judges a program and its interpreter; the ELF loader is judged when it is mapped.
    if starts() || mode() & FMODE_NOACCOUNT != 0 {
        return ALLOW;
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::FileOpen);
        return DENY;
    }
    if is_below_user_view(file) || is_pipe(file) {
        return ALLOW;
    }
    judge_file(task, file, wanted(flags(), mode))
}

/// `mmap_file(file, reqprot, prot, flags)`.
#[inline(always)]
pub(crate) fn mmap_file(ctx: &LsmContext) -> i32 {
    let before: i32 = ctx.arg(4);
    if before != 0 {
        return before;
    }
    let prot: u64 = ctx.arg(2);
    if prot & PROT_EXEC == 0 {
        return ALLOW;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::MmapFile);
        return DENY;
    }
    let file: Pointer = ctx.arg(0);
    // Anonymous memory made executable is how just-in-time compilers work.
    if file.is_null() || is_own_program(task.cast(), file) {
        return ALLOW;
    }
    if quick::file(task, tag, file, || access::MAP, || true, || false) {
        return ALLOW;
    }
    judge_file(task, file, access::MAP)
}

/// The long way: by the whole path, which is then remembered.
#[inline(always)]
fn judge_file(task: *mut task_struct, file: Pointer, access: AccessSet) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy);
    };
    let (head, renames) = policy::head_and_renames(label.policy);
    let found = path::of_file(task, file, head, renames, label.subject, slot);
    let question = Question { operation: Operation::File, access, object: found.object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    path::learn(file, label.policy, &found, &judged);
    judged.answer
}

/// The accesses that an open asks for. That it makes a name is judged before, by the hook for that,
/// except for a file without a name.
#[inline(always)]
fn wanted(flags: u32, mode: impl Fn() -> u32) -> AccessSet {
    // Most opens.
    if flags & (O_ACCMODE | O_TRUNC) == O_RDONLY {
        return access::READ;
    }
    let mut access = match flags & O_ACCMODE {
        O_RDONLY => access::READ,
        O_WRONLY => 0,
        // Reading and writing, or neither: what is then left is ioctl, which can do both.
        2.. => access::READ,
    };
    if flags & O_ACCMODE != O_RDONLY {
        access |= if flags & O_APPEND != 0 { access::APPEND } else { access::WRITE };
    }
    if flags & O_TRUNC != 0 && mode() & FMODE_CREATED == 0 {
        access |= access::WRITE;
    }
    access
}

/// Whether this is the kernel opening, for an overlay, the file behind one that the user opened.
#[inline(always)]
fn is_below_user_view(file: Pointer) -> bool {
    let sb = path::super_block(file);
    if load!(sb, sb_flags as u64) & SB_KERNMOUNT != 0 {
        return false;
    }
    let mount: Pointer = load!(file, file_mount as Pointer);
    let container = mount.wrapping_byte_sub(offset!(mount_mnt));
    probe_at::<u64>(container, offset!(mount_ns)) == Some(MNT_NS_INTERNAL)
}

/// Whether a pipe is opened once more through procfs: something the process can reach already, and that
/// has no name to be judged by.
#[inline(always)]
fn is_pipe(file: Pointer) -> bool {
    load!(path::super_block(file), sb_magic as u64) == PIPEFS
}

/// Whether `file` is the program that runs: the exec hook has judged it.
#[inline(always)]
fn is_own_program(task: Pointer, file: Pointer) -> bool {
    let mm: Pointer = load!(task, task_mm as Pointer);
    if mm.is_null() {
        return false;
    }
    let program: Pointer = load!(mm, mm_exe_file as Pointer);
    if program.is_null() {
        return false;
    }
    let own: Pointer = load!(program, file_inode as Pointer);
    let mapped: Pointer = load!(file, file_inode as Pointer);
    own == mapped
}
