//! The first words.

use stockade_abi::table::{
    CLASSES, FORMAT, GRANT_WORDS, GRANTS, LARGE, MAGIC, MEDIUM, PIN_WORDS, PINS, PINS_MAX, SMALL, USED, high,
    low, pair,
};

use super::TableError;

/// What the first words say.
pub(super) struct Header {
    /// Words in use.
    pub(super) used: u32,
    pub(super) grants: u32,
    pub(super) pins: u32,
    /// The first word behind the grants and pins.
    pub(super) first: u32,
    /// Every class that a byte has.
    pub(super) classes: Vec<u32>,
}

impl Header {
    pub(super) fn read(words: &[u64]) -> Result<Self, TableError> {
        if ![SMALL, MEDIUM, LARGE].contains(&words.len()) {
            return Err(TableError::Size(words.len()));
        }
        let first = words[0];
        if low(first) != MAGIC {
            return Err(TableError::Magic(first));
        }
        if first != pair(MAGIC, FORMAT) {
            return Err(TableError::Format(high(first)));
        }
        let (used, grants) = (low(words[USED as usize]), high(words[USED as usize]));
        if used < GRANTS || used as usize > words.len() {
            return Err(TableError::Used(used));
        }
        let first = grants.checked_mul(GRANT_WORDS).and_then(|words| words.checked_add(GRANTS));
        let pin = first.filter(|first| grants > 0 && *first <= used).ok_or(TableError::Grants(grants))?;
        let (at, pins) = (low(words[PINS as usize]), high(words[PINS as usize]));
        let first = pins.checked_mul(PIN_WORDS).and_then(|words| words.checked_add(pin));
        let first = first.filter(|first| at == pin && pins <= PINS_MAX && *first <= used);
        let first = first.ok_or(TableError::Pins(pins))?;
        if let Some(index) = (used as usize..words.len()).find(|index| words[*index] != 0) {
            return Err(TableError::NotZero(index));
        }
        let mut classes: Vec<u32> = words[CLASSES as usize..GRANTS as usize]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .map(u32::from)
            .collect();
        classes.sort_unstable();
        classes.dedup();
        Ok(Self { used, grants, pins, first, classes })
    }
}
