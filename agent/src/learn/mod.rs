//! Learning: observations, their store, and the rules that are proposed from them.

mod clients;
pub mod complete;
pub mod curve;
mod date;
mod directories;
pub mod episodes;
pub mod estimate;
pub mod evidence;
pub mod export;
pub mod few;
mod formless;
pub mod generalise;
mod glob;
mod hex;
pub mod history;
pub mod how;
mod identifier;
pub mod layout;
mod literal;
pub mod made_code;
mod names;
mod networks;
mod numbered;
pub mod pattern;
pub mod peers;
pub mod probes;
mod random;
#[cfg(test)]
mod recorded_tests;
mod remarks;
mod renamed;
pub mod review;
mod siblings;
pub mod store;
#[cfg(test)]
mod storm_tests;
mod things;
pub mod tradeoff;
pub mod transfer;
mod trees;
mod unix;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Operation;

use crate::compile::{Object, Power};

use evidence::Evidence;

/// Something a profile's subjects did, with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The operation.
    pub operation: Operation,
    /// The accesses asked for together.
    pub access: AccessSet,
    /// The object's name: a path, or an encoded peer.
    pub object: Vec<u8>,
    /// When, how often and by whom.
    pub evidence: Evidence,
}

impl Seen {
    /// Something of which nothing else is known.
    pub fn bare(operation: Operation, access: AccessSet, object: impl Into<Vec<u8>>) -> Self {
        Self { operation, access, object: object.into(), evidence: Evidence::default() }
    }

    /// What the matcher is asked to allow this; `None` when it needs no rule.
    pub fn question(&self) -> Option<(Object<'_>, AccessSet)> {
        match self.operation {
            Operation::File => Some((Object::Path(&self.object), self.access & crate::profile::FILE_ACCESS)),
            Operation::Exec => Some((Object::Path(&self.object), access::EXEC | self.access & access::DRIFT)),
            Operation::Connect => Some((Object::Peer(&self.object), access::CONNECT)),
            Operation::Listen => Some((Object::Peer(&self.object), access::LISTEN)),
            Operation::Fork | Operation::Capability | Operation::Facility => None,
        }
    }

    /// The capability or facility that was used; `None` for anything else, and for one without a name.
    pub fn power(&self) -> Option<Power> {
        let name = str::from_utf8(&self.object).ok()?;
        match self.operation {
            Operation::Capability => Power::capability(name),
            Operation::Facility => Power::facility(name),
            Operation::File | Operation::Exec | Operation::Connect | Operation::Listen | Operation::Fork => {
                None
            }
        }
    }
}
