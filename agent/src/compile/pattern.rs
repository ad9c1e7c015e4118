//! The patterns of all rules as rows of numbers, which sort and compare fast.

use std::collections::HashMap;

use super::glob::{ByteSet, Flat, Token};
use super::rule::RuleId;

/// Tokens of all patterns together. More of them fit into no table unless they are much alike.
const TOKENS_MAX: usize = stockade_abi::table::LARGE * 16;

/// One token, as a number.
pub(crate) type Key = u32;

/// Keys below it are the bytes they stand for.
pub(crate) const STAR: Key = 0x100;
/// `**` before a slash, and that slash.
pub(crate) const TREE: Key = 0x101;
/// `**` at the end.
pub(crate) const REST: Key = 0x102;
/// Keys from here on are sets.
pub(crate) const SETS: Key = 0x200;

/// What `*`, `?` and the parts of `**` read.
pub(crate) const NO_SLASH: u32 = 0;
/// What the end of a `**` at the end reads.
pub(crate) const ANY: u32 = 1;

/// What a pattern is compared with; the first key of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Root {
    Path = 0,
    Peer = 1,
}

#[derive(Debug)]
pub(crate) struct Patterns {
    keys: Vec<Key>,
    /// For each pattern, its rule and where its keys end.
    ends: Vec<(RuleId, usize)>,
    pub(crate) sets: Vec<ByteSet>,
    set_ids: HashMap<ByteSet, u32>,
}

impl Default for Patterns {
    fn default() -> Self {
        let sets = vec![ByteSet::no_slash(), ByteSet::ALL];
        let set_ids = sets.iter().copied().zip([NO_SLASH, ANY]).collect();
        Self { keys: Vec::new(), ends: Vec::new(), sets, set_ids }
    }
}

impl Patterns {
    pub(crate) fn add(&mut self, root: Root, flat: &Flat, rule: RuleId) {
        self.keys.push(root as Key);
        let mut rest = flat.as_slice();
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            let key = match token {
                Token::Byte(byte) => Key::from(*byte),
                Token::Set(set) => SETS.saturating_add(self.set(*set)),
                Token::Star => STAR,
                Token::Tree => match after.split_first() {
                    Some((Token::Byte(b'/'), behind)) => {
                        rest = behind;
                        TREE
                    }
                    Some(_) | None => REST,
                },
            };
            self.keys.push(key);
        }
        self.ends.push((rule, self.keys.len()));
    }

    fn set(&mut self, set: ByteSet) -> u32 {
        let fresh = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let id = *self.set_ids.entry(set).or_insert(fresh);
        if id == fresh {
            self.sets.push(set);
        }
        id
    }

    pub(crate) fn too_many(&self) -> bool {
        self.keys.len() > TOKENS_MAX
    }

    pub(crate) fn lengths(&self) -> impl Iterator<Item = (RuleId, usize)> + '_ {
        self.iter().map(|(rule, keys)| (rule, keys.len()))
    }

    /// Every pattern with its rule, in the order of their keys.
    pub(crate) fn sorted(&self) -> Vec<(&[Key], RuleId)> {
        let mut all: Vec<(&[Key], RuleId)> = self.iter().map(|(rule, keys)| (keys, rule)).collect();
        all.sort_unstable();
        all
    }

    /// Every pattern with its rule.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (RuleId, &[Key])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        self.ends.iter().zip(starts).map(|((rule, end), start)| {
            // Ends only grow.
            (*rule, self.keys.get(start..*end).unwrap_or(&[]))
        })
    }
}
