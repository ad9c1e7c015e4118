//! The path of an open file as the kernel's `d_path` writes it, for programs that may not call that: those that
//! are attached to its functions.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use stockade_abi::reason::Reason;

use super::climb::{self, Built};
use super::kernel::{Pointer, address, probe};
use super::memory::Place;
use super::path::ENAMETOOLONG;
use super::scratch::{self, OBJECT_SIZE, Scratch};

/// `s_magic` of file systems in memory.
const TMPFS: u64 = 0x0102_1994;
/// And of those for large pages.
pub(crate) const HUGETLBFS: u64 = 0x9584_58f6;
/// What stands behind the path of a file whose name was removed.
const DELETED: &[u8; 10] = b" (deleted)";
const EINVAL: i64 = -22;

/// Leaves the path of what is open at `place` in the buffer. Its length with a terminator, or an errno.
#[inline(always)]
pub(crate) fn write(place: &Place, scratch: *mut Scratch) -> i64 {
    // One stage after the other, and not inside: the stack is short.
    let Built { len, problem } = climb::build(place, scratch);
    let (dentry, mount) = (address(place.dentry), address(place.mount));
    stockade_d_path(scratch::index(scratch), dentry, mount, u64::from(problem) << 32 | u64::from(len))
        .cast_signed()
}

/// Makes of the path in the buffer, or of what was in its way, what `d_path` writes; as a stage.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_d_path(index: u32, dentry: u64, mount: u64, built: u64) -> u64 {
    let place = Place { dentry: dentry as Pointer, mount: mount as Pointer };
    let built = Built { len: built as u32, problem: (built >> 32) as u32 };
    let written = scratch::at(index).map_or(EINVAL, |scratch| finish(&place, built, scratch));
    written.cast_unsigned()
}

#[inline(always)]
fn finish(place: &Place, built: Built, scratch: *mut Scratch) -> i64 {
    let parent = probe!(place.dentry, dentry_parent as Pointer);
    let (Some(parent), Some(top)) = (parent, probe!(place.mount, vfsmount_root as Pointer)) else {
        return EINVAL;
    };
    // In no directory, and not the root of what is mounted: the kernel made it by itself.
    let is_alone = parent == place.dentry && top != place.dentry;
    let Built { len, problem } = if is_alone { own_name(place, scratch) } else { built };
    if problem == Reason::PathTooLong as u32 {
        return ENAMETOOLONG;
    }
    let Some(hashed) = probe!(place.dentry, dentry_hashed as u64) else { return EINVAL };
    if problem != 0 {
        return EINVAL;
    }
    let is_gone = is_alone || hashed == 0 && parent != place.dentry;
    let len = scratch::plain(scratch, len) as usize;
    let len = if is_gone { len + DELETED.len() } else { len };
    if len >= OBJECT_SIZE {
        return ENAMETOOLONG;
    }
    if is_gone {
        mark(scratch, len - DELETED.len());
    }
    (len + 1) as i64
}

/// The path of a file that has a name and stands in no directory: what is mapped without one, and what
/// `memfd_create` makes. Of others the kernel writes something that is no path.
#[inline(always)]
fn own_name(place: &Place, scratch: *mut Scratch) -> Built {
    let none = Built { len: 0, problem: Reason::PathUnreadable as u32 };
    let Some(sb) = probe!(place.dentry, dentry_sb as Pointer) else { return none };
    if !matches!(probe!(sb, sb_magic as u64), Some(TMPFS | HUGETLBFS)) {
        return none;
    }
    let name = probe!(place.dentry, dentry_name as Pointer);
    let (Some(name), Some(len)) = (name, probe!(place.dentry, dentry_name_len as u32)) else { return none };
    let len = len & 0xff;
    let object = scratch::object(scratch);
    // SAFETY: the first byte of the buffer.
    unsafe { core::ptr::write_volatile(object, b'/') };
    // SAFETY: the buffer is longer than any name; the helper checks the source.
    let read = unsafe { bpf_probe_read_kernel(object.wrapping_add(1).cast(), len, name.cast_const()) };
    if read == 0 { Built { len: len + 1, problem: 0 } } else { none }
}

#[inline(always)]
fn mark(scratch: *mut Scratch, len: usize) {
    let object = scratch::object(scratch);
    let mut index = 0;
    while index < DELETED.len() {
        let at = object.wrapping_add((len + index) & (OBJECT_SIZE - 1));
        // SAFETY: inside the buffer, by the mask.
        unsafe { core::ptr::write_volatile(at, DELETED[index]) };
        index += 1;
    }
}
