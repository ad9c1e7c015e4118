//! Where the names of the process's own procfs entries begin.
//!
//! The kernel walks `/proc/PID/…` of the process itself from the state of `/proc/self`. A rule whose
//! glob covers process numbers speaks of that entry too, so its positions after any number belong to
//! the state as well. A number written out does not: it names one process, and whose it is changes.

use super::nfa::{Marks, Nfa, NodeId};

/// Digits of the largest process id that Linux gives.
const PID_DIGITS: usize = 7;

/// Positions after `word`, or after any number that a glob covers.
pub(crate) fn own_entry(nfa: &Nfa, from: &[NodeId], word: &[u8], marks: &mut Marks) -> Vec<NodeId> {
    let mut found = walk(nfa, from, word, marks);
    let mut literal = from.to_vec();
    let mut globbed: Vec<NodeId> = Vec::new();
    for _ in 0..PID_DIGITS {
        let (mut next_literal, mut next_globbed) = (Vec::new(), Vec::new());
        for digit in b'0'..=b'9' {
            let (named, covered) = nfa.step(&literal, digit);
            next_literal.extend(named);
            next_globbed.extend(covered);
            let (named, covered) = nfa.step(&globbed, digit);
            next_globbed.extend(named);
            next_globbed.extend(covered);
        }
        literal = nfa.closure(&next_literal, marks);
        globbed = nfa.closure(&next_globbed, marks);
        found.extend(&globbed);
    }
    nfa.closure(&found, marks)
}

/// Positions after `bytes`.
pub(crate) fn walk(nfa: &Nfa, from: &[NodeId], bytes: &[u8], marks: &mut Marks) -> Vec<NodeId> {
    let mut nodes = from.to_vec();
    for byte in bytes {
        let (mut next, covered) = nfa.step(&nodes, *byte);
        next.extend(covered);
        nodes = nfa.closure(&next, marks);
    }
    nodes
}
