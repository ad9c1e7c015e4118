//! Where the names of the process's own procfs entries begin.
//!
//! The kernel walks `/proc/PID/…` of the process itself from the state of `/proc/self`. A rule whose
//! glob covers process numbers speaks of that entry too, so its positions after any number belong to
//! the state as well. A number written out does not: it names one process, and whose it is changes.

use super::nfa::Nfa;
use super::position::{self, Closure, Position};

/// Digits of the largest process id that Linux gives.
const PID_DIGITS: usize = 7;

/// Positions after `word`, or after any number that a glob covers.
pub(crate) fn own_entry(nfa: &Nfa, from: &[Position], word: &[u8], closure: &mut Closure) -> Vec<Position> {
    let mut found = walk(nfa, from, word, closure);
    let mut literal = from.to_vec();
    let mut globbed: Vec<Position> = Vec::new();
    for _ in 0..PID_DIGITS {
        let (mut next_literal, mut next_globbed) = (Vec::new(), Vec::new());
        for digit in b'0'..=b'9' {
            let (named, covered) = position::step(nfa, &literal, digit);
            next_literal.extend(named);
            next_globbed.extend(covered);
            let (named, covered) = position::step(nfa, &globbed, digit);
            next_globbed.extend(named);
            next_globbed.extend(covered);
        }
        closure.of(nfa, &next_literal, &mut literal);
        closure.of(nfa, &next_globbed, &mut globbed);
        found.extend(&globbed);
    }
    let mut closed = Vec::new();
    closure.of(nfa, &found, &mut closed);
    closed
}

/// Positions after `bytes`.
pub(crate) fn walk(nfa: &Nfa, from: &[Position], bytes: &[u8], closure: &mut Closure) -> Vec<Position> {
    let mut positions = from.to_vec();
    for byte in bytes {
        let (mut next, covered) = position::step(nfa, &positions, *byte);
        next.extend(covered);
        closure.of(nfa, &next, &mut positions);
    }
    positions
}
