//! The smallest automaton that grants the same: states that no name can tell apart become one.
//!
//! States with the same grant begin in one block. A block is split while its states lead to different
//! blocks, and only states that lead to a new block are looked at again. A new block is never the
//! largest part of an old one, so a state is looked at about as often as its targets can be halved.

use stockade_abi::table::Grant;

use super::dfa::{Dfa, StateId};
use super::partition::{BlockId, Partition};
use super::row::{Row, RowMaker};

/// The automaton of a table. State 0 is the dead one; states are numbered in the order in which they are
/// met from the starts, so that what grants the same has the same numbers.
#[derive(Debug)]
pub(crate) struct Minimal {
    pub(crate) rows: Vec<Row>,
    cells: Vec<(u8, StateId)>,
    /// For each state, the number of its grant.
    pub(crate) grant_of: Vec<u32>,
    /// The first grants nothing.
    pub(crate) grants: Vec<Grant>,
    pub(crate) starts: Vec<StateId>,
}

impl Minimal {
    pub(crate) fn row(&self, state: StateId) -> &[(u8, StateId)] {
        let row = self.rows[state as usize];
        &self.cells[row.start..row.end]
    }
}

/// Makes the automaton smaller; `grants` is what each of its sets of labels comes to.
pub(crate) fn minimise(dfa: &Dfa, grants: &[Grant]) -> Minimal {
    let partition = stable(dfa, grants);
    number(dfa, grants, &partition)
}

fn stable(dfa: &Dfa, grants: &[Grant]) -> Partition {
    let mut kinds: Vec<Grant> = grants.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let kind_of: Vec<u32> = grants
        .iter()
        .map(|grant| kinds.binary_search(grant).ok().and_then(|kind| u32::try_from(kind).ok()).unwrap_or(0))
        .collect();
    let first: Vec<BlockId> = dfa.states.iter().map(|state| kind_of[state.accept as usize]).collect();
    let before = Predecessors::new(dfa);
    let mut rows = RowMaker::new(dfa.classes.len());
    let mut partition = Partition::new(&first, kinds.len());
    let mut signatures = Signatures::default();
    while let Some(block) = partition.next_dirty() {
        signatures.clear();
        // One state that is known to be like all clean ones stands for them.
        let clean = partition.clean(block);
        for state in partition.dirty(block).iter().chain(clean.as_ref()) {
            signatures.add(*state, dfa, &partition, &mut rows);
        }
        signatures.group();
        for fresh in partition.split(block, clean, &signatures.order, &signatures.group_of) {
            partition.members_of(fresh, &mut signatures.members);
            for state in &signatures.members {
                before.of(*state).iter().for_each(|state| partition.mark(*state));
            }
        }
    }
    partition
}

/// Which states lead to a state.
struct Predecessors {
    states: Vec<StateId>,
    ends: Vec<usize>,
}

impl Predecessors {
    fn new(dfa: &Dfa) -> Self {
        let mut ends = vec![0usize; dfa.states.len()];
        each_target(dfa, |_, target| ends[target as usize] = ends[target as usize].saturating_add(1));
        let mut sum = 0usize;
        for end in &mut ends {
            // For now, where each begins; filling moves it to where it ends.
            sum = sum.saturating_add(std::mem::replace(end, sum));
        }
        let mut states = vec![0; sum];
        each_target(dfa, |state, target| {
            let at = &mut ends[target as usize];
            states[*at] = state;
            *at = at.saturating_add(1);
        });
        Self { states, ends }
    }

    fn of(&self, state: StateId) -> &[StateId] {
        let start = (state as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.states[start..self.ends[state as usize]]
    }
}

fn each_target(dfa: &Dfa, mut take: impl FnMut(StateId, StateId)) {
    for (id, state) in (0..).zip(&dfa.states) {
        let row = dfa.row(id);
        if row.len() < dfa.classes.len() {
            take(id, state.default);
        }
        let mut last = None;
        for (_, target) in row {
            if last.replace(*target) != Some(*target) {
                take(id, *target);
            }
        }
    }
}

/// Where the states of one block lead, as blocks.
#[derive(Default)]
struct Signatures {
    words: Vec<u64>,
    /// For each state: a hash of its words, where they begin and end, and the state.
    entries: Vec<(u64, usize, usize, StateId)>,
    /// The states, those of a group next to each other.
    order: Vec<StateId>,
    /// For each of them, its group.
    group_of: Vec<u32>,
    members: Vec<StateId>,
}

impl Signatures {
    fn clear(&mut self) {
        self.words.clear();
        self.entries.clear();
    }

    fn add(&mut self, state: StateId, dfa: &Dfa, partition: &Partition, rows: &mut RowMaker) {
        let start = self.words.len();
        let block = |state: StateId| partition.block(state);
        let default = block(dfa.states[state as usize].default);
        let cells = dfa.row(state).iter().map(|(class, target)| (*class, block(*target)));
        let default = rows.normal(default, cells);
        self.words.push(u64::from(default));
        self.words
            .extend(rows.cells.iter().map(|(class, block)| u64::from(*class) << 32 | u64::from(*block)));
        // Only spreads them for the sort: words are compared in full.
        let hash = self.words[start..]
            .iter()
            .fold(0u64, |hash, word| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.entries.push((hash, start, self.words.len(), state));
    }

    fn group(&mut self) {
        self.order.clear();
        self.group_of.clear();
        let Self { words, entries, order, group_of, .. } = self;
        if entries.len() > 1 {
            entries.sort_unstable_by(|a, b| {
                a.0.cmp(&b.0).then_with(|| words[a.1..a.2].cmp(&words[b.1..b.2])).then(a.3.cmp(&b.3))
            });
        }
        let mut group = 0u32;
        let mut last: Option<&[u64]> = None;
        for (_, start, end, state) in entries.iter() {
            let words = &words[*start..*end];
            if last.replace(words).is_some_and(|last| last != words) {
                group = group.saturating_add(1);
            }
            order.push(*state);
            group_of.push(group);
        }
    }
}

/// Numbers the blocks from the starts on.
fn number(dfa: &Dfa, grants: &[Grant], partition: &Partition) -> Minimal {
    const NONE: StateId = StateId::MAX;
    let mut ids = vec![NONE; partition.len()];
    let mut order: Vec<BlockId> = Vec::new();
    let mut id_of = |block: BlockId, order: &mut Vec<BlockId>| {
        let id = &mut ids[block as usize];
        if *id == NONE {
            *id = StateId::try_from(order.len()).unwrap_or(NONE);
            order.push(block);
        }
        *id
    };
    id_of(partition.block(0), &mut order);
    let starts = dfa.starts.iter().map(|start| id_of(partition.block(*start), &mut order)).collect();
    let mut minimal = Minimal {
        rows: Vec::new(),
        cells: Vec::new(),
        grant_of: Vec::new(),
        grants: vec![Grant::default()],
        starts,
    };
    let mut known = std::collections::HashMap::from([(Grant::default(), 0)]);
    let mut rows = RowMaker::new(dfa.classes.len());
    while let Some(block) = order.get(minimal.rows.len()) {
        let state = partition.first(*block);
        let of = |state: StateId| partition.block(state);
        let cells = dfa.row(state).iter().map(|(class, target)| (*class, of(*target)));
        let default = rows.normal(of(dfa.states[state as usize].default), cells);
        let default = id_of(default, &mut order);
        let start = minimal.cells.len();
        for (class, block) in &rows.cells {
            minimal.cells.push((*class, id_of(*block, &mut order)));
        }
        minimal.rows.push(Row { default, start, end: minimal.cells.len() });
        let grant = grants[dfa.states[state as usize].accept as usize];
        let fresh = u32::try_from(minimal.grants.len()).unwrap_or(u32::MAX);
        let number = *known.entry(grant).or_insert(fresh);
        if number == fresh {
            minimal.grants.push(grant);
        }
        minimal.grant_of.push(number);
    }
    minimal
}
