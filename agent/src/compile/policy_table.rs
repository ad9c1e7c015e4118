//! The form of a policy that the kernel takes, without the names of its rules.

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
}
