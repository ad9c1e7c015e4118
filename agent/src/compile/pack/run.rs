//! Runs: states that lead on with one byte and grant nothing, as text.

use crate::compile::classes::Classes;
use crate::compile::dfa::StateId;
use crate::compile::minimise::Minimal;

const NONE: usize = usize::MAX;

/// One piece of text, and the state behind it.
#[derive(Debug)]
struct Run {
    start: usize,
    text: Vec<u8>,
    next: StateId,
}

#[derive(Debug)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// The byte of each state that is in a run.
    places: Vec<usize>,
    bytes: usize,
}

impl Runs {
    /// Every state that can be in a run is in one. A run ends before a state that is in another already,
    /// as does a text whose end is the end of another.
    pub(super) fn new(minimal: &Minimal, classes: &Classes) -> Self {
        let steps: Vec<Option<(u8, StateId)>> =
            (0..).zip(&minimal.rows).map(|(state, _)| step(minimal, classes, state)).collect();
        let mut is_next = vec![false; steps.len()];
        for (_, next) in steps.iter().flatten() {
            is_next[*next as usize] = true;
        }
        let mut runs = Self { runs: Vec::new(), places: vec![NONE; steps.len()], bytes: 0 };
        let states = || (0..).zip(&steps).map(|(state, _): (StateId, _)| state);
        // Texts begin where no other text leads to. A circle of texts would have no such beginning.
        for state in states().filter(|state| !is_next[*state as usize]).chain(states()) {
            runs.add(&steps, state);
        }
        runs
    }

    fn add(&mut self, steps: &[Option<(u8, StateId)>], from: StateId) {
        let mut run = Run { start: self.bytes, text: Vec::new(), next: from };
        while let Some((byte, next)) = steps[run.next as usize] {
            let place = &mut self.places[run.next as usize];
            if *place != NONE {
                break;
            }
            *place = run.start.saturating_add(run.text.len());
            run.text.push(byte);
            run.next = next;
        }
        if !run.text.is_empty() {
            self.bytes = pointer(&run).saturating_add(4);
            self.runs.push(run);
        }
    }

    pub(super) fn holds(&self, state: StateId) -> bool {
        self.places[state as usize] != NONE
    }

    /// The states in runs, each with its byte.
    pub(super) fn places(&self) -> impl Iterator<Item = (StateId, usize)> + '_ {
        (0..).zip(self.places.iter().copied()).filter(|(_, place)| *place != NONE)
    }

    /// Words they take.
    pub(super) fn words(&self) -> usize {
        self.bytes.div_ceil(8)
    }

    /// Every byte that is not zero, with its place.
    pub(super) fn bytes<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = (usize, u8)> + 'a {
        self.runs.iter().flat_map(|run| {
            let next = numbers[run.next as usize].to_le_bytes();
            (run.start..).zip(run.text.iter().copied()).chain((pointer(run)..).zip(next))
        })
    }
}

/// Where the number of the state behind a run stands: at the next multiple of four behind its zero.
fn pointer(run: &Run) -> usize {
    run.start.saturating_add(run.text.len()).saturating_add(4) & !3
}

/// The one byte that leads on from `state`, and where to.
fn step(minimal: &Minimal, classes: &Classes, state: StateId) -> Option<(u8, StateId)> {
    let row = minimal.rows[state as usize];
    let [(class, next)] = *minimal.row(state) else { return None };
    let byte = classes.sample[usize::from(class)];
    let fits = classes.single[usize::from(class)]
        && byte != 0
        && row.default == 0
        && minimal.grant_of[state as usize] == 0;
    fits.then_some((byte, next))
}
