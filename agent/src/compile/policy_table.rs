//! The form of a policy that the kernel takes, without the names of its rules.

use stockade_abi::table::{self, Grant, MORE_STARTS, Pin, STARTS, Table as _, high, low};

use super::check;
use super::policy::StartKind;

/// A compiled profile's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyTable {
    pub(super) words: Vec<u64>,
    pub(super) used: usize,
    pub(super) states: usize,
}

impl PolicyTable {
    /// The words, padded to the exact size of their class.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The words, to keep.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// Words in use.
    pub fn used_words(&self) -> usize {
        self.used
    }

    /// States of the automaton.
    pub fn states(&self) -> usize {
        self.states
    }

    /// The state in which the walk over a name begins.
    pub fn start(&self, kind: StartKind) -> u32 {
        match kind {
            StartKind::Path => low(self.words.word(STARTS)),
            StartKind::ProcSelf => high(self.words.word(STARTS)),
            StartKind::ThreadSelf => low(self.words.word(MORE_STARTS)),
            StartKind::Peer => high(self.words.word(MORE_STARTS)),
        }
    }

    /// The state that follows `state` on `byte`.
    pub fn next(&self, state: u32, byte: u8) -> u32 {
        table::step(self.words.as_slice(), state, byte)
    }

    /// The sets of contents that let a member of the groups `member` start a program of this content; whatever it
    /// is, of `None`.
    pub fn sets(&self, content: Option<&[u64; 4]>, member: u32) -> u32 {
        let right = |pin: &Pin| pin.is_for(u32::MAX, member) && content.is_none_or(|is| *is == pin.digest);
        check::pins(&self.words).filter(right).fold(0, |sets, pin| sets | pin.set)
    }

    /// What is granted when a name ends in `state`.
    pub fn grant(&self, state: u32) -> Grant {
        table::grant(self.words.as_slice(), state)
    }
}
