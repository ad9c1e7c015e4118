//! Which table stands where: policies whose tables are equal share one.
//!
//! Pure bookkeeping; [`super::maps`] does what it says.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::head::{Head, Size, TABLES};

/// A place for a table: its size, and its number among the tables of that size.
pub(super) type Number = (Size, u32);

/// The table that is put in place to have the kernel wait for running programs; no head names it.
pub(super) const BLANK: Number = (Size::Small, 0);

/// The tables of a node.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Slots that each table judges for.
    users: BTreeMap<Number, BTreeSet<u32>>,
    /// What the tables hold that this agent put in place.
    digests: BTreeMap<String, Number>,
    /// Tables that no head names any more, but a decision under way may still.
    retired: BTreeSet<Number>,
}

/// What has to be done for a table to be in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is there.
    There(Number),
    /// It has to be put there.
    Fresh(Number),
}

impl Tables {
    /// From the heads that are in force.
    pub(super) fn of(heads: impl Iterator<Item = (u32, Head)>) -> Self {
        let mut tables = Self::default();
        for (slot, head) in heads {
            if let Some(size) = head.size() {
                tables.users.entry((size, head.table())).or_default().insert(slot);
            }
        }
        tables
    }

    /// Where the table with this digest is or is to be; `None` when every place of its size is taken.
    pub(super) fn place(&self, digest: &str, size: Size) -> Option<Placed> {
        if let Some(number) = self.digests.get(digest).filter(|number| number.0 == size) {
            return Some(Placed::There(*number));
        }
        let free = |number: &Number| !self.users.contains_key(number) && !self.retired.contains(number);
        (1..TABLES).map(|number| (size, number)).find(free).map(Placed::Fresh)
    }

    /// The slot's head names this table now, which holds what has this digest.
    pub(super) fn flipped(&mut self, slot: u32, target: Number, digest: &str) {
        let mut left = Vec::new();
        for (number, slots) in &mut self.users {
            if *number != target && slots.remove(&slot) && slots.is_empty() {
                left.push(*number);
            }
        }
        for number in left {
            self.users.remove(&number);
            self.digests.retain(|_, held| *held != number);
            self.retired.insert(number);
        }
        self.users.entry(target).or_default().insert(slot);
        self.digests.insert(digest.to_owned(), target);
    }

    /// Tables to remove once no decision that is under way now can name them.
    pub(super) fn retired(&self) -> impl Iterator<Item = Number> + '_ {
        self.retired.iter().copied()
    }

    /// It is removed, and its place is free.
    pub(super) fn removed(&mut self, number: Number) {
        self.retired.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::reason::Mode;

    use super::*;

    #[test]
    fn equal_tables_share_a_place_until_the_last_user_goes() {
        let mut tables = Tables::default();
        let first = (Size::Small, 1);
        assert_eq!(tables.place("a", Size::Small), Some(Placed::Fresh(first)));
        tables.flipped(5, first, "a");
        assert_eq!(tables.place("a", Size::Small), Some(Placed::There(first)));
        tables.flipped(6, first, "a");
        assert_eq!(tables.place("b", Size::Small), Some(Placed::Fresh((Size::Small, 2))));
        tables.flipped(5, (Size::Small, 2), "b");
        assert_eq!(tables.retired().count(), 0);
        tables.flipped(6, (Size::Small, 2), "b");
        assert_eq!(tables.retired().collect::<Vec<_>>(), [first]);
        // Not before it is removed.
        assert_eq!(tables.place("a", Size::Small), Some(Placed::Fresh((Size::Small, 3))));
        tables.removed(first);
        assert_eq!(tables.place("a", Size::Small), Some(Placed::Fresh(first)));
    }

    #[test]
    fn the_same_table_again_stays() {
        let mut tables = Tables::default();
        let number = (Size::Large, 1);
        tables.flipped(1, number, "a");
        tables.flipped(1, number, "a");
        assert_eq!(tables.retired().count(), 0);
        assert_eq!(tables.place("a", Size::Large), Some(Placed::There(number)));
    }

    #[test]
    fn what_an_earlier_agent_left_is_not_written_over() {
        let head = Head::new(4, Mode::Enforce, Size::Medium, 1);
        let mut tables = Tables::of([(9, head)].into_iter());
        assert_eq!(tables.place("a", Size::Medium), Some(Placed::Fresh((Size::Medium, 2))));
        tables.flipped(9, (Size::Medium, 2), "a");
        assert_eq!(tables.retired().collect::<Vec<_>>(), [(Size::Medium, 1)]);
    }
}
