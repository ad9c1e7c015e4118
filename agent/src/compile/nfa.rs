//! The nondeterministic automaton of all rules: patterns that begin alike share their beginnings, and
//! those that end alike, with the same labels, share their ends. So ten thousand rules `/srv/N/*.log`
//! have one tail, and ten thousand rules `/**/N` one loop.
//!
//! It is built from the sorted patterns in one pass: what two neighbours do not share is complete when
//! the second begins, and a complete node is looked up among those that exist.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

use super::effect::Effect;
use super::glob::ByteSet;
use super::pattern::{Key, Patterns, REST, STAR, TREE};

/// Number of a node.
pub(crate) type NodeId = u32;
/// What a pattern stands for where it ends: a rule, or an effect.
pub(crate) type Label = u32;

/// What a node reads besides its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Nothing.
    Plain,
    /// In a `*`: any byte but a slash leads back.
    Star,
    /// Before a component of a `**`.
    Tree,
    /// In a `**` at the end: any byte leads back.
    Rest,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// Whether it leads on without a byte.
    jumps: bool,
    edges_end: usize,
    labels_end: usize,
    /// Everything that a name can come to from here.
    reach: Effect,
}

#[derive(Debug)]
pub(crate) struct Nfa {
    nodes: Vec<Node>,
    edges: Vec<(Key, NodeId)>,
    labels: Vec<Label>,
    pub(crate) sets: Vec<ByteSet>,
    root: NodeId,
}

impl Nfa {
    /// Builds it; `labels` says what each rule's patterns stand for, `effects` what each label does.
    pub(crate) fn new(patterns: &Patterns, labels: &[Label], effects: &[Effect]) -> Self {
        let nfa = Self {
            nodes: Vec::new(),
            edges: Vec::new(),
            labels: Vec::new(),
            sets: patterns.sets.clone(),
            root: 0,
        };
        let hasher = DefaultHashBuilder::default();
        let mut builder = Builder { nfa, effects, known: HashTable::new(), hasher, open: vec![Open::new(0)] };
        let mut before: &[Key] = &[];
        for (keys, rule) in patterns.sorted() {
            let common = keys.iter().zip(before).take_while(|(a, b)| a == b).count();
            builder.close(common);
            for key in keys.iter().skip(common) {
                builder.open.push(Open::new(*key));
            }
            if let Some((last, label)) = builder.open.last_mut().zip(labels.get(rule as usize)) {
                last.labels.push(*label);
            }
            before = keys;
        }
        builder.close(0);
        builder.finish()
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    pub(crate) fn kind(&self, node: NodeId) -> Kind {
        self.nodes[node as usize].kind
    }

    /// Sorted by key.
    pub(crate) fn edges(&self, node: NodeId) -> &[(Key, NodeId)] {
        let start = before(&self.nodes, node).map_or(0, |node| node.edges_end);
        &self.edges[start..self.nodes[node as usize].edges_end]
    }

    pub(crate) fn all_edges(&self) -> &[(Key, NodeId)] {
        &self.edges
    }

    /// Sorted.
    pub(crate) fn labels(&self, node: NodeId) -> &[Label] {
        let start = before(&self.nodes, node).map_or(0, |node| node.labels_end);
        &self.labels[start..self.nodes[node as usize].labels_end]
    }

    pub(crate) fn jumps(&self, node: NodeId) -> bool {
        self.nodes[node as usize].jumps
    }

    pub(crate) fn reach(&self, node: NodeId) -> Effect {
        self.nodes[node as usize].reach
    }

    /// What each of `rules` rules costs, when each node costs so much: what rules share is the cost of each.
    pub(crate) fn costs(&self, patterns: &Patterns, nodes: &[usize], rules: usize) -> Vec<usize> {
        let mut costs = vec![0usize; rules];
        for (rule, keys) in patterns.iter() {
            let Some(cost) = costs.get_mut(rule as usize) else { continue };
            let mut at = self.root;
            for key in keys {
                let edges = self.edges(at);
                let Ok(edge) = edges.binary_search_by_key(key, |(key, _)| *key) else { break };
                at = edges[edge].1;
                *cost = cost.saturating_add(nodes.get(at as usize).copied().unwrap_or(0));
            }
        }
        costs
    }
}

fn before(nodes: &[Node], node: NodeId) -> Option<&Node> {
    nodes.get((node as usize).checked_sub(1)?)
}

/// A node whose edges are not all known.
struct Open {
    key: Key,
    edges: Vec<(Key, NodeId)>,
    labels: Vec<Label>,
}

impl Open {
    fn new(key: Key) -> Self {
        Self { key, edges: Vec::new(), labels: Vec::new() }
    }
}

struct Builder<'a> {
    nfa: Nfa,
    effects: &'a [Effect],
    known: HashTable<NodeId>,
    hasher: DefaultHashBuilder,
    /// From the root to the end of the last pattern.
    open: Vec<Open>,
}

impl Builder<'_> {
    /// Completes every open node more than `keep` keys from the root.
    fn close(&mut self, keep: usize) {
        while self.open.len() > keep.saturating_add(1) {
            let Some(last) = self.open.pop() else { return };
            let key = last.key;
            let id = self.node(last);
            if let Some(parent) = self.open.last_mut() {
                parent.edges.push((key, id));
            }
        }
    }

    fn finish(mut self) -> Nfa {
        if let Some(root) = self.open.pop() {
            self.nfa.root = self.node(root);
        }
        self.nfa
    }

    fn node(&mut self, mut open: Open) -> NodeId {
        open.labels.sort_unstable();
        open.labels.dedup();
        let kind = match open.key {
            STAR => Kind::Star,
            TREE => Kind::Tree,
            REST => Kind::Rest,
            _other => Kind::Plain,
        };
        let hash = self.hasher.hash_one((kind, &open.edges, &open.labels));
        let nfa = &self.nfa;
        let same = |id: &NodeId| {
            nfa.kind(*id) == kind && nfa.edges(*id) == open.edges && nfa.labels(*id) == open.labels
        };
        if let Some(id) = self.known.find(hash, same) {
            return *id;
        }
        let own = open.labels.iter().filter_map(|label| self.effects.get(*label as usize).copied());
        let below = open.edges.iter().map(|(_, next)| nfa.reach(*next));
        let reach = own.chain(below).fold(Effect::default(), Effect::or);
        let jumps = open.edges.iter().any(|(key, _)| matches!(*key, STAR | TREE));
        // The patterns' tokens are bounded, and so are the nodes.
        let id = NodeId::try_from(nfa.len()).unwrap_or(NodeId::MAX);
        let nfa = &mut self.nfa;
        nfa.edges.extend(open.edges);
        nfa.labels.extend(open.labels);
        let (edges_end, labels_end) = (nfa.edges.len(), nfa.labels.len());
        nfa.nodes.push(Node { kind, jumps, edges_end, labels_end, reach });
        let hasher = &self.hasher;
        self.known
            .insert_unique(hash, id, |id| hasher.hash_one((nfa.kind(*id), nfa.edges(*id), nfa.labels(*id))));
        id
    }
}
