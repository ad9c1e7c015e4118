//! Connecting sockets, and what is judged like it.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use core::ptr::read_volatile;
use stockade_abi::access;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Mode, Operation, Reason};

use super::address::{self, AF_INET, AF_UNIX, AF_UNSPEC, Address, SOCKADDR_IN};
use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, before, current, load, probe_at};
use super::label::Tag;
use super::policy::side;
use super::{count, label, memory, peers, policy, scratch};

/// `socket_connect(sock, address, addrlen)`.
#[inline(always)]
pub(crate) fn socket_connect(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Connect);
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    let socket: Pointer = ctx.arg(0);
    let at: Pointer = ctx.arg(1);
    let len: i32 = ctx.arg(2);
    let sock: Pointer = load!(socket, socket_sk as Pointer);
    if sock.is_null() {
        return DENY;
    }
    // It has hooks of its own, which see who is really reached.
    if load!(sock, sock_family as u16) == AF_UNIX {
        return ALLOW;
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Connect);
        return DENY;
    }
    if len >= SOCKADDR_IN {
        // Field by field: more than one at a time the verifier refuses.
        // SAFETY: the start of an address structure, whose family and data the verifier knows.
        let family = unsafe { read_volatile(at.cast::<u16>()) };
        // SAFETY: as above.
        let port = unsafe { read_volatile(at.cast::<u16>().wrapping_add(1)) };
        // SAFETY: as above.
        let ip = unsafe { read_volatile(at.cast::<u32>().wrapping_add(1)) };
        if family == AF_INET && is_known(task, sock, tag, port, ip) {
            return ALLOW;
        }
    }
    let Some(family) = probe_at::<u16>(at, 0) else { return DENY };
    // Dissolving an association reaches nobody.
    if family == AF_UNSPEC {
        return ALLOW;
    }
    reach(task, sock, &Address { at, len, family })
}

/// Whether the policy is known to grant this IPv4 peer; while learning, whether the subject has reported it.
#[inline(always)]
pub(crate) fn is_known(task: *mut task_struct, sock: Pointer, tag: Tag, port: u16, ip: u32) -> bool {
    let head = policy::head(tag.policy);
    let subject = match head.mode() {
        Some(Mode::Learn) => label::of(task).map_or(0, |label| label.subject),
        Some(Mode::Audit | Mode::Enforce) | None => 0,
    };
    let known = peers::key(address::protocol(sock), port, ip, tag.flags);
    ip != 0 && peers::is_granted(known, memory::key(head, subject))
}

/// Judges reaching an address from a socket.
#[inline(always)]
pub(crate) fn reach(task: *mut task_struct, sock: Pointer, address: &Address) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Connect, Reason::ScratchBusy);
    };
    let head = policy::head(label.policy);
    let protocol = address::protocol(sock);
    let object = address::encode(protocol, address, slot);
    let question = Question { operation: Operation::Connect, access: access::CONNECT, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    let granted = side(judged.granted, label.flags) & access::CONNECT != 0;
    if granted
        && address.family == AF_INET
        && let Some(port) = probe_at::<u16>(address.at, 2)
        && let Some(ip) = probe_at::<u32>(address.at, 4)
        && ip != 0
    {
        peers::remember(peers::key(protocol, port, ip, label.flags), memory::key(head, label.subject));
    }
    judged.answer
}
