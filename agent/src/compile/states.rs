//! The sets of positions that are states, in one piece of memory, each found again by its content.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::dfa::StateId;
use super::guard::Guard;
use super::position::Position;

/// States of an automaton before it is made smaller. Each takes about a hundred bytes until then.
pub(crate) const STATES_MAX: usize = 1 << 20;
/// Positions of all states.
const POSITIONS_MAX: usize = 1 << 24;

/// There is no room for another state.
#[derive(Debug)]
pub(crate) struct StatesFull;

#[derive(Debug, Default)]
pub(crate) struct States {
    positions: Vec<Position>,
    /// For each state, its guard and where its positions end.
    ends: Vec<(Guard, usize)>,
    known: HashTable<StateId>,
    hasher: DefaultHashBuilder,
}

impl States {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.positions.iter().copied()
    }

    pub(crate) fn key(&self, state: usize) -> (Guard, &[Position]) {
        key(&self.ends, &self.positions, state)
    }

    pub(crate) fn intern(&mut self, guard: Guard, positions: &[Position]) -> Result<StateId, StatesFull> {
        // Without positions nothing can match any more, whatever the guard thinks.
        let guard = if positions.is_empty() { Guard::Off } else { guard };
        let Self { positions: all, ends, known, hasher } = self;
        let hash = hasher.hash_one((guard, positions));
        if let Some(id) = known.find(hash, |id| key(ends, all, *id as usize) == (guard, positions)) {
            return Ok(*id);
        }
        let id = StateId::try_from(ends.len()).map_err(|_full| StatesFull)?;
        if ends.len() >= STATES_MAX || all.len().saturating_add(positions.len()) > POSITIONS_MAX {
            return Err(StatesFull);
        }
        all.extend_from_slice(positions);
        ends.push((guard, all.len()));
        known.insert_unique(hash, id, |id| hasher.hash_one(key(ends, all, *id as usize)));
        Ok(id)
    }
}

fn key<'a>(ends: &[(Guard, usize)], positions: &'a [Position], state: usize) -> (Guard, &'a [Position]) {
    let start = state.checked_sub(1).map_or(0, |before| ends[before].1);
    let (guard, end) = ends[state];
    (guard, &positions[start..end])
}
