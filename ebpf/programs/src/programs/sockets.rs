//! Making sockets, and making them go other ways.

use aya_ebpf::programs::LsmContext;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::peer;

use super::address::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};
use super::facility::{self, DENY};
use super::judge::ALLOW;
use super::kernel::{Pointer, before, current, load, probe_at};
use super::label::Tag;
use super::rounds::{CONTINUE, STOP, rounds};
use super::{count, label};

const AF_PACKET: u32 = 17;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const SOCK_PACKET: u32 = 10;
/// The low bits of a socket's type; above them are flags.
const SOCK_TYPES: u32 = 0xf;
/// Protocol of netlink that tells about networks.
const NETLINK_ROUTE: u32 = 0;
const TCP: u32 = peer::TCP as u32;
const UDP: u32 = peer::UDP as u32;
const MPTCP: u32 = peer::MPTCP as u32;
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;

const SOL_IP: u32 = 0;
const SOL_SOCKET: u32 = 1;
const SOL_TCP: u32 = 6;
const SOL_IPV6: u32 = 41;
const IP_OPTIONS: u32 = 4;
/// The same, with one message.
const IP_RETOPTS: u32 = 7;
const IP_TRANSPARENT: u32 = 19;
const TCP_REPAIR: u32 = 19;
const IPV6_2292RTHDR: u32 = 5;
const IPV6_RTHDRDSTOPTS: u32 = 55;
const IPV6_RTHDR: u32 = 57;
const IPV6_TRANSPARENT: u32 = 75;
const SO_ATTACH_FILTER: u32 = 26;
const SO_ATTACH_BPF: u32 = 50;
const SO_ATTACH_REUSEPORT_CBPF: u32 = 51;
const SO_ATTACH_REUSEPORT_EBPF: u32 = 52;

/// `socket_create(family, type, protocol, kern)`.
#[inline(always)]
pub(crate) fn socket_create(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, SocketCreate);
    let by_kernel: u32 = ctx.arg(3);
    if before != 0 || by_kernel != 0 {
        return before;
    }
    let Some(tag) = label::tag(current()) else { return ALLOW };
    let Some(facility) = facility_of(ctx.arg(0), ctx.arg(1), ctx.arg(2)) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::SocketCreate);
        return DENY;
    }
    facility::judge(tag, facility)
}

/// What it takes to make such a socket; nothing for those that are judged when they are used.
#[inline(always)]
fn facility_of(family: u32, kind: u32, protocol: u32) -> Option<Facility> {
    let kind = kind & SOCK_TYPES;
    let internet = family == AF_INET as u32 || family == AF_INET6 as u32;
    if family == AF_PACKET || (internet && (kind == SOCK_RAW || kind == SOCK_PACKET)) {
        return Some(Facility::RawSockets);
    }
    let ordinary = family == AF_UNIX as u32
        || (family == AF_NETLINK as u32 && protocol == NETLINK_ROUTE)
        || (internet && kind == SOCK_STREAM && matches!(protocol, 0 | TCP | MPTCP))
        || (internet && kind == SOCK_DGRAM && matches!(protocol, 0 | UDP | ICMP | ICMPV6));
    if ordinary { None } else { Some(Facility::OtherSockets) }
}

/// `socket_setsockopt(sock, level, optname)`.
#[inline(always)]
pub(crate) fn setsockopt(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Setsockopt);
    let (level, option): (u32, u32) = (ctx.arg(1), ctx.arg(2));
    let facility = if goes_elsewhere(level, option) {
        Facility::RawSockets
    } else if level == SOL_SOCKET && attaches(option) {
        Facility::SocketFilters
    } else {
        return before;
    };
    facility::hook(before, Hook::Setsockopt, facility)
}

/// Whether this option hands the kernel a program that sees the socket's packets.
#[inline(always)]
fn attaches(option: u32) -> bool {
    matches!(option, SO_ATTACH_FILTER | SO_ATTACH_BPF | SO_ATTACH_REUSEPORT_CBPF | SO_ATTACH_REUSEPORT_EBPF)
}

/// Whether with this option packets are sent to somebody else than the peer, or as somebody else.
#[inline(always)]
fn goes_elsewhere(level: u32, option: u32) -> bool {
    match level {
        SOL_IP => matches!(option, IP_OPTIONS | IP_RETOPTS | IP_TRANSPARENT),
        SOL_TCP => option == TCP_REPAIR,
        SOL_IPV6 => {
            matches!(option, IPV6_2292RTHDR | IPV6_RTHDRDSTOPTS | IPV6_RTHDR | IPV6_TRANSPARENT)
        }
        1..=5 | 7..=40 | 42.. => false,
    }
}

/// Control messages of one message that are looked at; more are refused.
const CONTROLS: u32 = 64;

/// Judges what a message carries besides its data, which sets such options for it alone.
#[inline(always)]
pub(crate) fn judge_controls(tag: Tag, message: Pointer) -> i32 {
    let at: Pointer = load!(message, msg_control as Pointer);
    let len: u64 = load!(message, msg_control_len as u64);
    let mut walk = Walk { at, left: len, found: 1 };
    rounds(CONTROLS, &mut walk, next);
    if walk.found == 0 { ALLOW } else { facility::judge(tag, Facility::RawSockets) }
}

/// A walk through control messages.
#[repr(C)]
struct Walk {
    at: Pointer,
    left: u64,
    /// Whether there is one that is of interest, or may be.
    found: u64,
}

/// Length, level and type.
const HEADER: u64 = 16;

extern "C" fn next(_round: u32, walk: &mut Walk) -> i64 {
    if walk.left < HEADER {
        walk.found = 0;
        return STOP;
    }
    let Some(len) = probe_at::<u64>(walk.at, 0) else { return STOP };
    let Some([level, kind]) = probe_at::<[u32; 2]>(walk.at, 8) else { return STOP };
    if len < HEADER || len > walk.left || goes_elsewhere(level, kind) {
        return STOP;
    }
    let step = (len + 7) & !7;
    walk.at = walk.at.wrapping_byte_add(step as usize);
    walk.left = walk.left.saturating_sub(step);
    CONTINUE
}
