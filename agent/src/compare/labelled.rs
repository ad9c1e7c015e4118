//! An automaton of some rules in which every state knows which of them match.

use super::automaton::alive;
use super::partition::Partition;
use crate::compile::{Dfa, Label, StartKind};

/// The automaton of rules, whatever they grant.
#[derive(Debug)]
pub(super) struct Labelled {
    starts: [u32; 4],
    classes: Partition,
    rows: Vec<u32>,
    /// For each state, which of `labels` it has.
    accepts: Vec<u32>,
    labels: Vec<Vec<Label>>,
    alive: Vec<bool>,
}

impl Labelled {
    pub(super) fn new(dfa: Dfa) -> Self {
        let classes = Partition::of_classes(&dfa.classes.of_byte, dfa.classes.len());
        let width = classes.count();
        let mut rows = Vec::with_capacity(dfa.states.len().saturating_mul(width));
        for (id, state) in (0..).zip(&dfa.states) {
            let start = rows.len();
            rows.resize(start.saturating_add(width), state.default);
            for (class, next) in dfa.row(id) {
                rows[start.saturating_add(usize::from(*class))] = *next;
            }
        }
        let mut starts = [0; 4];
        starts.iter_mut().zip(&dfa.starts).for_each(|(to, from)| *to = *from);
        let accepts: Vec<u32> = dfa.states.iter().map(|state| state.accept).collect();
        let says = accepts.iter().map(|accept| !dfa.accepts[*accept as usize].is_empty()).collect();
        let alive = alive(&rows, width, says);
        Self { starts, classes, rows, accepts, labels: dfa.accepts, alive }
    }

    pub(super) fn classes(&self) -> &Partition {
        &self.classes
    }

    pub(super) fn start(&self, kind: StartKind) -> u32 {
        self.starts[kind as usize]
    }

    pub(super) fn next(&self, state: u32, class: usize) -> u32 {
        self.rows[(state as usize).saturating_mul(self.classes.count()).saturating_add(class)]
    }

    /// The rules that match names which end in `state`.
    pub(super) fn labels(&self, state: u32) -> &[Label] {
        &self.labels[self.accepts[state as usize] as usize]
    }

    /// Whether a rule matches any name that goes through `state`.
    pub(super) fn alive(&self, state: u32) -> bool {
        self.alive[state as usize]
    }
}
