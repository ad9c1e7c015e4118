//! How a peer is put to the matcher: as a byte string, walked from the table's peer state.
//!
//! | kind | bytes after it |
//! |---|---|
//! | [`V4`] | protocol, 4 address bytes, 2 port bytes |
//! | [`V6`] | protocol, 16 address bytes, 2 port bytes |
//! | [`UNIX`] | the path of the socket that is reached, as the process sees it |
//! | [`ABSTRACT`] | the abstract name, without its leading zero byte |
//! | [`LISTEN`] | protocol, 2 bytes of the local port; 0 for a port that the kernel chooses |
//!
//! Addresses and ports are in network order. The kernel side normalises first: a v4-mapped address is
//! [`V4`], a wildcard address is the loopback address of its family.

/// Kind byte of an IPv4 peer.
pub const V4: u8 = b'4';
/// Kind byte of an IPv6 peer.
pub const V6: u8 = b'6';
/// Kind byte of a unix socket with a path.
pub const UNIX: u8 = b'u';
/// Kind byte of a unix socket with an abstract name.
pub const ABSTRACT: u8 = b'a';
/// Kind byte of a local port.
pub const LISTEN: u8 = b'l';

/// Protocol byte of TCP.
pub const TCP: u8 = 6;
/// Protocol byte of UDP.
pub const UDP: u8 = 17;
/// Number of multipath TCP, which is put as [`TCP`]: it speaks to the same peer, and reaches no other
/// unless the node's administrator has set up further addresses.
pub const MPTCP: u16 = 262;
/// Protocol byte of every protocol whose number does not fit in a byte; no rule matches it.
pub const OTHER: u8 = 255;

/// Length of an encoded IPv4 peer.
pub const V4_LEN: usize = 8;
/// Length of an encoded IPv6 peer.
pub const V6_LEN: usize = 20;
/// Length of an encoded local port.
pub const LISTEN_LEN: usize = 4;
/// Longest abstract name of a unix socket.
pub const UNIX_NAME_MAX: usize = 108;
