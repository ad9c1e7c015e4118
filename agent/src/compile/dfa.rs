//! The deterministic automaton: sets of positions become states, each built once.
//!
//! A state's row is worked out from the classes its positions name; all other classes behave alike. So
//! the work goes with the text of the rules, and a thousand literal paths cost no more than their bytes.

use std::collections::HashMap;

use super::classes::{ClassSet, Classes, GUARDED};
use super::guard::Guard;
use super::nfa::{Label, Nfa};
use super::position::{self, Closure, Position, Way};
use super::states::{STATES_MAX, States, StatesFull};

/// Number of a state; 0 is the dead one.
pub(crate) type StateId = u32;

/// Positions looked at before giving up: about a second of work.
pub(crate) const WORK_MAX: usize = 40_000_000;
/// Cells of all rows, many times those of the largest table.
const CELLS_MAX: usize = 1 << 23;

#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Where every class leads that is not in its row.
    pub(crate) default: StateId,
    /// Its row ends here in [`Dfa::cells`], and begins where the one of the state before ends.
    row_end: usize,
    /// The labels that accept here; an index into [`Dfa::accepts`].
    pub(crate) accept: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Dfa {
    pub(crate) states: Vec<State>,
    cells: Vec<(u8, StateId)>,
    pub(crate) starts: Vec<StateId>,
    /// Sets of labels; the first is empty.
    pub(crate) accepts: Vec<Vec<Label>>,
    pub(crate) classes: Classes,
}

impl Dfa {
    /// Where single classes lead; sorted by class.
    pub(crate) fn row(&self, state: StateId) -> &[(u8, StateId)] {
        let start = (state as usize).checked_sub(1).map_or(0, |before| self.states[before].row_end);
        &self.cells[start..self.states[state as usize].row_end]
    }
}

/// Why the automaton was given up.
#[derive(Debug)]
pub(crate) enum TooMuch {
    /// The patterns alone have nearly as many states as there may be.
    Text,
    /// They are few, and overlap in many ways.
    Overlaps,
}

/// An automaton, or none, and the positions spent on each node of the patterns.
pub(crate) struct Built {
    pub(crate) dfa: Result<Dfa, TooMuch>,
    pub(crate) nodes: Vec<usize>,
}

/// Builds the automaton from `starts`, which are sets of positions that `closure` closed, and gives up
/// after looking at `work` positions.
pub(crate) fn build(nfa: &Nfa, starts: &[(Guard, Vec<Position>)], closure: Closure, work: usize) -> Built {
    let classes = Classes::new(nfa);
    let sets = nfa.sets.iter().map(|set| ClassSet::new(set, &classes)).collect();
    let width = classes.len();
    let mut builder = Builder {
        nfa,
        sets,
        classes: &classes,
        states: States::default(),
        closure,
        columns: Columns { buckets: vec![Vec::new(); width], named: vec![false; width], touched: Vec::new() },
        rest: Vec::new(),
        wide: Vec::new(),
        reached: Vec::new(),
        work: 0,
        work_max: work,
    };
    let parts = builder.run(starts);
    let nodes = builder.nodes();
    let dfa = parts.map(|(states, cells, starts, accepts)| Dfa { states, cells, starts, accepts, classes });
    let why = if nfa.len() > STATES_MAX / 2 { TooMuch::Text } else { TooMuch::Overlaps };
    Built { dfa: dfa.map_err(|StatesFull| why), nodes }
}

type Parts = (Vec<State>, Vec<(u8, StateId)>, Vec<StateId>, Vec<Vec<Label>>);

/// What is known of each class while a row is worked out.
struct Columns {
    buckets: Vec<Vec<Position>>,
    named: Vec<bool>,
    /// The classes that are named.
    touched: Vec<u8>,
}

impl Columns {
    fn name(&mut self, class: u8) -> &mut Vec<Position> {
        let column = usize::from(class);
        if !std::mem::replace(&mut self.named[column], true) {
            self.touched.push(class);
        }
        &mut self.buckets[column]
    }
}

struct Builder<'a> {
    nfa: &'a Nfa,
    sets: Vec<ClassSet>,
    classes: &'a Classes,
    states: States,
    closure: Closure,
    columns: Columns,
    /// Where a class leads that nothing names.
    rest: Vec<Position>,
    /// Sets that hold most classes, and where they lead.
    wide: Vec<(u32, Position)>,
    reached: Vec<Position>,
    work: usize,
    work_max: usize,
}

impl Builder<'_> {
    fn run(&mut self, starts: &[(Guard, Vec<Position>)]) -> Result<Parts, StatesFull> {
        self.states.intern(Guard::Off, &[])?;
        let mut begin = Vec::new();
        for (guard, positions) in starts {
            begin.push(self.states.intern(*guard, positions)?);
        }
        let (mut states, mut cells) = (Vec::new(), Vec::new());
        let mut accepts = vec![Vec::new()];
        let mut accept_ids = HashMap::from([(Vec::new(), 0)]);
        let mut positions = Vec::new();
        while states.len() < self.states.len() {
            if self.work.saturating_add(self.closure.work) > self.work_max || cells.len() > CELLS_MAX {
                return Err(StatesFull);
            }
            positions.clear();
            let (guard, key) = self.states.key(states.len());
            positions.extend_from_slice(key);
            let labels = self.accepted(guard, &positions);
            let fresh = u32::try_from(accepts.len()).unwrap_or(u32::MAX);
            let accept = *accept_ids.entry(labels).or_insert_with_key(|labels| {
                accepts.push(labels.clone());
                fresh
            });
            let default = self.row(guard, &positions, &mut cells)?;
            states.push(State { default, row_end: cells.len(), accept });
        }
        Ok((states, cells, begin, accepts))
    }

    fn accepted(&self, guard: Guard, positions: &[Position]) -> Vec<Label> {
        if !guard.accepts() {
            return Vec::new();
        }
        let mut labels: Vec<Label> =
            positions.iter().flat_map(|at| position::labels(self.nfa, *at)).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// Where each class leads: the default, and into `cells` those classes that lead elsewhere.
    fn row(
        &mut self,
        guard: Guard,
        positions: &[Position],
        cells: &mut Vec<(u8, StateId)>,
    ) -> Result<StateId, StatesFull> {
        self.rest.clear();
        self.wide.clear();
        self.work = self.work.saturating_add(positions.len());
        for at in positions {
            self.look(*at);
        }
        if guard != Guard::Off {
            for byte in GUARDED {
                self.columns.name(self.classes.of(byte));
            }
        }
        let mut touched = std::mem::take(&mut self.columns.touched);
        touched.sort_unstable();
        for (set, next) in &self.wide {
            let set = &self.sets[*set as usize];
            for class in touched.iter().filter(|class| !set.names(**class)) {
                self.columns.buckets[usize::from(*class)].push(*next);
            }
        }
        self.work = self.work.saturating_add(self.wide.len().saturating_mul(touched.len()));

        let unnamed = self.columns.named.iter().position(|named| !named);
        let default = match unnamed {
            Some(class) => {
                let rest = std::mem::take(&mut self.rest);
                let target = self.target(guard.step(self.classes.sample[class]), &rest)?;
                self.rest = rest;
                target
            }
            None => 0,
        };
        for class in &touched {
            let column = usize::from(*class);
            let mut bucket = std::mem::take(&mut self.columns.buckets[column]);
            let target = self.target(guard.step(self.classes.sample[column]), &bucket)?;
            bucket.clear();
            self.columns.buckets[column] = bucket;
            self.columns.named[column] = false;
            if target != default {
                cells.push((*class, target));
            }
        }
        touched.clear();
        self.columns.touched = touched;
        Ok(default)
    }

    fn look(&mut self, at: Position) {
        let Self { sets, classes, columns, rest, wide, work, .. } = self;
        position::ways(self.nfa, at, |way| {
            *work = work.saturating_add(1);
            match way {
                Way::Byte(byte, next) => columns.name(classes.of(byte)).push(next),
                Way::Set(number, next) => {
                    let set = &sets[number as usize];
                    *work = work.saturating_add(set.named.len());
                    for class in &set.named {
                        let bucket = columns.name(*class);
                        if !set.negated {
                            bucket.push(next);
                        }
                    }
                    if set.negated {
                        rest.push(next);
                        wide.push((number, next));
                    }
                }
            }
        });
    }

    fn target(&mut self, guard: Option<Guard>, positions: &[Position]) -> Result<StateId, StatesFull> {
        match guard {
            Some(guard) if !positions.is_empty() => {
                self.closure.of(self.nfa, positions, &mut self.reached);
                self.states.intern(guard, &self.reached)
            }
            Some(_) | None => Ok(0),
        }
    }

    /// Positions spent on each node. What is not reached yet counts once.
    fn nodes(&self) -> Vec<usize> {
        let mut nodes = vec![1usize; self.nfa.len()];
        for node in self.states.positions().map(position::node) {
            if let Some(count) = nodes.get_mut(node as usize) {
                *count = count.saturating_add(1);
            }
        }
        nodes
    }
}
