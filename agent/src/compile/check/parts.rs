//! What each byte of a table is for.

use super::TableError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Unused,
    /// Text of a run.
    Text,
    /// The zero behind it.
    End,
    /// The state behind that.
    Next,
    /// A branch's own word.
    Own,
    /// A transition.
    Cell,
}

/// The part of each byte.
pub(super) struct Parts(Vec<Part>);

impl Parts {
    pub(super) fn new(words: u32) -> Self {
        Self(vec![Part::Unused; (words as usize).saturating_mul(8)])
    }

    /// Whether `len` bytes from `at` on are known to be `part` already. It fails when they are another.
    pub(super) fn claim(&mut self, at: u32, len: usize, part: Part) -> Result<bool, TableError> {
        let start = at as usize;
        let overlap = Err(TableError::Overlap(start >> 3));
        let Some(bytes) = self.0.get_mut(start..start.saturating_add(len)) else { return overlap };
        if bytes.iter().all(|byte| *byte == part) {
            return Ok(true);
        }
        if bytes.iter().any(|byte| *byte != Part::Unused) {
            return overlap;
        }
        bytes.fill(part);
        Ok(false)
    }

    /// Whether every unused byte from the word `first` on is zero.
    pub(super) fn rest_is_zero(&self, words: &[u64], first: u32) -> Result<(), TableError> {
        for (index, word) in words.iter().enumerate().skip(first as usize) {
            let parts = self.0.iter().skip(index.saturating_mul(8));
            if word.to_le_bytes().iter().zip(parts).any(|(byte, part)| *byte != 0 && *part == Part::Unused) {
                return Err(TableError::NotZero(index));
            }
        }
        Ok(())
    }
}
