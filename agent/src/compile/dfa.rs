//! The deterministic automaton: sets of positions become states, each built once.
//!
//! A state's row is worked out from the classes its positions name; all other classes behave alike. So
//! the work goes with the text of the rules, and a thousand literal paths cost no more than their bytes.

use std::collections::HashMap;
use std::rc::Rc;

use super::glob::ByteSet;
use super::nfa::{Marks, Nfa, Node, NodeId, RuleId};

/// Number of a state; 0 is the dead one.
pub(crate) type StateId = u32;

/// Positions looked at before giving up: about a second of work.
const WORK_MAX: usize = 20_000_000;
/// More states than any table has room for.
const STATES_MAX: usize = stockade_abi::table::LARGE / 2;

#[derive(Debug)]
pub(crate) struct State {
    /// Where every class leads that is not in `others`.
    pub(crate) default: StateId,
    /// Sorted by class.
    pub(crate) others: Vec<(u8, StateId)>,
    /// The rules that accept here, sorted; an index into [`Dfa::accepts`].
    pub(crate) accept: usize,
}

#[derive(Debug)]
pub(crate) struct Dfa {
    pub(crate) states: Vec<State>,
    pub(crate) starts: Vec<StateId>,
    /// Sets of rules; the first is empty.
    pub(crate) accepts: Vec<Vec<RuleId>>,
    pub(crate) classes: Classes,
    /// Positions spent on each rule.
    pub(crate) cost: HashMap<RuleId, usize>,
}

/// Which rules made the automaton too large: positions spent on each.
#[derive(Debug)]
pub(crate) struct TooMuch {
    pub(crate) cost: HashMap<RuleId, usize>,
    /// States when it was given up, if it is their sheer number and not their overlaps.
    pub(crate) states: Option<usize>,
}

/// Bytes that no rule tells apart.
#[derive(Debug)]
pub(crate) struct Classes {
    pub(crate) of_byte: [u8; 256],
    /// One byte of each class.
    pub(crate) sample: Vec<u8>,
}

impl Classes {
    fn new(nfa: &Nfa) -> Self {
        let mut singles = ByteSet::EMPTY;
        for byte in [b'/', b'.', stockade_abi::peer::UNIX] {
            singles.insert(byte);
        }
        for node in nfa.nodes() {
            if let Node::Byte(byte, _) = node {
                singles.insert(byte);
            }
        }
        let mut of_byte = [0; 256];
        let mut sample = Vec::new();
        let mut known: HashMap<(Option<u8>, Vec<bool>), u8> = HashMap::new();
        for byte in 0..=u8::MAX {
            let alone = singles.contains(byte).then_some(byte);
            let sides = nfa.sets().iter().map(|set| set.contains(byte)).collect();
            // 256 bytes fall into at most 256 classes.
            let fresh = u8::try_from(sample.len()).unwrap_or(u8::MAX);
            let class = *known.entry((alone, sides)).or_insert_with(|| {
                sample.push(byte);
                fresh
            });
            of_byte[usize::from(byte)] = class;
        }
        Self { of_byte, sample }
    }

    fn all(&self) -> impl Iterator<Item = u8> {
        (0..self.sample.len()).filter_map(|class| u8::try_from(class).ok())
    }

    fn of(&self, byte: u8) -> u8 {
        self.of_byte[usize::from(byte)]
    }
}

/// A set, with the classes it names: those it holds, or those it leaves out when that is fewer.
struct ClassSet {
    named: Vec<u8>,
    negated: bool,
}

impl ClassSet {
    fn new(set: &ByteSet, classes: &Classes) -> Self {
        let (inside, outside): (Vec<u8>, Vec<u8>) =
            classes.all().partition(|class| set.contains(classes.sample[usize::from(*class)]));
        let negated = outside.len() < inside.len();
        Self { named: if negated { outside } else { inside }, negated }
    }
}

/// What a unix socket's address must still look like. `connect` takes any spelling, so a pattern may
/// only match those in which no component leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Guard {
    /// The object is no socket path.
    Off,
    /// Before the first byte of a peer.
    Peer,
    /// Before the first slash.
    Root,
    /// After a slash.
    Slash,
    /// After `/.`.
    Dot,
    /// After `/..`.
    DotDot,
    /// In a name.
    Name,
}

impl Guard {
    /// The guard after `byte`; `None` when the address leads elsewhere.
    fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Off, _) => Some(Self::Off),
            (Self::Peer, stockade_abi::peer::UNIX) => Some(Self::Root),
            (Self::Peer, _) => Some(Self::Off),
            (Self::Root | Self::Name, b'/') => Some(Self::Slash),
            (Self::Root, _) | (Self::Slash | Self::Dot | Self::DotDot, b'/') => None,
            (Self::Slash, b'.') => Some(Self::Dot),
            (Self::Dot, b'.') => Some(Self::DotDot),
            (Self::Slash | Self::Dot | Self::DotDot | Self::Name, _) => Some(Self::Name),
        }
    }

    fn accepts(self) -> bool {
        match self {
            Self::Off | Self::Name => true,
            Self::Peer | Self::Root | Self::Slash | Self::Dot | Self::DotDot => false,
        }
    }
}

/// Builds the automaton; `starts` are closed sets of positions.
pub(crate) fn build(nfa: &Nfa, starts: &[(Guard, Vec<NodeId>)]) -> Result<Dfa, TooMuch> {
    let classes = Classes::new(nfa);
    let sets = nfa.sets().iter().map(|set| ClassSet::new(set, &classes)).collect();
    let buckets = vec![Vec::new(); classes.sample.len()];
    let mut builder = Builder {
        nfa,
        sets,
        classes,
        ids: HashMap::new(),
        keys: Vec::new(),
        marks: Marks::new(nfa.len()),
        buckets,
        work: 0,
    };
    builder.intern(Guard::Off, Vec::new());
    let starts: Vec<StateId> =
        starts.iter().map(|(guard, nodes)| builder.intern(*guard, nodes.clone())).collect();
    let mut states = Vec::new();
    let mut accepts = vec![Vec::new()];
    let mut accept_ids = HashMap::from([(Vec::new(), 0)]);
    while states.len() < builder.keys.len() {
        if builder.work > WORK_MAX || builder.keys.len() > STATES_MAX {
            let states = (nfa.len() > STATES_MAX).then_some(builder.keys.len());
            return Err(TooMuch { cost: builder.cost(), states });
        }
        let (guard, nodes) = builder.keys[states.len()].clone();
        let rules = builder.accepted(guard, &nodes);
        let fresh = accepts.len();
        let accept = *accept_ids.entry(rules).or_insert_with_key(|rules| {
            accepts.push(rules.clone());
            fresh
        });
        let (default, others) = builder.row(guard, &nodes);
        states.push(State { default, others, accept });
    }
    let cost = builder.cost();
    Ok(Dfa { states, starts, accepts, classes: builder.classes, cost })
}

type Key = (Guard, Rc<[NodeId]>);

struct Builder<'a> {
    nfa: &'a Nfa,
    sets: Vec<ClassSet>,
    classes: Classes,
    ids: HashMap<Key, StateId>,
    keys: Vec<Key>,
    marks: Marks,
    buckets: Vec<Vec<NodeId>>,
    work: usize,
}

impl Builder<'_> {
    fn intern(&mut self, guard: Guard, nodes: Vec<NodeId>) -> StateId {
        // Without positions nothing can match any more, whatever the guard thinks.
        let guard = if nodes.is_empty() { Guard::Off } else { guard };
        let key: Key = (guard, nodes.into());
        let fresh = StateId::try_from(self.keys.len()).unwrap_or(StateId::MAX);
        let keys = &mut self.keys;
        *self.ids.entry(key).or_insert_with_key(|key| {
            keys.push(key.clone());
            fresh
        })
    }

    fn accepted(&self, guard: Guard, nodes: &[NodeId]) -> Vec<RuleId> {
        if !guard.accepts() {
            return Vec::new();
        }
        let mut rules: Vec<RuleId> = nodes
            .iter()
            .filter_map(|id| if let Node::Accept(rule) = self.nfa.node(*id) { Some(rule) } else { None })
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// Where each class leads: the most common target, and those classes that lead elsewhere.
    fn row(&mut self, guard: Guard, nodes: &[NodeId]) -> (StateId, Vec<(u8, StateId)>) {
        let mut named = vec![false; self.buckets.len()];
        let mut rest = Vec::new();
        let mut wide = Vec::new();
        for id in nodes {
            match self.nfa.node(*id) {
                Node::Byte(byte, next) => {
                    let class = usize::from(self.classes.of(byte));
                    named[class] = true;
                    self.buckets[class].push(next);
                }
                Node::Set(set, next) => {
                    let set = &self.sets[set as usize];
                    for class in set.named.iter().copied().map(usize::from) {
                        named[class] = true;
                        if !set.negated {
                            self.buckets[class].push(next);
                        }
                    }
                    self.work = self.work.saturating_add(set.named.len());
                    if set.negated {
                        rest.push(next);
                        wide.push((set, next));
                    }
                }
                Node::Split(..) | Node::Accept(_) => {}
            }
        }
        if guard != Guard::Off {
            for byte in [b'/', b'.', stockade_abi::peer::UNIX] {
                named[usize::from(self.classes.of(byte))] = true;
            }
        }
        let touched: Vec<u8> = self.classes.all().filter(|class| named[usize::from(*class)]).collect();
        for (set, next) in &wide {
            for class in touched.iter().filter(|class| !set.named.contains(class)) {
                self.buckets[usize::from(*class)].push(*next);
            }
        }
        let spread = wide.len().saturating_mul(touched.len());
        self.work = self.work.saturating_add(nodes.len()).saturating_add(spread);

        let mut targets = vec![0; named.len()];
        for class in touched {
            let bucket = std::mem::take(&mut self.buckets[usize::from(class)]);
            let after = guard.step(self.classes.sample[usize::from(class)]);
            targets[usize::from(class)] = self.target(after, &bucket);
        }
        if let Some(class) = named.iter().position(|named| !named) {
            let target = self.target(guard.step(self.classes.sample[class]), &rest);
            for (class, _) in named.iter().enumerate().filter(|(_, named)| !**named) {
                targets[class] = target;
            }
        }
        let default = most_common(&targets);
        let others = self.classes.all().zip(targets).filter(|(_, target)| *target != default).collect();
        (default, others)
    }

    fn target(&mut self, guard: Option<Guard>, nodes: &[NodeId]) -> StateId {
        match guard {
            Some(guard) if !nodes.is_empty() => {
                let nodes = self.nfa.closure(nodes, &mut self.marks);
                self.intern(guard, nodes)
            }
            Some(_) | None => 0,
        }
    }

    fn cost(&self) -> HashMap<RuleId, usize> {
        // What is not reached yet counts with its text.
        let mut cost = HashMap::new();
        for id in 0..self.nfa.len() {
            let id = NodeId::try_from(id).unwrap_or(NodeId::MAX);
            *cost.entry(self.nfa.owner(id)).or_insert(0usize) += 1;
        }
        for (_, nodes) in &self.keys {
            for id in nodes.iter() {
                *cost.entry(self.nfa.owner(*id)).or_insert(0usize) += 1;
            }
        }
        cost
    }
}

/// The lowest of the most frequent states.
fn most_common(targets: &[StateId]) -> StateId {
    let mut sorted = targets.to_vec();
    sorted.sort_unstable();
    let mut best = (0, 0);
    for run in sorted.chunk_by(|a, b| a == b) {
        if run.len() > best.0 {
            best = (run.len(), run[0]);
        }
    }
    best.1
}
