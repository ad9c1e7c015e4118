//! Sending to an address that the message names: to reach somebody without connecting.

use aya_ebpf::programs::LsmContext;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::peer;

use super::address::{self, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC, Address};
use super::judge::{ALLOW, DENY};
use super::kernel::{Pointer, before, current, load, probe_at};
use super::{connect, count, label, sockets};

/// `sk_type` of sockets that carry a stream.
const SOCK_STREAM: u16 = 1;
/// Flag of a call that connects a stream with its first bytes.
const MSG_FASTOPEN: u32 = 0x2000_0000;

/// `socket_sendmsg(sock, msg, size)`.
#[inline(always)]
pub(crate) fn socket_sendmsg(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Send);
    if before != 0 {
        return before;
    }
    let message: Pointer = ctx.arg(1);
    let name: Pointer = load!(message, msg_name as Pointer);
    let controls: u64 = load!(message, msg_control_len as u64);
    // To where the socket is connected: that was judged then.
    if name.is_null() && controls == 0 {
        return ALLOW;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    let socket: Pointer = ctx.arg(0);
    let sock: Pointer = load!(socket, socket_sk as Pointer);
    // A socket without a file is the kernel's own, which sends for reasons of its own.
    let file: Pointer = load!(socket, socket_file as Pointer);
    if sock.is_null() || file.is_null() {
        return ALLOW;
    }
    let own: u16 = load!(sock, sock_family as u16);
    if controls != 0 && (own == AF_INET || own == AF_INET6) && tag.flags & CANARY == 0 {
        let answer = sockets::judge_controls(tag, message);
        if answer != ALLOW {
            return answer;
        }
    }
    // Both have hooks of their own, which see who is really reached.
    if name.is_null()
        || own == AF_UNIX
        || own == AF_NETLINK
        || is_connected_stream(sock, load!(message, msg_flags as u32))
    {
        return ALLOW;
    }
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Send);
        return DENY;
    }
    let Some(start) = probe_at::<[u32; 2]>(name, 0) else { return DENY };
    let said = start[0] as u16;
    let family = if said != AF_UNSPEC {
        said
    } else if own == AF_INET6 {
        // As if no address were named.
        return ALLOW;
    } else if own == AF_INET {
        AF_INET
    } else {
        said
    };
    let len = load!(message, msg_name_len as u32) as i32;
    if family == AF_INET
        && len >= address::SOCKADDR_IN
        && connect::is_known(task, sock, tag, (start[0] >> 16) as u16, start[1])
    {
        return ALLOW;
    }
    connect::reach(task, sock, &Address { at: name, len, family })
}

/// Whether this is a stream that an address in a message does not make go elsewhere.
#[inline(always)]
fn is_connected_stream(sock: Pointer, flags: u32) -> bool {
    flags & MSG_FASTOPEN == 0
        && load!(sock, sock_type as u16) == SOCK_STREAM
        && address::protocol(sock) == peer::TCP
}
