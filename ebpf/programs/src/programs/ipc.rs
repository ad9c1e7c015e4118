//! Judging System V IPC, which has no names in a file system.

use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;

use super::facility;
use super::kernel::{Pointer, current, load};
use super::label;

/// Number of the namespace that the node starts with (`PROC_IPC_INIT_INO`).
const HOST: u32 = 0xefff_ffff;

/// `ipc_permission(ipcp, flag)`, `shm_shmctl(perm, cmd)`, `sem_semctl(perm, cmd)`, `msg_queue_msgctl(perm, cmd)`.
///
/// In a namespace of the container's own there is nobody else's object to use.
#[inline(always)]
pub(crate) fn hook(before: i32, hook: Hook) -> i32 {
    let Some(tag) = label::tag(current()) else { return before };
    if tag.flags & CANARY == 0 && !is_hosts() {
        return before;
    }
    facility::hook(before, hook, Facility::Ipc)
}

/// Whether the namespace of the process is the host's, or cannot be told.
#[inline(always)]
fn is_hosts() -> bool {
    let proxy: Pointer = load!(current().cast(), task_nsproxy as Pointer);
    let namespace: Pointer = load!(proxy, nsproxy_ipc as Pointer);
    let number: u32 = load!(namespace, ipc_number as u32);
    number == HOST || number == 0
}
