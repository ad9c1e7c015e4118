//! Bytes that no rule tells apart behave alike everywhere; each class of them is one column.

use std::collections::HashMap;

use super::glob::ByteSet;
use super::nfa::Nfa;

/// Bytes that mean something to a guard.
pub(crate) const GUARDED: [u8; 3] = [b'/', b'.', stockade_abi::peer::UNIX];

#[derive(Clone, Debug)]
pub(crate) struct Classes {
    pub(crate) of_byte: [u8; 256],
    /// One byte of each class.
    pub(crate) sample: Vec<u8>,
    /// Of each class, whether its sample is its only byte.
    pub(crate) single: Vec<bool>,
}

impl Classes {
    pub(crate) fn new(nfa: &Nfa) -> Self {
        let mut singles = ByteSet::EMPTY;
        GUARDED.into_iter().for_each(|byte| singles.insert(byte));
        let bytes = nfa.all_edges().iter().filter_map(|(key, _)| u8::try_from(*key).ok());
        bytes.for_each(|byte| singles.insert(byte));
        let mut of_byte = [0; 256];
        let (mut sample, mut single) = (Vec::new(), Vec::new());
        let mut known: HashMap<(Option<u8>, Vec<bool>), u8> = HashMap::new();
        for byte in 0..=u8::MAX {
            let alone = singles.contains(byte).then_some(byte);
            let sides = nfa.sets.iter().map(|set| set.contains(byte)).collect();
            // 256 bytes fall into at most 256 classes.
            let fresh = u8::try_from(sample.len()).unwrap_or(u8::MAX);
            let class = *known.entry((alone, sides)).or_insert(fresh);
            if usize::from(class) == sample.len() {
                sample.push(byte);
                single.push(true);
            } else {
                single[usize::from(class)] = false;
            }
            of_byte[usize::from(byte)] = class;
        }
        Self { of_byte, sample, single }
    }

    pub(crate) fn len(&self) -> usize {
        self.sample.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.sample.len()).filter_map(|class| u8::try_from(class).ok())
    }

    pub(crate) fn of(&self, byte: u8) -> u8 {
        self.of_byte[usize::from(byte)]
    }
}

/// A set, with the classes it names: those it holds, or those it leaves out when that is fewer.
#[derive(Debug)]
pub(crate) struct ClassSet {
    pub(crate) named: Vec<u8>,
    names: ByteSet,
    pub(crate) negated: bool,
}

impl ClassSet {
    pub(crate) fn new(set: &ByteSet, classes: &Classes) -> Self {
        let (inside, outside): (Vec<u8>, Vec<u8>) =
            classes.all().partition(|class| set.contains(classes.sample[usize::from(*class)]));
        let negated = outside.len() < inside.len();
        let named = if negated { outside } else { inside };
        let mut names = ByteSet::EMPTY;
        named.iter().for_each(|class| names.insert(*class));
        Self { named, names, negated }
    }

    pub(crate) fn names(&self, class: u8) -> bool {
        self.names.contains(class)
    }
}
