//! Reaching unix sockets: by the real path of the socket that is reached, or by its abstract name.
//!
//! The address that a process gives is text: relative, or through symbolic links that can change. Here the
//! kernel has found the socket already. Its lock is held, so nothing here sleeps.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Operation, Reason};
use stockade_abi::{access, peer};

use super::address::{put, whole};
use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, current, load, offset, probe, probe_at};
use super::memory::Place;
use super::policy::Object;
use super::scratch::Scratch;
use super::{climb, count, label, mounts, policy, scratch};

/// Bytes of an address structure before a unix socket's name.
const SUN_PATH: i32 = 2;

/// `unix_stream_connect(sock, other, newsk)`, and `unix_may_send(sock, other)` of the socket's inner half.
#[inline(always)]
pub(crate) fn reach(before: i32, hook: Hook, other: Pointer) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    if other.is_null() {
        return ALLOW;
    }
    let Some(address) = probe!(other, unix_address as Pointer) else { return DENY };
    // Without a name nobody finds it: the other end of a pair, which whoever made it has handed over.
    if address.is_null() {
        return ALLOW;
    }
    judge_socket(task, other, address)
}

/// The protocol half of a socket.
#[inline(always)]
pub(crate) fn inner(socket: Pointer) -> Pointer {
    load!(socket, socket_sk as Pointer)
}

#[inline(always)]
fn judge_socket(task: *mut task_struct, other: Pointer, address: Pointer) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Connect, Reason::ScratchBusy);
    };
    let object = name(task, other, address, slot);
    // How it went must not be followed through all that comes after.
    let problem = scratch::plain(slot, object.problem);
    let len = scratch::plain(slot, object.len);
    let object = Object { skip: 0, split: len, len, problem, start: object.start };
    let question = Question { operation: Operation::Connect, access: access::CONNECT, object };
    let judged = judge(&label, policy::head(label.policy), &question, slot);
    scratch::release(slot);
    judged.answer
}

/// Writes the name of the socket into the buffer.
#[inline(always)]
fn name(task: *mut task_struct, other: Pointer, address: Pointer, slot: *mut Scratch) -> Object {
    let Some(dentry) = probe!(other, unix_dentry as Pointer) else {
        return Object::none(Reason::PathUnreadable);
    };
    if dentry.is_null() {
        return whole(slot, abstract_name(address, slot));
    }
    let Some(place) = place(task, other, dentry) else { return Object::none(Reason::PathUnreadable) };
    let climb::Built { len, problem } = climb::build_behind(1, &place, slot);
    put(scratch::object(slot), 0, [peer::UNIX]);
    Object { problem, ..whole(slot, len + 1) }
}

#[inline(always)]
fn abstract_name(address: Pointer, slot: *mut Scratch) -> u32 {
    let Some(len) = probe!(address, unix_address_len as u32) else { return 0 };
    let size = (len as i32 - SUN_PATH - 1) as u32;
    if size as usize > peer::UNIX_NAME_MAX {
        return 0;
    }
    let from = address.wrapping_byte_add(offset!(unix_address_name) + SUN_PATH as usize + 1);
    let buffer = scratch::object(slot);
    put(buffer, 0, [peer::ABSTRACT]);
    // The compiler would drop the mask, knowing the size; the verifier of 6.1 has forgotten it by now.
    let bounded = scratch::plain(slot, size) & 127;
    // SAFETY: at most 127 bytes into a buffer of 4096; the helper checks the source.
    let status = unsafe { bpf_probe_read_kernel(buffer.wrapping_add(1).cast(), bounded, from.cast()) };
    if status == 0 { size + 1 } else { 0 }
}

/// Where the task sees the socket's file: on the mount on which it was bound, or, when that is another
/// namespace's, on a mount of its own that shows the same directory.
#[inline(always)]
fn place(task: *mut task_struct, other: Pointer, dentry: Pointer) -> Option<Place> {
    let mount: Pointer = probe!(other, unix_mount as Pointer)?;
    let namespace = mounts::namespace_of(task);
    if probe_at::<Pointer>(mount.wrapping_byte_sub(offset!(mount_mnt)), offset!(mount_ns))? == namespace {
        return Some(Place { dentry, mount });
    }
    let mount = mounts::showing(namespace, dentry);
    (!mount.is_null()).then_some(Place { dentry, mount })
}
