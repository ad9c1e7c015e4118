//! The canonical path of an open file, as its container sees it.

use aya_ebpf::bindings::{path, task_struct};
use aya_ebpf::helpers::generated::bpf_d_path;
use stockade_abi::access::{AccessSet, CHANGES};
use stockade_abi::head::Head;
use stockade_abi::label::Label;
use stockade_abi::object::View as Prefix;
use stockade_abi::offsets::UPID_SIZE;
use stockade_abi::reason::Reason;

use super::judge::Judged;
use super::kernel::{Pointer, address, current, is_tracing, load, offset, part, probe, probe_at};
use super::memory::{self, Lesson, Place, Sight, View, remember};
use super::policy::Object;
use super::quick::place_of;
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{self, OBJECT_SIZE, Scratch, byte_at};
use super::standing::Standing;
use super::{dpath, root, special};

/// `s_magic` of procfs.
pub(crate) const PROC: u64 = 0x9fa0;
/// `i_mode` of a directory.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
pub(crate) const ENAMETOOLONG: i64 = -36;

/// A path, and what of it can be remembered.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) object: Object,
    view: View,
    /// The directory that the entry was in, and the hash of its name, when the path was read.
    parent: Pointer,
    name: u64,
    /// Whether it is the agent's own.
    guarded: bool,
    /// Whether what is decided by the path stays true until something is counted.
    steady: bool,
    /// Whether the last component is the entry's name, so that what is before it is the directory's path.
    in_parent: bool,
}

impl Found {
    /// The object, as what asks for `access` finds it: what is the agent's own is there to be read.
    #[inline(always)]
    pub(crate) fn object(&self, access: AccessSet, scratch: *mut Scratch) -> Object {
        let refused = self.guarded && access & CHANGES != 0;
        let problem = if refused { Reason::Guarded as u32 } else { self.object.problem };
        Object { problem: scratch::plain(scratch, problem), ..self.object }
    }
}

/// Finds the path of `file` and leaves it in the buffer.
#[inline(always)]
pub(crate) fn of_file(
    task: *mut task_struct,
    file: Pointer,
    head: Head,
    renames: u64,
    standing: Standing,
    label: &Label,
    scratch: *mut Scratch,
) -> Found {
    let mut found = find(task, file, head, renames, standing, label, scratch);
    // How it went must not be followed through all that comes after.
    found.object.problem = scratch::plain(scratch, found.object.problem);
    found.object.len = scratch::plain(scratch, found.object.len);
    found.guarded =
        scratch::plain(scratch, u32::from(memory::is_of_agent(load!(file, file_dentry as Pointer)))) != 0;
    found.steady = scratch::plain(scratch, u32::from(found.steady && !found.guarded)) != 0;
    found.in_parent = scratch::plain(scratch, u32::from(found.in_parent)) != 0;
    found
}

#[inline(always)]
fn find(
    task: *mut task_struct,
    file: Pointer,
    head: Head,
    renames: u64,
    standing: Standing,
    label: &Label,
    scratch: *mut Scratch,
) -> Found {
    let dentry: Pointer = load!(file, file_dentry as Pointer);
    let place = Place { dentry, mount: load!(file, file_mount as Pointer) };
    let sequence: u32 = load!(dentry, dentry_sequence as u32);
    let parent: Pointer = load!(dentry, dentry_parent as Pointer);
    let name = memory::name_of(dentry);
    let name_len: u32 = load!(dentry, dentry_name_len as u32);
    let view = View::of(&Sight::of(task, label.policy, head, label.subject), renames);
    // What procfs shows depends on who looks.
    let is_shared = load!(super_block(file), sb_magic as u64) != PROC;
    let mut found = Found {
        object: Object::none(Reason::PathUnreadable),
        view,
        parent,
        name,
        guarded: false,
        // Without a head nothing is remembered, nor where there is no memory.
        steady: !is_tracing() && !head.is_empty() && is_shared && standing.is_steady(&view),
        in_parent: false,
    };
    let buffer = scratch::object(scratch);
    let mut len = 0;
    if !is_tracing() {
        let path = part!(file, file_path).cast::<path>();
        // SAFETY: the verifier proves that `path` is part of a trusted file, and the size of the buffer.
        len = unsafe { bpf_d_path(path, buffer.cast(), OBJECT_SIZE as u32) };
    }
    // The kernel tells it from the root of the task. Asked after that, so that no root goes unnoticed which another
    // thread changed meanwhile.
    if is_tracing() || root::was_left(label.subject, label.policy) {
        len = dpath::write(&place, scratch);
    }
    if len == ENAMETOOLONG {
        found.object = Object::none(Reason::PathTooLong);
        return found;
    }
    if len < 2 || len > OBJECT_SIZE as i64 {
        return found;
    }
    let len = (len - 1) as u32;
    let (start, skip) = own_procfs_entry(file, scratch, len);
    // Directory and name belong to this path only if the entry was not renamed meanwhile.
    let renamed = sequence & 1 != 0 || load!(dentry, dentry_sequence as u32) != sequence;
    if renamed || load!(dentry, dentry_hashed as u64) == 0 {
        found.steady = false;
    }
    let split = scratch::plain(scratch, len.wrapping_sub(name_len));
    found.in_parent = found.steady
        && dentry != load!(place.mount, vfsmount_root as Pointer)
        && split > 0
        && split < len
        && byte_at(buffer, split - 1) == b'/';
    let split = scratch::plain(scratch, if found.in_parent { split } else { len });
    found.object = Object { skip, split, len, start, problem: 0 };
    found
}

/// How the file stands to the root of the subject.
#[inline(always)]
pub(crate) fn standing(file: Pointer) -> Standing {
    let inode: Pointer = load!(file, file_inode as Pointer);
    let is_directory = u32::from(load!(inode, inode_mode as u16)) & S_IFMT == S_IFDIR;
    Standing::of(&place_of(file), is_directory)
}

/// Remembers what came of the path.
#[inline(always)]
pub(crate) fn learn(file: Pointer, slot: u32, found: &Found, judged: &Judged) {
    if !found.steady {
        return;
    }
    let place = place_of(file);
    if judged.granted != 0 {
        let inode: Pointer = load!(file, file_inode as Pointer);
        if memory::comes_again(inode) {
            let granted = special::memorable(file, judged.granted);
            let lesson = Lesson::File { name: found.name, granted, groups: judged.groups };
            remember(inode, slot, &place, &found.view, lesson);
        }
    }
    if found.in_parent && judged.below != 0 {
        let directory = Place { dentry: found.parent, mount: place.mount };
        let inode: Pointer = load!(found.parent, dentry_inode as Pointer);
        remember(inode, slot, &directory, &found.view, Lesson::Directory { below: judged.below });
    }
}

/// The file system's magic number and flags.
#[inline(always)]
pub(crate) fn super_block(file: Pointer) -> Pointer {
    let inode: Pointer = load!(file, file_inode as Pointer);
    load!(inode, inode_sb as Pointer)
}

/// Recognises the current process's own entries in procfs, by number and namespace.
/// Gives the view, and how much of the path it replaces.
#[inline(always)]
fn own_procfs_entry(file: Pointer, scratch: *mut Scratch, len: u32) -> (u32, u32) {
    let sb = super_block(file);
    if load!(sb, sb_magic as u64) != PROC {
        return (Prefix::Plain as u32, 0);
    }
    let own = stockade_own_entry(scratch::index(scratch), address(sb), len);
    ((own >> 32) as u32, own as u32)
}

/// The same, as a stage: the view in the high half.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_own_entry(index: u32, sb: u64, len: u32) -> u64 {
    let Some(scratch) = scratch::at(index) else { return 0 };
    match own_entry(sb as Pointer, scratch, len) {
        Some((prefix, skip)) => (prefix as u64) << 32 | u64::from(skip),
        None => 0,
    }
}

#[inline(always)]
fn own_entry(sb: Pointer, scratch: *mut Scratch, len: u32) -> Option<(Prefix, u32)> {
    let info: Pointer = probe!(sb, sb_fs_info as Pointer)?;
    let shown: Pointer = probe!(info, procfs_pidns as Pointer)?;
    let task: Pointer = current().cast();
    let leader: Pointer = probe!(task, task_group_leader as Pointer)?;

    // SAFETY: the claim on the buffer is ours.
    let buffer = unsafe { &raw const (*scratch).object }.cast::<u8>();
    if !literal(buffer, 0, b"/proc/") {
        return None;
    }
    let (pid, after_pid) = number(buffer, 6, len)?;
    if pid != number_in(leader, shown)? {
        return None;
    }
    let after_pid = scratch::plain(scratch, after_pid);
    if literal(buffer, after_pid, b"/task/")
        && let Some((tid, after_tid)) = number(buffer, after_pid + 6, len)
        && tid == number_in(task, shown)?
    {
        return Some((Prefix::ThreadSelf, after_tid));
    }
    Some((Prefix::ProcSelf, after_pid))
}

/// Whether `word` stands at `at`. Stale bytes after the path's end do no harm: `number` checks the end.
#[inline(always)]
fn literal<const N: usize>(buffer: *const u8, at: u32, word: &[u8; N]) -> bool {
    let mut index = 0;
    while index < N {
        if byte_at(buffer, at + index as u32) != word[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The decimal number at `at` that fills its component, and where it ends.
#[inline(always)]
fn number(buffer: *const u8, at: u32, len: u32) -> Option<(u32, u32)> {
    let mut number = Number { buffer, at, len, value: 0, end: at };
    rounds(MAX_DIGITS, &mut number, add_digit);
    let end = number.end;
    if end == at || (end < len && byte_at(buffer, end) != b'/') {
        return None;
    }
    Some((number.value, end))
}

/// Digits of the largest process id, and one: a longer number is cut, and then does not end its component.
const MAX_DIGITS: u32 = 8;

#[repr(C)]
struct Number {
    buffer: *const u8,
    at: u32,
    len: u32,
    value: u32,
    end: u32,
}

extern "C" fn add_digit(round: u32, number: &mut Number) -> i64 {
    let at = number.at + round;
    let digit = byte_at(number.buffer, at).wrapping_sub(b'0');
    if at >= number.len || digit > 9 {
        return STOP;
    }
    number.value = number.value.wrapping_mul(10).wrapping_add(u32::from(digit));
    number.end = at + 1;
    CONTINUE
}

/// The number of `task` in its innermost pid namespace, if that is the one a procfs shows.
#[inline(always)]
fn number_in(task: Pointer, shown: Pointer) -> Option<u32> {
    let pid: Pointer = probe!(task, task_thread_pid as Pointer)?;
    let level: u32 = probe!(pid, pid_level as u32)?;
    let innermost = offset!(pid_numbers) + level as usize * UPID_SIZE as usize;
    let namespace: Pointer = probe_at(pid, innermost + offset!(upid_ns))?;
    if namespace != shown {
        return None;
    }
    probe_at(pid, innermost + offset!(upid_nr))
}
