//! Several automata walked side by side over the names that objects can have, cheapest name first.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;

use stockade_abi::OBJECT_MAX;
use stockade_abi::peer;
use stockade_abi::table::Grant;

use super::automaton::Automaton;
use super::canon::{Canon, Spelling};
use super::labelled::Labelled;
use super::partition::Partition;
use crate::compile::{Label, StartKind};

/// Where the rules' automaton is, each of the others, and the names' own.
type At<const N: usize> = (u32, [u32; N], u16);

/// A walk of `N` automata over the names of one kind, or over those that some rules match.
pub(crate) struct Product<'a, const N: usize> {
    lead: Option<&'a Labelled>,
    automata: [&'a Automaton; N],
    kind: StartKind,
    canon: &'static Canon,
    classes: Vec<Class<N>>,
    ids: HashMap<At<N>, u32, BuildHasherDefault<Mix>>,
    nodes: Vec<Node<N>>,
    /// By price.
    queue: Vec<VecDeque<u32>>,
}

/// A place in the walk.
struct Node<const N: usize> {
    at: At<N>,
    price: usize,
    /// From where it is reached, and through which class.
    from: Option<(u32, u16)>,
    settled: bool,
}

/// Bytes that none of the automata tell apart.
struct Class<const N: usize> {
    text: u8,
    bytes: Vec<u8>,
    lead: usize,
    own: [usize; N],
}

impl<'a, const N: usize> Product<'a, N> {
    /// Over all names.
    pub(crate) fn new(automata: [&'a Automaton; N], kind: StartKind) -> Self {
        Self::with(None, automata, kind)
    }

    /// Over the names that rules match.
    pub(super) fn led(lead: &'a Labelled, automata: [&'a Automaton; N], kind: StartKind) -> Self {
        Self::with(Some(lead), automata, kind)
    }

    fn with(lead: Option<&'a Labelled>, automata: [&'a Automaton; N], kind: StartKind) -> Self {
        let canon = Canon::of(kind);
        let mut partition = Partition::one();
        partition.meet(&canon.classes);
        if let Some(lead) = lead {
            partition.meet(lead.classes());
        }
        for automaton in automata {
            partition.meet(automaton.classes());
        }
        let mut classes: Vec<Class<N>> = partition
            .members()
            .into_iter()
            .filter_map(|bytes| {
                let text = bytes.iter().copied().min_by_key(|byte| unreadable(*byte))?;
                let own = automata.map(|automaton| automaton.classes().of(text));
                let lead = lead.map_or(0, |lead| lead.classes().of(text));
                Some(Class { text, bytes, lead, own })
            })
            .collect();
        // Among names of one price, the first found is the example.
        classes.sort_by_key(|class| unreadable(class.text));
        Self {
            lead,
            automata,
            kind,
            canon,
            classes,
            ids: HashMap::default(),
            nodes: Vec::new(),
            queue: Vec::new(),
        }
    }

    /// Visits every combination of states in which a name can end, with the rules that match, what each
    /// automaton says there and a function that spells the name. Combinations are followed while `alive`, which gets whether
    /// each automaton still says anything.
    pub(crate) fn walk<T>(
        mut self,
        alive: impl Fn([bool; N]) -> bool,
        mut visit: impl FnMut(&[Label], [Grant; N], &dyn Fn() -> Vec<u8>) -> ControlFlow<T>,
    ) -> Option<T> {
        let starts = self.automata.map(|automaton| automaton.start(self.kind));
        let lead = self.lead.map_or(0, |lead| lead.start(self.kind));
        self.reach((lead, starts, Canon::START), 0, None);
        let mut price = 0;
        while price < self.queue.len() {
            let Some(id) = self.queue[price].pop_front() else {
                price = price.saturating_add(1);
                continue;
            };
            let node = &mut self.nodes[id as usize];
            if std::mem::replace(&mut node.settled, true) {
                continue;
            }
            let (leads, states, place) = node.at;
            if self.canon.ends(place) {
                let grants = zip(self.automata, states).map(|(automaton, state)| automaton.grant(state));
                let labels = self.lead.map_or(&[][..], |lead| lead.labels(leads));
                if let ControlFlow::Break(found) = visit(labels, grants, &|| self.name(id)) {
                    return Some(found);
                }
            }
            for class in 0..self.classes.len() {
                let Class { text, lead, own, .. } = &self.classes[class];
                let next_lead = self.lead.map_or(0, |all| all.next(leads, *lead));
                // Most bytes lead out of the rules.
                if self.lead.is_some_and(|all| !all.alive(next_lead)) {
                    continue;
                }
                let (next_place, extra) = self.canon.next(place, *text);
                if next_place == 0 {
                    continue;
                }
                let mut next = states;
                for ((state, class), automaton) in next.iter_mut().zip(own).zip(self.automata) {
                    *state = automaton.next(*state, *class);
                }
                if !alive(zip(self.automata, next).map(|(automaton, state)| automaton.alive(state))) {
                    continue;
                }
                let price = price
                    .saturating_add(self.classes[class].price(self.canon.spelling(place)))
                    .saturating_add(usize::from(extra));
                self.reach(
                    (next_lead, next, next_place),
                    price,
                    Some((id, u16::try_from(class).unwrap_or(u16::MAX))),
                );
            }
        }
        None
    }

    fn reach(&mut self, at: At<N>, price: usize, from: Option<(u32, u16)>) {
        let fresh = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry(at).or_insert(fresh);
        if id == fresh {
            self.nodes.push(Node { at, price: usize::MAX, from: None, settled: false });
        }
        let node = &mut self.nodes[id as usize];
        if node.settled || node.price <= price {
            return;
        }
        node.price = price;
        node.from = from;
        if self.queue.len() <= price {
            self.queue.resize_with(price.saturating_add(1), VecDeque::new);
        }
        self.queue[price].push_back(id);
    }

    /// The name that leads to a node.
    fn name(&self, id: u32) -> Vec<u8> {
        let mut name = Vec::new();
        let mut at = id;
        while let Some((before, class)) = self.nodes[at as usize].from {
            let class = &self.classes[usize::from(class)];
            let spelling = self.canon.spelling(self.nodes[before as usize].at.2);
            name.push(class.spelt(spelling));
            at = before;
        }
        name.reverse();
        name
    }
}

/// Whether a name is short enough to be judged.
pub(crate) fn fits(kind: StartKind, name: &[u8]) -> bool {
    match kind {
        StartKind::Path | StartKind::ProcSelf | StartKind::ThreadSelf => name.len() <= OBJECT_MAX,
        StartKind::Peer if name.first() == Some(&peer::ABSTRACT) => {
            name.len() <= peer::UNIX_NAME_MAX.saturating_add(1)
        }
        StartKind::Peer => name.len() <= OBJECT_MAX,
    }
}

impl<const N: usize> Class<N> {
    fn price(&self, spelling: Spelling) -> usize {
        match spelling {
            Spelling::Text => price(self.text),
            Spelling::Number => match self.bytes.first() {
                Some(0 | 1) => 2,
                Some(2..) | None => 3,
            },
            Spelling::PortLow if self.bytes.contains(&HTTPS) => 2,
            Spelling::PortLow => 3,
        }
    }

    fn spelt(&self, spelling: Spelling) -> u8 {
        match spelling {
            Spelling::Text => self.text,
            Spelling::PortLow if self.bytes.contains(&HTTPS) => HTTPS,
            Spelling::Number | Spelling::PortLow => self.bytes.first().copied().unwrap_or(self.text),
        }
    }
}

/// Mixes the numbers of states, which nobody chooses to collide; half of a walk is looking them up.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }
}

fn zip<A: Copy, B: Copy, const N: usize>(a: [A; N], b: [B; N]) -> [(A, B); N] {
    std::array::from_fn(|index| (a[index], b[index]))
}

/// The low byte of 443, the port that an example has if it may have any.
const HTTPS: u8 = 0xbb;

/// How badly a byte reads in an example.
fn unreadable(byte: u8) -> (u8, u8) {
    let kind = match byte {
        b'a'..=b'z' => 0,
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'/' | b'-' | b'_' => 3,
        b'!'..=b'~' => 4,
        b' ' => 5,
        0x80.. => 6,
        0..b' ' | 0x7f => 7,
    };
    (kind, byte)
}

fn price(byte: u8) -> usize {
    match unreadable(byte).0 {
        0..=4 => 2,
        5 => 4,
        6 => 12,
        7.. => 20,
    }
}
