//! A policy's automaton, copied out of its table into rows that are quick to walk side by side.

use std::collections::HashMap;

use stockade_abi::access::{AccessSet, EXEC};
use stockade_abi::table::Grant;

use super::partition::Partition;
use crate::compile::{CompileError, PolicyTable, StartKind, compile_table};
use crate::profile::Profile;

/// What a grant comes to.
pub(crate) trait Allowed {
    /// What may be done in the end, by whoever does it.
    fn allowed(self, session: bool) -> AccessSet;
    /// The same, with a start that only some programs may make.
    fn possible(self, session: bool) -> AccessSet;
}

impl Allowed for Grant {
    fn allowed(self, session: bool) -> AccessSet {
        if session { self.session & !self.session_denied } else { self.container & !self.denied }
    }

    fn possible(self, session: bool) -> AccessSet {
        self.allowed(session) | if self.parents == 0 { 0 } else { EXEC }
    }
}

/// A deterministic automaton over classes of bytes.
#[derive(Debug)]
pub(crate) struct Automaton {
    starts: [u32; 4],
    classes: Partition,
    rows: Vec<u32>,
    grants: Vec<Grant>,
    alive: Vec<bool>,
}

impl Automaton {
    /// Compiles `profile` and takes its automaton. Contents that rules name are no part of it: they are compared as
    /// words.
    pub(crate) fn compiled(profile: &Profile) -> Result<Self, CompileError> {
        let mut bare = profile.clone();
        bare.exec.iter_mut().for_each(|rule| rule.sha256.clear());
        compile_table(&bare).map(|table| Self::new(&table))
    }

    pub(crate) fn new(table: &PolicyTable) -> Self {
        let mut states = States::default();
        let starts = StartKind::ALL.map(|kind| states.number(table.start(kind)));
        let mut classes = Partition::one();
        let mut at = 0;
        while let Some(state) = states.order.get(at).copied() {
            let mut row = [0; 256];
            let mut last = state;
            for (byte, entry) in (0..=u8::MAX).zip(&mut row) {
                *entry = table.next(state, byte);
                if *entry != last {
                    last = *entry;
                    states.number(last);
                }
            }
            classes.refine(&row);
            at = at.saturating_add(1);
        }
        let bytes = classes.lowest();
        let mut rows = Vec::with_capacity(states.order.len().saturating_mul(bytes.len()));
        for state in states.order.clone() {
            rows.extend(bytes.iter().map(|byte| states.number(table.next(state, *byte))));
        }
        let grants: Vec<Grant> = states.order.iter().map(|state| table.grant(*state)).collect();
        let says = grants.iter().map(|grant| *grant != Grant::default()).collect();
        let alive = alive(&rows, bytes.len(), says);
        Self { starts, classes, rows, grants, alive }
    }

    pub(super) fn classes(&self) -> &Partition {
        &self.classes
    }

    pub(super) fn start(&self, kind: StartKind) -> u32 {
        let [path, process, thread, peer] = self.starts;
        match kind {
            StartKind::Path => path,
            StartKind::ProcSelf => process,
            StartKind::ThreadSelf => thread,
            StartKind::Peer => peer,
        }
    }

    pub(super) fn next(&self, state: u32, class: usize) -> u32 {
        self.rows[(state as usize).saturating_mul(self.classes.count()).saturating_add(class)]
    }

    /// What is said about names that end in `state`.
    pub(super) fn grant(&self, state: u32) -> Grant {
        self.grants[state as usize]
    }

    /// Whether anything is said about any name that goes through `state`.
    pub(super) fn alive(&self, state: u32) -> bool {
        self.alive[state as usize]
    }

    /// Whether any name meets a deny rule.
    pub(crate) fn has_denials(&self) -> bool {
        self.grants.iter().any(|grant| grant.denied | grant.session_denied != 0)
    }
}

/// The table's states, numbered as they are met.
#[derive(Default)]
struct States {
    order: Vec<u32>,
    /// By the table's own number, of which some bits say what kind of state it is.
    ids: HashMap<u32, u32>,
}

impl States {
    fn number(&mut self, state: u32) -> u32 {
        let fresh = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        *self.ids.entry(state).or_insert_with(|| {
            self.order.push(state);
            fresh
        })
    }
}

/// For each state, whether one that says something can be reached; `says` are those that do.
pub(super) fn alive(rows: &[u32], width: usize, says: Vec<bool>) -> Vec<bool> {
    let mut alive = says;
    loop {
        let mut changed = false;
        // States are numbered along the names, so that one round backwards settles nearly all.
        for (state, row) in rows.chunks(width).enumerate().rev() {
            if !alive[state] && row.iter().any(|next| alive[*next as usize]) {
                alive[state] = true;
                changed = true;
            }
        }
        if !changed {
            return alive;
        }
    }
}
