//! Files that are the kernel itself: device nodes, and file systems whose files are settings.
//!
//! A rule for their path is needed as for any file; what stands here is asked besides, because a rule such as
//! `/sys/**` says less than it gives away.

use stockade_abi::access::{APPEND, AccessSet, WRITE};
use stockade_abi::facility::Facility;
use stockade_abi::table::pair;

use super::facility;
use super::inherited::is_harmless_device;
use super::judge::ALLOW;
use super::kernel::{Pointer, address, load, probe, probe_at};
use super::label::Tag;
use super::path::{PROC, super_block};
use super::rounds::{CONTINUE, STOP, rounds};

/// `s_magic` of file systems whose files change the whole kernel.
const SYSFS: u64 = 0x6265_6572;
const DEBUGFS: u64 = 0x6462_6720;
const TRACEFS: u64 = 0x7472_6163;
const SECURITYFS: u64 = 0x7363_6673;
const CONFIGFS: u64 = 0x6265_6570;
const EFIVARFS: u64 = 0xde5e_81e4;
const BINFMTFS: u64 = 0x4249_4e4d;
/// Those of control groups.
const CGROUP: u64 = 0x0027_e0eb;
const CGROUP2: u64 = 0x6367_7270;
/// Accesses that change what is in a file.
const CHANGES: AccessSet = WRITE | APPEND;
const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
/// Directories between an entry of procfs and its root.
const LEVELS: u32 = 64;
/// Name of the file through which a process's memory is written.
const MEMORY: [u8; 4] = *b"mem\0";

/// Judges opening `file` for what it is, whatever its path.
#[inline(always)]
pub(crate) fn judge(tag: Tag, file: Pointer, wanted: AccessSet) -> i32 {
    let inode: Pointer = load!(file, file_inode as Pointer);
    let facility = facility_of(
        u32::from(load!(inode, inode_mode as u16)),
        || load!(inode, inode_device as u32),
        wanted,
        || load!(super_block(file), sb_magic as u64),
        || load!(file, file_dentry as Pointer),
    );
    facility.map_or(ALLOW, |facility| facility::judge(tag, facility))
}

/// The same of a file that the verifier knows nothing about. What cannot be read is the worst that it may be.
#[inline(always)]
pub(crate) fn judge_unknown(tag: Tag, file: Pointer, wanted: AccessSet) -> i32 {
    let inode = probe!(file, file_inode as Pointer).unwrap_or(core::ptr::null_mut());
    let dentry = || probe!(file, file_dentry as Pointer).unwrap_or(core::ptr::null_mut());
    let facility = facility_of(
        probe!(inode, inode_mode as u16).map_or(S_IFBLK, u32::from),
        || probe!(inode, inode_device as u32).unwrap_or(0),
        wanted,
        || {
            let sb = probe!(dentry(), dentry_sb as Pointer);
            sb.and_then(|sb| probe!(sb, sb_magic as u64)).unwrap_or(SYSFS)
        },
        dentry,
    );
    facility.map_or(ALLOW, |facility| facility::judge(tag, facility))
}

/// What it takes to open such a file, besides a rule for its path. What is not needed is not asked for.
#[inline(always)]
fn facility_of(
    mode: u32,
    device: impl Fn() -> u32,
    wanted: AccessSet,
    magic: impl Fn() -> u64,
    dentry: impl Fn() -> Pointer,
) -> Option<Facility> {
    let kind = mode & S_IFMT;
    if kind == S_IFCHR || kind == S_IFBLK {
        let harmless = kind == S_IFCHR && is_harmless_device(device());
        return if harmless { None } else { Some(Facility::Devices) };
    }
    if wanted & CHANGES == 0 {
        return None;
    }
    match magic() {
        SYSFS | DEBUGFS | TRACEFS | SECURITYFS | CONFIGFS | EFIVARFS | BINFMTFS => Some(Facility::Sysctl),
        CGROUP | CGROUP2 => Some(Facility::Cgroup),
        PROC => match stockade_setting(address(dentry())) {
            OF_PROCESS => None,
            MEMORY_OF_PROCESS => Some(Facility::Ptrace),
            OF_KERNEL | 3.. => Some(Facility::Sysctl),
        },
        0.. => None,
    }
}

/// Judges making or removing a directory in `parent`.
#[inline(always)]
pub(crate) fn judge_directory(tag: Tag, parent: Pointer) -> i32 {
    let sb: Pointer = load!(parent, dentry_sb as Pointer);
    match load!(sb, sb_magic as u64) {
        CGROUP | CGROUP2 => facility::judge(tag, Facility::Cgroup),
        0.. => ALLOW,
    }
}

/// What of `granted` may be remembered of the file: changing a setting is asked about each time.
#[inline(always)]
pub(crate) fn memorable(file: Pointer, granted: u64) -> u64 {
    match load!(super_block(file), sb_magic as u64) {
        SYSFS | DEBUGFS | TRACEFS | SECURITYFS | CONFIGFS | EFIVARFS | BINFMTFS | CGROUP | CGROUP2 | PROC => {
            granted & !pair(CHANGES, CHANGES)
        }
        0.. => granted,
    }
}

const OF_KERNEL: u32 = 0;
const OF_PROCESS: u32 = 1;
const MEMORY_OF_PROCESS: u32 = 2;

/// Whether an entry of procfs is a setting of the kernel or belongs to a process, as a stage (see
/// [`super::judge`]). What cannot be read is a setting.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_setting(dentry: u64) -> u32 {
    let dentry = dentry as Pointer;
    let mut climb = Climb { at: dentry, below: core::ptr::null_mut() };
    rounds(LEVELS, &mut climb, up);
    let first = probe!(climb.below, dentry_name as Pointer).and_then(|name| probe_at::<u8>(name, 0));
    // Directories of processes are called by their number.
    if !first.is_some_and(|first| first.is_ascii_digit()) {
        return OF_KERNEL;
    }
    let name = probe!(dentry, dentry_name as Pointer).and_then(|name| probe_at::<[u8; 4]>(name, 0));
    if name.is_none_or(|name| name == MEMORY) { MEMORY_OF_PROCESS } else { OF_PROCESS }
}

/// A way up, and the entry that it came from last.
#[repr(C)]
struct Climb {
    at: Pointer,
    below: Pointer,
}

extern "C" fn up(_round: u32, climb: &mut Climb) -> i64 {
    match probe!(climb.at, dentry_parent as Pointer) {
        Some(parent) if parent != climb.at => {
            climb.below = climb.at;
            climb.at = parent;
            CONTINUE
        }
        Some(_) | None => STOP,
    }
}
