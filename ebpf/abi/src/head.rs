//! The head of a policy: one word for each slot that says which table judges, how, and which swap put
//! it there. One store flips a policy, so no decision sees half of a swap.
//!
//! ```text
//! bits 0..12    number of the table in the map of its size
//! bits 12..14   size of the table: 1 small, 2 medium, 3 large
//! bits 14..16   mode
//! bit  16       whether the table names contents
//! bits 17..64   generation
//! ```
//!
//! A word of 0 is an empty slot: its head has neither mode nor table. Generations are given once on a node, so two heads that were ever in
//! force are different words: what was decided under one is never taken for the other's.

use crate::reason::Mode;
use crate::table::{LARGE, MEDIUM, SMALL};

/// Tables of each size a node can hold: one for every slot, and as many on their way in or out.
pub const TABLES: u32 = 2 * crate::POLICY_SLOTS;

/// Size of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Size {
    /// [`SMALL`] words.
    Small = 1,
    /// [`MEDIUM`] words.
    Medium = 2,
    /// [`LARGE`] words.
    Large = 3,
}

impl Size {
    /// Every size.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Words of a table of this size.
    pub const fn words(self) -> usize {
        match self {
            Self::Small => SMALL,
            Self::Medium => MEDIUM,
            Self::Large => LARGE,
        }
    }

    /// The smallest size in which a table of so many words fits.
    pub fn of(words: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|size| words <= size.words())
    }
}

const NAMES_CONTENTS: u64 = 1 << 16;

/// A head, read or to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head(u64);

impl Head {
    /// The head of an empty slot.
    pub const EMPTY: Self = Self(0);

    /// A head from the word in a slot.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// Whether no policy is in the slot.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The head of the swap `generation`, which is below 2^47, to the table `table`, below [`TABLES`].
    pub const fn new(generation: u64, mode: Mode, size: Size, table: u32) -> Self {
        Self(generation << 17 | (mode as u64) << 14 | (size as u64) << 12 | (table & 0xfff) as u64)
    }

    /// The same head, of a table that names contents or not.
    #[must_use]
    pub const fn naming_contents(self, names: bool) -> Self {
        Self(self.0 & !NAMES_CONTENTS | if names { NAMES_CONTENTS } else { 0 })
    }

    /// Whether the table names contents.
    #[inline(always)]
    pub const fn names_contents(self) -> bool {
        self.0 & NAMES_CONTENTS != 0
    }

    /// The word for the slot.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Number of the swap.
    #[inline(always)]
    pub const fn generation(self) -> u64 {
        self.0 >> 17
    }

    /// The mode; `None` for a word that nobody wrote.
    #[inline(always)]
    pub const fn mode(self) -> Option<Mode> {
        Mode::from_u64(self.0 >> 14 & 3)
    }

    /// Size of the table; `None` as for the mode.
    #[inline(always)]
    pub const fn size(self) -> Option<Size> {
        match self.0 >> 12 & 3 {
            1 => Some(Size::Small),
            2 => Some(Size::Medium),
            3 => Some(Size::Large),
            0 | 4.. => None,
        }
    }

    /// Number of the table among those of its size.
    #[inline(always)]
    pub const fn table(self) -> u32 {
        (self.0 & 0xfff) as u32
    }
}

const _: () = assert!(TABLES <= 0x1000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_back() {
        for size in Size::ALL {
            for mode in [Mode::Learn, Mode::Audit, Mode::Enforce] {
                for names in [false, true] {
                    let head = Head::new((1 << 47) - 1, mode, size, TABLES - 1).naming_contents(names);
                    let read = Head::from_word(head.word());
                    assert_eq!((read.generation(), read.mode()), ((1 << 47) - 1, Some(mode)));
                    assert_eq!((read.size(), read.table()), (Some(size), TABLES - 1));
                    assert_eq!(read.names_contents(), names);
                    assert!(!read.naming_contents(false).names_contents());
                }
            }
            assert_eq!(Size::of(size.words()), Some(size));
        }
        let none = Head::EMPTY;
        assert_eq!((none.is_empty(), none.mode(), none.size()), (true, None, None));
        assert_eq!(Size::of(7), Some(Size::Small));
        assert_eq!(Size::of(LARGE + 1), None);
    }
}
