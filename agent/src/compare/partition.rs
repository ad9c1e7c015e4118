//! Bytes that an automaton does not tell apart, found by looking at where they lead.

use std::collections::HashMap;

/// The 256 byte values in classes.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    of: [u8; 256],
    count: usize,
}

impl Partition {
    /// One class of all bytes.
    pub(crate) fn one() -> Self {
        Self { of: [0; 256], count: 1 }
    }

    /// The classes that `of` numbers, `count` of them.
    pub(crate) fn of_classes(of: &[u8; 256], count: usize) -> Self {
        Self { of: *of, count }
    }

    /// Classes, numbered from 0.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The class of `byte`.
    pub(crate) fn of(&self, byte: u8) -> usize {
        usize::from(self.of[usize::from(byte)])
    }

    /// The lowest byte of each class.
    pub(crate) fn lowest(&self) -> Vec<u8> {
        self.members().iter().map(|bytes| bytes.first().copied().unwrap_or(0)).collect()
    }

    /// The bytes of each class, ascending.
    pub(crate) fn members(&self) -> Vec<Vec<u8>> {
        let mut members = vec![Vec::new(); self.count];
        for byte in 0..=u8::MAX {
            members[self.of(byte)].push(byte);
        }
        members
    }

    /// Splits classes so that bytes of one class have the same entry in `row`.
    pub(crate) fn refine(&mut self, row: &[u32; 256]) {
        let mut first: [Option<u32>; 256] = [None; 256];
        // Most rows tell nothing new apart.
        let same = self
            .of
            .iter()
            .zip(row)
            .all(|(class, entry)| *first[usize::from(*class)].get_or_insert(*entry) == *entry);
        if same {
            return;
        }
        let mut ids: HashMap<(u8, u32), u8> = HashMap::new();
        for (class, entry) in self.of.iter_mut().zip(row) {
            // There are at most 256 classes of 256 bytes.
            let fresh = u8::try_from(ids.len()).unwrap_or(u8::MAX);
            *class = *ids.entry((*class, *entry)).or_insert(fresh);
        }
        self.count = ids.len();
    }

    /// Splits classes so that they are within those of `other` too.
    pub(crate) fn meet(&mut self, other: &Self) {
        self.refine(&other.of.map(u32::from));
    }
}
