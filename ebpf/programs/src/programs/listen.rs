//! Local ports: binding one, listening on it, and taking connections from it.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::programs::LsmContext;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Mode, Operation, Reason};
use stockade_abi::{access, peer};

use super::address::{self, AF_INET, AF_INET6, put};
use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, before, current, load, offset, probe, probe_at};
use super::policy::side;
use super::{count, label, peers, policy, scratch};

/// Bytes of an address structure up to the port's end, in both families.
const UP_TO_PORT: i32 = 4;
/// The port is one that the process has chosen.
const BINDPORT_LOCK: u8 = 8;

/// `socket_bind(sock, address, addrlen)`.
#[inline(always)]
pub(crate) fn socket_bind(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Bind);
    let socket: Pointer = ctx.arg(0);
    let at: Pointer = ctx.arg(1);
    let len: i32 = ctx.arg(2);
    judge_port(before, Hook::Bind, socket, |_sock| {
        if len < UP_TO_PORT {
            // The kernel takes no such address.
            return None;
        }
        let port = u16::from_be(probe_at::<u16>(at, 2)?);
        // A port that the kernel chooses is what a client has; listening on it is asked about then.
        (port != 0).then_some(port)
    })
}

/// `socket_listen(sock, backlog)`, and `socket_accept(sock, newsock)` of the socket that listens.
#[inline(always)]
pub(crate) fn listening(before: i32, hook: Hook, socket: Pointer) -> i32 {
    judge_port(before, hook, socket, |sock| {
        let locks = probe!(sock, sock_locks as u8)? >> offset!(sock_locks_bit);
        // It has none yet, or one that the kernel chose.
        // Of multipath TCP the first subflow holds that, so there its number counts.
        let multipath = load!(sock, sock_protocol as u16) == peer::MPTCP;
        if locks & BINDPORT_LOCK == 0 && !multipath { Some(0) } else { probe!(sock, sock_port as u16) }
    })
}

/// Judges using the port that `port` finds for the socket; none, and there is nothing to judge.
#[inline(always)]
fn judge_port(before: i32, hook: Hook, socket: Pointer, port: impl Fn(Pointer) -> Option<u16>) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    let sock: Pointer = load!(socket, socket_sk as Pointer);
    if sock.is_null() {
        return ALLOW;
    }
    let family: u16 = load!(sock, sock_family as u16);
    // Names of unix sockets are judged when they are made; others have no ports.
    if family != AF_INET && family != AF_INET6 {
        return ALLOW;
    }
    let Some(port) = port(sock) else { return ALLOW };
    let protocol = address::protocol(sock);
    let known = peers::key(protocol, port, 0, tag.flags);
    if peers::is_granted(known, policy::head(tag.policy).word()) {
        return ALLOW;
    }
    judge_listen(task, protocol, port, known)
}

#[inline(always)]
fn judge_listen(task: *mut task_struct, protocol: u8, port: u16, known: u64) -> i32 {
    let Some(label) = label::of(task) else { return ALLOW };
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Listen, Reason::ScratchBusy);
    };
    let head = policy::head(label.policy);
    let buffer = scratch::object(slot);
    put(buffer, 0, [peer::LISTEN, protocol]);
    put(buffer, 2, port.to_be_bytes());
    let object = address::whole(slot, peer::LISTEN_LEN as u32);
    let question = Question { operation: Operation::Listen, access: access::LISTEN, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    let granted = side(judged.granted, label.flags) & access::LISTEN != 0;
    if granted && head.mode() != Some(Mode::Learn) {
        peers::remember(known, head.word());
    }
    judged.answer
}
