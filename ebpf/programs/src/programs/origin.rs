//! Whether a program comes from the image, or from what was written since.

use aya_ebpf::helpers::generated::bpf_ktime_get_tai_ns;

use super::kernel::{Pointer, load, offset, probe_at};
use super::maps::STARTED;

/// `s_magic` of overlay file systems.
const OVERLAY: u64 = 0x794c_7630;
/// Nanoseconds of a second, without the flags that newer kernels keep above them.
const NANOSECONDS: u32 = (1 << 30) - 1;
const SECOND: u64 = 1_000_000_000;

/// Whether `file` comes from the image of `subject`. On an overlay, what lies in a lower layer does. On any other
/// file system, what was not changed since the subject began. What cannot be told does not.
#[inline(always)]
pub(crate) fn is_from_image(file: Pointer, subject: u64) -> bool {
    let inode: Pointer = load!(file, file_inode as Pointer);
    let sb: Pointer = load!(inode, inode_sb as Pointer);
    if load!(sb, sb_magic as u64) == OVERLAY {
        return probe_at::<u64>(inode, offset!(inode_upper)) == Some(0);
    }
    let changed: u64 = load!(inode, inode_changed as u64);
    let changed_ns: u32 = load!(inode, inode_changed_ns as u32);
    let changed = changed.wrapping_mul(SECOND).wrapping_add(u64::from(changed_ns & NANOSECONDS));
    // Files are dated by the tick, and so is the subject: in that of its binding none of its processes runs yet. What is
    // dated in the future was changed before somebody set the clock back.
    changed <= started(subject) || changed > now()
}

/// The time, or some leap seconds more.
#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no precondition.
    unsafe { bpf_ktime_get_tai_ns() }
}

/// When `subject` began; 0, before everything, when that is not known.
#[inline(always)]
fn started(subject: u64) -> u64 {
    // SAFETY: a number is read whole.
    unsafe { STARTED.get(subject) }.map_or(0, |started| *started)
}
