//! Positions in the patterns: where a name that has been read so far may stand.

use super::nfa::{Kind, Label, Nfa, NodeId};
use super::pattern::{ANY, Key, NO_SLASH, REST, Root, SETS, STAR, TREE};

/// A node, and whether a component of its `**` has begun, in the lowest bit.
pub(crate) type Position = u32;

/// One way on from a position.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Byte(u8, Position),
    Set(u32, Position),
}

pub(crate) fn at(node: NodeId) -> Position {
    node << 1
}

fn inside(node: NodeId) -> Position {
    node << 1 | 1
}

pub(crate) fn node(position: Position) -> NodeId {
    position >> 1
}

/// The labels of the patterns that end at `position`.
pub(crate) fn labels(nfa: &Nfa, position: Position) -> &[Label] {
    if position & 1 == 0 { nfa.labels(node(position)) } else { &[] }
}

/// Where names of the kind of `root` begin.
pub(crate) fn start(nfa: &Nfa, root: Root) -> Option<Position> {
    if nfa.len() == 0 {
        return None;
    }
    nfa.edges(nfa.root()).iter().find(|(key, _)| *key == root as Key).map(|(_, next)| at(*next))
}

/// Calls `take` with every way on from `position` that reads a byte.
pub(crate) fn ways(nfa: &Nfa, position: Position, mut take: impl FnMut(Way)) {
    let own = node(position);
    if position & 1 == 1 {
        take(Way::Set(NO_SLASH, position));
        take(Way::Byte(b'/', at(own)));
        return;
    }
    match nfa.kind(own) {
        Kind::Plain => {}
        Kind::Star => take(Way::Set(NO_SLASH, position)),
        Kind::Tree => take(Way::Set(NO_SLASH, inside(own))),
        Kind::Rest => take(Way::Set(ANY, position)),
    }
    for (key, next) in nfa.edges(own) {
        match (u8::try_from(*key), *key) {
            (Ok(byte), _) => take(Way::Byte(byte, at(*next))),
            (Err(_), STAR | TREE) => {}
            (Err(_), REST) => take(Way::Set(NO_SLASH, at(*next))),
            (Err(_), set) => take(Way::Set(set.saturating_sub(SETS), at(*next))),
        }
    }
}

/// Where `positions` lead on `byte`: through text that names it, and through sets that contain it.
pub(crate) fn step(nfa: &Nfa, positions: &[Position], byte: u8) -> (Vec<Position>, Vec<Position>) {
    let (mut named, mut covered) = (Vec::new(), Vec::new());
    for position in positions {
        ways(nfa, *position, |way| match way {
            Way::Byte(own, next) if own == byte => named.push(next),
            Way::Set(set, next) if nfa.sets[set as usize].contains(byte) => covered.push(next),
            Way::Byte(..) | Way::Set(..) => {}
        });
    }
    (named, covered)
}

/// Works out which positions are reached without a byte.
#[derive(Debug)]
pub(crate) struct Closure {
    /// Whether positions go that add nothing to the effect of others.
    prunes: bool,
    /// The round in which a position was last seen.
    seen: Vec<u32>,
    round: u32,
    stack: Vec<Position>,
    /// Positions looked at so far.
    pub(crate) work: usize,
}

impl Closure {
    /// For automata that say what is granted.
    pub(crate) fn new(nfa: &Nfa) -> Self {
        let seen = vec![0; nfa.len().saturating_mul(2)];
        Self { prunes: true, seen, round: 0, stack: Vec::new(), work: 0 }
    }

    /// For automata that say which rules match.
    pub(crate) fn of_rules(nfa: &Nfa) -> Self {
        Self { prunes: false, ..Self::new(nfa) }
    }

    /// Every position that reads or accepts and is reached from `from`, sorted, into `reached`.
    pub(crate) fn of(&mut self, nfa: &Nfa, from: &[Position], reached: &mut Vec<Position>) {
        reached.clear();
        self.work = self.work.saturating_add(from.len());
        if let [only] = from
            && !nfa.jumps(node(*only))
        {
            reached.push(*only);
            return;
        }
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.seen.fill(0);
            self.round = 1;
        }
        self.stack.extend_from_slice(from);
        while let Some(position) = self.stack.pop() {
            if std::mem::replace(&mut self.seen[position as usize], self.round) == self.round {
                continue;
            }
            self.work = self.work.saturating_add(1);
            let own = node(position);
            let mut stays = position & 1 == 1 || nfa.kind(own) != Kind::Plain;
            if position & 1 == 0 && nfa.jumps(own) {
                let edges = nfa.edges(own);
                stays |= edges.iter().any(|(key, _)| !matches!(*key, STAR | TREE));
                let jumps = edges.iter().filter(|(key, _)| matches!(*key, STAR | TREE));
                self.stack.extend(jumps.map(|(_, next)| at(*next)));
            } else {
                stays = true;
            }
            if stays || !nfa.labels(own).is_empty() {
                reached.push(position);
            }
        }
        reached.sort_unstable();
        if self.prunes {
            self.prune(nfa, reached);
        }
    }

    /// Once a pattern matches whatever follows, positions that could add nothing to its effect are
    /// dropped. Without this, each `**` at an end would double the states of all others.
    fn prune(&mut self, nfa: &Nfa, positions: &mut Vec<Position>) {
        let endless = |position: Position| {
            let own = node(position);
            nfa.kind(own) == Kind::Rest && nfa.edges(own).is_empty()
        };
        let ends: Vec<Position> = positions.iter().copied().filter(|position| endless(*position)).collect();
        if ends.is_empty() {
            return;
        }
        let reach = |position: Position| nfa.reach(node(position));
        // Of two that do the same, the first stays.
        let replaces = |a: Position, b: Position| {
            a != b && reach(a).covers(reach(b)) && (a < b || !reach(b).covers(reach(a)))
        };
        let kept: Vec<Position> =
            ends.iter().copied().filter(|end| !ends.iter().any(|other| replaces(*other, *end))).collect();
        self.work = self.work.saturating_add(positions.len().saturating_mul(kept.len()));
        positions.retain(|position| {
            if endless(*position) {
                kept.contains(position)
            } else {
                !kept.iter().any(|end| reach(*end).covers(reach(*position)))
            }
        });
    }
}
