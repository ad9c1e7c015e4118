//! Which rules match a name. The table does not know: in it, rules that grant the same are one.
//!
//! An automaton that tells every rule apart can be far larger than the one that tells apart what is
//! granted, for a profile that makes a small table. So this one is made only as far as the questions lead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::classes::Classes;
use super::guard::Guard;
use super::nfa::{Label, Nfa};
use super::pattern::Patterns;
use super::policy::StartKind;
use super::position::{self, Closure, Position};

/// Numbers kept of what was worked out; beyond, it is forgotten before the next question.
const KEPT_MAX: usize = 1 << 24;

/// Finds the rules that match a name.
#[derive(Debug)]
pub(crate) struct Attribution {
    nfa: Nfa,
    classes: Classes,
    starts: [(Guard, Arc<[Position]>); 4],
    known: Mutex<Known>,
}

impl Attribution {
    /// For `rules` rules with these patterns. A rule's label is its number.
    pub(super) fn new(patterns: &Patterns, rules: usize) -> Self {
        let labels: Vec<Label> = (0..).take(rules).collect();
        let nfa = Nfa::new(patterns, &labels, &[]);
        let mut closure = Closure::of_rules(&nfa);
        let starts = super::starts(&nfa, &mut closure);
        let starts = starts.map(|(guard, positions)| (guard, Arc::from(positions)));
        let known = Mutex::new(Known::new(closure));
        Self { classes: Classes::new(&nfa), nfa, starts, known }
    }

    /// The rules that match the name which `rest` spells from the start of `kind`, in their order.
    pub(crate) fn rules(&self, kind: StartKind, rest: &[u8]) -> Arc<[Label]> {
        // Nothing that could panic leaves a state half made.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.kept > KEPT_MAX {
            known.forget();
        }
        let (guard, positions) = &self.starts[kind as usize];
        let mut state = known.state(*guard, positions, self.classes.len());
        for byte in rest {
            state = known.step(self, state, *byte);
        }
        known.labels(&self.nfa, state)
    }
}

type Key = (Guard, Arc<[Position]>);

/// States that questions led to.
#[derive(Debug)]
struct Known {
    closure: Closure,
    ids: HashMap<Key, u32>,
    states: Vec<State>,
    /// For each state and class, the next state plus one; 0 is not known yet.
    rows: Vec<u32>,
    kept: usize,
}

#[derive(Debug)]
struct State {
    key: Key,
    labels: Option<Arc<[Label]>>,
}

impl Known {
    fn new(closure: Closure) -> Self {
        Self { closure, ids: HashMap::new(), states: Vec::new(), rows: Vec::new(), kept: 0 }
    }

    fn forget(&mut self) {
        self.ids.clear();
        self.states.clear();
        self.rows.clear();
        self.kept = 0;
    }

    fn state(&mut self, guard: Guard, positions: &Arc<[Position]>, width: usize) -> u32 {
        let key = (guard, Arc::clone(positions));
        // Memory for as many states is never there.
        let fresh = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(key).or_insert_with_key(|key| {
            self.states.push(State { key: key.clone(), labels: None });
            fresh
        });
        if id == fresh {
            self.rows.resize(self.rows.len().saturating_add(width), 0);
            self.kept = self.kept.saturating_add(width).saturating_add(positions.len());
        }
        id
    }

    fn step(&mut self, whole: &Attribution, state: u32, byte: u8) -> u32 {
        let width = whole.classes.len();
        let cell = (state as usize).saturating_mul(width).saturating_add(whole.classes.of(byte).into());
        if let Some(next) = self.rows[cell].checked_sub(1) {
            return next;
        }
        let (guard, positions) = self.states[state as usize].key.clone();
        let mut reached = Vec::new();
        let guard = guard.step(byte);
        if guard.is_some() {
            let (mut next, covered) = position::step(&whole.nfa, &positions, byte);
            next.extend(covered);
            self.closure.of(&whole.nfa, &next, &mut reached);
        }
        let next = self.state(guard.unwrap_or(Guard::Off), &Arc::from(reached), width);
        self.rows[cell] = next.saturating_add(1);
        next
    }

    fn labels(&mut self, nfa: &Nfa, state: u32) -> Arc<[Label]> {
        let State { key: (guard, positions), labels } = &mut self.states[state as usize];
        let found = labels.get_or_insert_with(|| {
            let at = if guard.accepts() { &positions[..] } else { &[] };
            let mut labels: Vec<Label> =
                at.iter().flat_map(|at| position::labels(nfa, *at)).copied().collect();
            labels.sort_unstable();
            labels.dedup();
            Arc::from(labels)
        });
        Arc::clone(found)
    }
}
