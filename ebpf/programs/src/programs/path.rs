//! The canonical path of an open file, as its container sees it.

use aya_ebpf::bindings::path;
use aya_ebpf::helpers::generated::bpf_d_path;
use stockade_abi::object::View;
use stockade_abi::offsets::UPID_SIZE;
use stockade_abi::reason::Reason;

use super::kernel::{Pointer, current, load, offset, probe, probe_at};
use super::policy::{Object, Start};
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{self, OBJECT_SIZE, Scratch, byte_at};

/// `s_magic` of procfs.
const PROC: u64 = 0x9fa0;
const ENAMETOOLONG: i64 = -36;

/// Writes the path of `file` into the buffer.
#[inline(always)]
pub(crate) fn of_file(file: Pointer, scratch: *mut Scratch) -> Object {
    // SAFETY: the claim on the buffer is ours.
    let buffer = unsafe { &raw mut (*scratch).object }.cast::<u8>();
    let path = file.wrapping_byte_add(offset!(file_path)).cast::<path>();
    // SAFETY: the verifier proves that `path` is part of a trusted file, and the size of the buffer.
    let len = unsafe { bpf_d_path(path, buffer.cast(), OBJECT_SIZE as u32) };
    if len == ENAMETOOLONG {
        return Object::none(Reason::PathTooLong);
    }
    if len < 2 || len > OBJECT_SIZE as i64 {
        return Object::none(Reason::PathUnreadable);
    }
    let len = (len - 1) as u32;
    let (view, skip) = own_procfs_entry(file, scratch, len).unwrap_or((View::Plain, 0));
    let skip = scratch::plain(scratch, skip);
    Object { bytes: buffer, skip, len, start: Start::Path(view), problem: None }
}

/// The file systems's magic number and flags.
#[inline(always)]
pub(crate) fn super_block(file: Pointer) -> Pointer {
    let inode: Pointer = load!(file, file_inode as Pointer);
    load!(inode, inode_sb as Pointer)
}

/// Recognises the current process's own entries in procfs, by number and namespace.
#[inline(always)]
fn own_procfs_entry(file: Pointer, scratch: *mut Scratch, len: u32) -> Option<(View, u32)> {
    let sb = super_block(file);
    if load!(sb, sb_magic as u64) != PROC {
        return None;
    }
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
        return Some((View::ThreadSelf, after_tid));
    }
    Some((View::ProcSelf, after_pid))
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
