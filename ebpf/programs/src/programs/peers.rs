//! IPv4 peers and local ports that were granted before.
//!
//! What a table says of a peer depends on nothing but the table and the peer, so the two together are the
//! whole key, compared as they are; while learning, the subject that has reported it as well. Only what is granted is
//! remembered. Entries are written without a
//! lock: a third word made of the other two tells one that is half of this writer's and half of another's.

use core::ptr::{read_volatile, write_volatile};

use stockade_abi::label::SESSION;

use super::maps::{PEER_ENTRIES, PEERS};

/// A peer that a policy grants.
#[repr(C)]
pub(crate) struct KnownPeer {
    peer: u64,
    head: u64,
    proof: u64,
}

/// Address, port, protocol and whether a session asks, in one word. Address 0 stands for a local port.
#[inline(always)]
pub(crate) fn key(protocol: u8, port: u16, ip: u32, flags: u32) -> u64 {
    let session = u64::from(flags & SESSION);
    u64::from(ip) | u64::from(port) << 32 | u64::from(protocol) << 48 | session << 56
}

#[inline(always)]
fn proof(peer: u64, head: u64) -> u64 {
    peer.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ head.rotate_left(23) ^ 1
}

#[inline(always)]
fn slot(peer: u64, head: u64) -> Option<*mut KnownPeer> {
    let hash = (peer ^ head).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    PEERS.get_ptr_mut((hash >> 52) as u32 & (PEER_ENTRIES as u32 - 1))
}

/// Whether the peer is known to be granted under `head`: what [`super::memory::key`] says for a head.
#[inline(always)]
pub(crate) fn is_granted(peer: u64, head: u64) -> bool {
    let Some(known) = slot(peer, head) else { return false };
    // SAFETY: only addresses are taken.
    let [at_peer, at_head, at_proof] =
        unsafe { [&raw const (*known).peer, &raw const (*known).head, &raw const (*known).proof] };
    // SAFETY: a field of a map value.
    let same_peer = unsafe { read_volatile(at_peer) } == peer;
    // SAFETY: as above.
    let same_head = unsafe { read_volatile(at_head) } == head;
    // SAFETY: as above.
    same_peer && same_head && unsafe { read_volatile(at_proof) } == proof(peer, head)
}

/// Remembers that.
#[inline(always)]
pub(crate) fn remember(peer: u64, head: u64) {
    let Some(known) = slot(peer, head) else { return };
    let value = KnownPeer { peer, head, proof: proof(peer, head) };
    // SAFETY: a map value; who writes at the same time is told by the proof.
    unsafe { write_volatile(known, value) };
}
