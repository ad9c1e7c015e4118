//! Learning: observations, their store, and the rules that are proposed from them.

pub mod export;
pub mod generalise;
pub mod layout;
pub mod pattern;
pub mod peers;
mod random;
pub mod store;

use std::collections::BTreeSet;

use stockade_abi::access::AccessSet;
use stockade_abi::reason::Operation;

/// Something a profile's subjects did, with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The operation.
    pub operation: Operation,
    /// The accesses asked for together.
    pub access: AccessSet,
    /// The object's name: a path, or an encoded peer.
    pub object: Vec<u8>,
    /// Numbers by which the processes that created it knew themselves.
    pub own_pids: BTreeSet<u32>,
}
