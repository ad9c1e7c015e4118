//! Which slot a policy gets.

use std::collections::BTreeMap;

use stockade_abi::SLOTS_OF_POLICIES;

use crate::store::slots::{SlotKey, SlotRow};

/// The slot for `key`, which has none in use: the one it had before, else one never used, else the one
/// given back longest ago. A process that outlived its subject may still carry a slot's number, so
/// slots change hands as late as possible.
pub fn choose(rows: &BTreeMap<u32, SlotRow>, key: &SlotKey) -> Option<u32> {
    let free = || rows.values().filter_map(|row| Some((row.freed?, row)));
    free()
        .find(|(_, row)| row.key == *key)
        .map(|(_, row)| row.slot)
        .or_else(|| SLOTS_OF_POLICIES.clone().find(|slot| !rows.contains_key(slot)))
        .or_else(|| free().min_by_key(|(freed, _)| *freed).map(|(_, row)| row.slot))
}

/// The number of the next swap: no two swaps of a node have the same, so that what was decided under one
/// policy is never taken for another's. `in_kernel` is the last one that the kernel still knew of when
/// this agent came, whatever became of the database.
pub fn next_generation(rows: &BTreeMap<u32, SlotRow>, in_kernel: u64) -> u64 {
    rows.values().map(|row| row.generation).max().unwrap_or(0).max(in_kernel).saturating_add(1)
}

/// The order in which the next slot is given back.
pub fn next_freed(rows: &BTreeMap<u32, SlotRow>) -> u64 {
    rows.values().filter_map(|row| row.freed).max().map_or(1, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slot: u32, profile: &str, generation: u64, freed: Option<u64>) -> (u32, SlotRow) {
        let key = SlotKey::named(profile);
        let row = SlotRow {
            slot,
            key,
            generation,
            digest: String::new(),
            source: None,
            text: String::new(),
            freed,
        };
        (slot, row)
    }

    #[test]
    fn its_own_then_unused_then_oldest() {
        let mut rows =
            BTreeMap::from([row(1, "a", 5, None), row(2, "b", 9, Some(2)), row(3, "c", 3, Some(1))]);
        assert_eq!(choose(&rows, &SlotKey::named("b")), Some(2));
        assert_eq!(choose(&rows, &SlotKey::named("x")), Some(4));
        rows.extend((4..SLOTS_OF_POLICIES.end).map(|slot| row(slot, "full", 1, None)));
        assert_eq!(choose(&rows, &SlotKey::named("x")), Some(3));
        for row in rows.values_mut() {
            row.freed = None;
        }
        assert_eq!(choose(&rows, &SlotKey::named("x")), None);
    }

    #[test]
    fn numbers_only_grow() {
        let rows = BTreeMap::from([row(1, "a", 5, Some(1)), row(2, "b", 9, Some(2))]);
        assert_eq!(next_generation(&rows, 0), 10);
        assert_eq!(next_generation(&rows, 20), 21);
        assert_eq!(next_generation(&BTreeMap::new(), 0), 1);
        assert_eq!(next_freed(&rows), 3);
    }
}
