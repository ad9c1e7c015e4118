//! Addresses of sockets, as the matcher takes them.

use stockade_abi::peer;
use stockade_abi::reason::Reason;

use super::kernel::{Pointer, load, probe_at};
use super::policy::{Object, PEER};
use super::scratch::{self, Scratch};

pub(crate) const AF_UNSPEC: u16 = 0;
pub(crate) const AF_UNIX: u16 = 1;
pub(crate) const AF_INET: u16 = 2;
pub(crate) const AF_INET6: u16 = 10;
pub(crate) const AF_NETLINK: u16 = 16;

/// Bytes of an IPv4 address structure.
pub(crate) const SOCKADDR_IN: i32 = 16;
/// Bytes of an IPv6 address structure up to the address's end; the scope may be missing.
const SOCKADDR_IN6: i32 = 24;

/// An address that the kernel has copied from the process.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) at: Pointer,
    pub(crate) len: i32,
    /// The family it is taken for.
    pub(crate) family: u16,
}

/// The protocol of a socket, as it is put to the matcher.
#[inline(always)]
pub(crate) fn protocol(sock: Pointer) -> u8 {
    if sock.is_null() {
        return peer::OTHER;
    }
    let number: u16 = load!(sock, sock_protocol as u16);
    if number == peer::MPTCP {
        peer::TCP
    } else if number < peer::OTHER as u16 {
        number as u8
    } else {
        peer::OTHER
    }
}

/// Writes an internet address into the buffer.
#[inline(always)]
pub(crate) fn encode(protocol: u8, address: &Address, slot: *mut Scratch) -> Object {
    let buffer = scratch::object(slot);
    let size = match address.family {
        AF_INET if address.len >= SOCKADDR_IN => ipv4(buffer, protocol, address.at),
        AF_INET6 if address.len >= SOCKADDR_IN6 => ipv6(buffer, protocol, address.at),
        AF_INET | AF_INET6 => 0,
        0 | 1 | 3..=9 | 11.. => return Object::none(Reason::UnsupportedFamily),
    };
    whole(slot, size)
}

/// The object of `size` bytes that stands in the buffer; none for 0.
#[inline(always)]
pub(crate) fn whole(slot: *mut Scratch, size: u32) -> Object {
    if size == 0 {
        return Object::none(Reason::BadAddress);
    }
    let len = scratch::plain(slot, size);
    Object { skip: 0, split: len, len, start: PEER, problem: 0 }
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

/// Writes `bytes` at a constant place near the start of an object's buffer.
#[inline(always)]
pub(crate) fn put<const N: usize>(buffer: *mut u8, at: usize, bytes: [u8; N]) {
    // SAFETY: every caller writes at a constant place in the first bytes of the buffer.
    unsafe { buffer.wrapping_add(at).cast::<[u8; N]>().write_unaligned(bytes) };
}
