//! Connecting sockets.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::programs::LsmContext;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::reason::{Mode, Operation, Reason};
use stockade_abi::{access, peer};

use super::judge::{ALLOW, DENY, Question, judge, without_object};
use super::kernel::{Pointer, current, load, probe_at};
use super::policy::side;
use super::policy::{Object, PEER};
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{Scratch, byte_at};
use super::{count, label, peers, policy, scratch};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Bytes of an IPv4 address structure.
const SOCKADDR_IN: i32 = 16;
/// Bytes of an IPv6 address structure up to the address's end; the scope may be missing.
const SOCKADDR_IN6: i32 = 24;
/// Bytes of an address structure before a unix socket's name.
const SUN_PATH: i32 = 2;

/// `socket_connect(sock, address, addrlen)`.
#[inline(always)]
pub(crate) fn socket_connect(ctx: &LsmContext) -> i32 {
    let before: i32 = ctx.arg(3);
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Connect);
        return DENY;
    }
    let socket: Pointer = ctx.arg(0);
    let address: Pointer = ctx.arg(1);
    let len: i32 = ctx.arg(2);
    let peer = peers::peer(socket, address, len, tag);
    let head = policy::head(tag.policy);
    if peer != 0 && peers::is_granted(peer, head) {
        return ALLOW;
    }
    let Some(label) = label::of(task) else { return ALLOW };

    let Some(family) = probe_at::<u16>(address, 0) else { return DENY };
    // Dissolving an association reaches nobody.
    if family == AF_UNSPEC {
        return ALLOW;
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::Connect, Reason::ScratchBusy);
    };
    let object = encode(socket, address, family, len, slot);
    let question = Question { operation: Operation::Connect, access: access::CONNECT, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    // Under learn there is nothing to remember: what is reported once is known elsewhere.
    let granted = side(judged.granted, label.flags) & access::CONNECT != 0;
    if peer != 0 && granted && head.mode() != Some(Mode::Learn) {
        peers::remember(peer, head);
    }
    judged.answer
}

/// Writes the peer into the buffer as the matcher takes it.
#[inline(always)]
fn encode(socket: Pointer, address: Pointer, family: u16, len: i32, slot: *mut Scratch) -> Object {
    // SAFETY: the claim on the buffer is ours.
    let buffer = unsafe { &raw mut (*slot).object }.cast::<u8>();
    let size = match family {
        AF_INET if len >= SOCKADDR_IN => ipv4(buffer, protocol(socket), address),
        AF_INET6 if len >= SOCKADDR_IN6 => ipv6(buffer, protocol(socket), address),
        AF_UNIX if len > SUN_PATH => unix(buffer, slot, address, len),
        AF_INET | AF_INET6 | AF_UNIX => 0,
        0 | 3..=9 | 11.. => return Object::none(Reason::UnsupportedFamily),
    };
    if size == 0 {
        return Object::none(Reason::BadAddress);
    }
    let len = scratch::plain(slot, size);
    Object { skip: 0, split: len, len, start: PEER, problem: 0 }
}

#[inline(always)]
fn protocol(socket: Pointer) -> u8 {
    let sock: Pointer = load!(socket, socket_sk as Pointer);
    if sock.is_null() {
        return peer::OTHER;
    }
    let protocol: u16 = load!(sock, sock_protocol as u16);
    if protocol < peer::OTHER as u16 { protocol as u8 } else { peer::OTHER }
}

// Each of the following writes one kind of peer and gives its length, 0 for an address that is not whole.

#[inline(always)]
fn ipv4(buffer: *mut u8, protocol: u8, address: Pointer) -> u32 {
    let Some(port) = probe_at::<[u8; 2]>(address, 2) else { return 0 };
    let Some(ip) = probe_at::<[u8; 4]>(address, 4) else { return 0 };
    put_ipv4(buffer, protocol, ip, port)
}

#[inline(always)]
fn put_ipv4(buffer: *mut u8, protocol: u8, ip: [u8; 4], port: [u8; 2]) -> u32 {
    // The kernel takes the wildcard as this host.
    let ip = if u32::from_ne_bytes(ip) == 0 { [127, 0, 0, 1] } else { ip };
    put(buffer, 0, [peer::V4, protocol]);
    put(buffer, 2, ip);
    put(buffer, 6, port);
    peer::V4_LEN as u32
}

#[inline(always)]
fn ipv6(buffer: *mut u8, protocol: u8, address: Pointer) -> u32 {
    let Some(port) = probe_at::<[u8; 2]>(address, 2) else { return 0 };
    let Some(words) = probe_at::<[u32; 4]>(address, 8) else { return 0 };
    if words[0] == 0 && words[1] == 0 && words[2] == 0xffff_u32.to_be() {
        return put_ipv4(buffer, protocol, words[3].to_ne_bytes(), port);
    }
    let last = if words[0] | words[1] | words[2] | words[3] == 0 { 1_u32.to_be() } else { words[3] };
    put(buffer, 0, [peer::V6, protocol]);
    put(buffer, 2, words[0].to_ne_bytes());
    put(buffer, 6, words[1].to_ne_bytes());
    put(buffer, 10, words[2].to_ne_bytes());
    put(buffer, 14, last.to_ne_bytes());
    put(buffer, 18, port);
    peer::V6_LEN as u32
}

/// A name that begins with a zero byte is abstract and ends with the structure; any other ends at its
/// first zero byte.
#[inline(always)]
fn unix(buffer: *mut u8, slot: *mut Scratch, address: Pointer, len: i32) -> u32 {
    let Some(first) = probe_at::<u8>(address, SUN_PATH as usize) else { return 0 };
    let (kind, before) = if first == 0 { (peer::ABSTRACT, SUN_PATH + 1) } else { (peer::UNIX, SUN_PATH) };
    let size = (len - before) as u32;
    if size as usize > peer::UNIX_NAME_MAX {
        return 0;
    }
    put(buffer, 0, [kind]);
    let name = buffer.wrapping_add(1);
    let from = address.wrapping_byte_add(before as usize);
    // The compiler would drop the mask, knowing the size; the verifier of 6.1 has forgotten it by now.
    let bounded = scratch::plain(slot, size) & 127;
    // SAFETY: at most 127 bytes into a buffer of 4096; the helper checks the source.
    let status = unsafe { bpf_probe_read_kernel(name.cast(), bounded, from.cast()) };
    if status != 0 {
        return 0;
    }
    let mut text = Text { bytes: buffer, len: size, end: 0 };
    if kind == peer::UNIX {
        rounds(peer::UNIX_NAME_MAX as u32, &mut text, find_end);
    } else {
        text.end = size;
    }
    text.end + 1
}

#[repr(C)]
struct Text {
    bytes: *const u8,
    len: u32,
    end: u32,
}

/// The name begins after the kind byte.
extern "C" fn find_end(round: u32, text: &mut Text) -> i64 {
    if round >= text.len || byte_at(text.bytes, round + 1) == 0 {
        return STOP;
    }
    text.end = round + 1;
    CONTINUE
}

#[inline(always)]
fn put<const N: usize>(buffer: *mut u8, at: usize, bytes: [u8; N]) {
    // SAFETY: every caller writes at a constant place in the first bytes of the buffer.
    unsafe { buffer.wrapping_add(at).cast::<[u8; N]>().write_unaligned(bytes) };
}
