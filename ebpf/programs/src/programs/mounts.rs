//! Mount namespaces, and finding a mount on which a file can be seen, where the kernel tells the file alone.

use aya_ebpf::bindings::task_struct;

use super::kernel::{Pointer, load, offset, probe, probe_at};
use super::rounds::{CONTINUE, STOP, rounds};

/// Mounts of one file system that are looked at.
const MOUNTS: u32 = 4096;
/// Directories between a file and the root of a mount.
const LEVELS: u32 = 4096;

/// The mount namespace of `task`.
#[inline(always)]
pub(crate) fn namespace_of(task: *mut task_struct) -> Pointer {
    let proxy: Pointer = load!(task.cast(), task_nsproxy as Pointer);
    load!(proxy, nsproxy_mounts as Pointer)
}

/// A mount of `namespace` that shows `dentry`; null when there is none, or the kernel keeps no list that can be
/// read. Where several show it, which can be told apart by nobody here, the first that was mounted.
#[inline(always)]
pub(crate) fn showing(namespace: Pointer, dentry: Pointer) -> Pointer {
    let nothing = core::ptr::null_mut();
    // Not a list from 6.17 on.
    if offset!(sb_mounts) == 0 {
        return nothing;
    }
    let Some(sb) = probe!(dentry, dentry_sb as Pointer) else { return nothing };
    let head = sb.wrapping_byte_add(offset!(sb_mounts));
    let Some(first) = probe_at::<Pointer>(head, 0) else { return nothing };
    let mut search = Search { head, at: first, namespace, dentry, found: nothing };
    rounds(MOUNTS, &mut search, look);
    search.found
}

/// A look at the mounts of a file system.
#[repr(C)]
struct Search {
    head: Pointer,
    at: Pointer,
    namespace: Pointer,
    dentry: Pointer,
    found: Pointer,
}

extern "C" fn look(_round: u32, search: &mut Search) -> i64 {
    if search.at == search.head {
        return STOP;
    }
    let mount = search.at.wrapping_byte_sub(offset!(mount_instance));
    if probe!(mount, mount_ns as Pointer) == Some(search.namespace) {
        let part = mount.wrapping_byte_add(offset!(mount_mnt));
        let Some(top) = probe!(part, vfsmount_root as Pointer) else { return STOP };
        let mut way = Way { at: search.dentry, top, is_below: 0 };
        rounds(LEVELS, &mut way, up);
        if way.is_below != 0 {
            search.found = part;
            return STOP;
        }
    }
    let Some(next) = probe_at::<Pointer>(search.at, 0) else { return STOP };
    search.at = next;
    CONTINUE
}

/// A way up to the root of a mount, if it is there.
#[repr(C)]
struct Way {
    at: Pointer,
    top: Pointer,
    is_below: u64,
}

extern "C" fn up(_round: u32, way: &mut Way) -> i64 {
    if way.at == way.top {
        way.is_below = 1;
        return STOP;
    }
    match probe!(way.at, dentry_parent as Pointer) {
        Some(parent) if parent != way.at => {
            way.at = parent;
            CONTINUE
        }
        Some(_) | None => STOP,
    }
}
