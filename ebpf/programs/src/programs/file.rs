//! Opening files, and mapping them executable.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, REFUSES, REFUSES_ALL};
use stockade_abi::reason::{Operation, Reason};

use super::inherited::is_refused;
use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{
    Pointer, address, before, current, from_end, is_tracing, load, offset, probe, probe_at, unknown,
};
use super::label::{self, Tag};
use super::memory::Sight;
use super::opened::only_appends;
use super::{count, facility, path, policy, quick, scratch, special};

const O_ACCMODE: u32 = 0o3;
const O_RDONLY: u32 = 0o0;
const O_WRONLY: u32 = 0o1;
const O_TRUNC: u32 = 0o1000;
pub(crate) const O_APPEND: u32 = 0o2000;
/// Set by the kernel alone, on the files of a program that is being started.
const FMODE_EXEC: u32 = 0x20;
/// Open for reading.
pub(crate) const FMODE_READ: u32 = 0x1;
/// Open for nothing but its place.
pub(crate) const FMODE_PATH: u32 = 1 << 14;
/// Open for writing, in whatever way.
pub(crate) const FMODE_WRITE: u32 = 0x2;
/// The name was made by this open.
const FMODE_CREATED: u32 = 1 << 20;
/// The kernel's own file below an overlay file: the user's open was judged already.
const FMODE_NOACCOUNT: u32 = 1 << 29;
/// `s_flags` of a file system that has no place in any directory tree.
pub(crate) const SB_KERNMOUNT: u64 = 1 << 22;
/// `s_magic` of pipes.
const PIPEFS: u64 = 0x5049_5045;
/// `s_magic` of descriptors of processes.
const PIDFS: u64 = 0x5049_4446;
/// Namespace of mounts that no process can reach: `ERR_PTR(-EINVAL)`.
const MNT_NS_INTERNAL: u64 = -22i64 as u64;
const PROT_READ: u64 = 1;
pub(crate) const PROT_WRITE: u64 = 2;
pub(crate) const PROT_EXEC: u64 = 4;
/// A personality: what can be read can be executed.
const READ_IMPLIES_EXEC: u32 = 0x040_0000;
/// The mapping is of no file.
const MAP_ANONYMOUS: u64 = 0x20;
/// What is written into the mapping goes into the file.
const MAP_SHARED: u64 = 1;

/// `file_open(file)`.
#[inline(always)]
pub(crate) fn file_open(ctx: &LsmContext) -> i32 {
    // What the programs before this one answered: it is given back wherever nothing is denied, and looked at
    // only where something may be.
    let before = || before!(ctx, FileOpen);
    let task = current();
    let Some(tag) = label::tag(task) else { return before() };
    let file: Pointer = ctx.arg(0);
    if quick::remembered(tag, file, || wanted_of(file), || Sight::at_a_glance(task, tag.policy)) {
        return before();
    }
    open_unremembered(task, file, before(), tag.policy, tag.flags)
}

/// A program of its own, so that the way of most opens needs no stack.
#[inline(never)]
fn open_unremembered(task: *mut task_struct, file: Pointer, before: i32, policy: u32, flags: u32) -> i32 {
    let tag = Tag { policy, flags };
    let settled = || load!(file, file_mode as u32) & FMODE_CREATED == 0;
    // The exec hook judges a program and its interpreter; the ELF loader is judged when it is mapped.
    if before != 0 || load!(file, file_flags as u32) & FMODE_EXEC != 0 {
        return before;
    }
    // The root that a subject has left was not looked for at a glance.
    let sight = || Sight::of_policy(task, policy);
    if policy::may_have_left(policy::renames(), policy)
        && quick::remembered(tag, file, || wanted_of(file), sight)
    {
        return ALLOW;
    }
    if tag.flags & CANARY == 0 {
        let answer = special::judge(tag, file, wanted_of(file));
        if answer != ALLOW {
            return answer;
        }
    }
    if quick::unremembered(task, tag, file, || wanted_of(file), settled) {
        return ALLOW;
    }
    if load!(file, file_mode as u32) & FMODE_NOACCOUNT != 0 {
        return ALLOW;
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::FileOpen);
        return DENY;
    }
    if is_below_user_view(file) || is_nameless(file) {
        return ALLOW;
    }
    judge_file(task, file, wanted_of(file))
}

/// `mmap_file(file, reqprot, prot, flags)`; `reqprot` is what the hook alone gets.
#[inline(always)]
pub(crate) fn mmap_file(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, MmapFile);
    if before != 0 {
        return before;
    }
    let (prot, flags) = (from_end!(ctx, MmapFile, 2) as u64, from_end!(ctx, MmapFile, 1) as u64);
    let executable = prot & PROT_EXEC != 0 || is_tracing() && reads_as_code(prot);
    let writes = prot & PROT_WRITE != 0 && flags & MAP_SHARED != 0;
    if !executable && flags & MAP_ANONYMOUS != 0 {
        return ALLOW;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if !executable && !writes && tag.flags & (REFUSES | REFUSES_ALL) == 0 {
        return ALLOW;
    }
    let file: Pointer = ctx.arg(0);
    // 6.12 believes that there always is a file: it takes a comparison of the pointer itself for dead code, and
    // a load through it for one that cannot fault.
    if address(file) == 0 {
        return if executable { anonymous_code(tag) } else { ALLOW };
    }
    if is_refused(tag.flags, file) {
        return DENY;
    }
    if !executable && !writes {
        return ALLOW;
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::MmapFile);
        return DENY;
    }
    let mut access = 0;
    if executable && !is_own_program(task.cast(), file) {
        access |= access::MAP;
    }
    // Through a mapping a file opened for appending can be written anywhere.
    if writes && only_appends(file) {
        access |= access::WRITE;
    }
    if access == 0 {
        return ALLOW;
    }
    let access = unknown(access);
    let wanted = || access;
    if quick::remembered(tag, file, wanted, || Sight::of_policy(task, tag.policy))
        || quick::unremembered(task, tag, file, wanted, || true)
    {
        return ALLOW;
    }
    judge_file(task, file, access)
}

/// Whether the kernel is about to make executable what is to be readable: it has done so before it calls the hook,
/// and not yet when it calls the function before.
#[inline(always)]
fn reads_as_code(prot: u64) -> bool {
    prot & PROT_READ != 0 && load!(current().cast(), task_personality as u32) & READ_IMPLIES_EXEC != 0
}

/// Anonymous memory made executable, which is how just-in-time compilers work.
#[inline(always)]
pub(crate) fn anonymous_code(tag: Tag) -> i32 {
    // The canary has no policy to ask.
    if tag.flags & CANARY != 0 { ALLOW } else { facility::judge(tag, Facility::Jit) }
}

/// The long way: by the whole path, which is then remembered.
#[inline(always)]
pub(crate) fn judge_file(task: *mut task_struct, file: Pointer, access: AccessSet) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    // Before the path is looked at: what was found under an older count is not remembered.
    let (head, renames) = (policy::head(label.policy), policy::renames());
    let standing = path::standing(file);
    let answer = standing.judge();
    if answer != ALLOW {
        return answer;
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy);
    };
    let found = path::of_file(task, file, head, renames, standing, &label, slot);
    let question = Question { operation: Operation::File, access, object: found.object(access, slot) };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    path::learn(file, label.policy, &found, &judged);
    judged.answer
}

/// The accesses that opening `file` asks for.
#[inline(always)]
fn wanted_of(file: Pointer) -> AccessSet {
    wanted(load!(file, file_flags as u32), || load!(file, file_mode as u32))
}

/// The accesses that an open asks for. That it makes a name is judged before, by the hook for that,
/// except for a file without a name.
#[inline(always)]
pub(crate) fn wanted(flags: u32, mode: impl Fn() -> u32) -> AccessSet {
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
    is_internal(load!(file, file_mount as Pointer))
}

/// Whether the kernel has this mount for itself, in no namespace.
#[inline(always)]
pub(crate) fn is_internal(mount: Pointer) -> bool {
    let mount = mount.wrapping_byte_sub(offset!(mount_mnt));
    probe_at::<u64>(mount, offset!(mount_ns)) == Some(MNT_NS_INTERNAL)
}

/// Whether this is nothing with a place: a pipe opened once more through procfs, which the process can reach
/// already, or a descriptor of a process, which newer kernels open as a file of its own.
#[inline(always)]
fn is_nameless(file: Pointer) -> bool {
    let magic: u64 = load!(path::super_block(file), sb_magic as u64);
    magic == PIPEFS || magic == PIDFS
}

/// Whether `file` is the program that runs: the exec hook has judged it.
#[inline(always)]
fn is_own_program(task: Pointer, file: Pointer) -> bool {
    is_inode_of_own_program(task, load!(file, file_inode as Pointer))
}

/// The same by a directory entry, which the verifier need not know.
#[inline(always)]
pub(crate) fn is_of_own_program(task: Pointer, dentry: Pointer) -> bool {
    probe!(dentry, dentry_inode as Pointer).is_some_and(|inode| is_inode_of_own_program(task, inode))
}

#[inline(always)]
fn is_inode_of_own_program(task: Pointer, inode: Pointer) -> bool {
    let mm: Pointer = load!(task, task_mm as Pointer);
    if mm.is_null() {
        return false;
    }
    let program: Pointer = load!(mm, mm_exe_file as Pointer);
    if program.is_null() {
        return false;
    }
    let own: Pointer = load!(program, file_inode as Pointer);
    own == inode
}
