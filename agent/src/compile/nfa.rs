//! The nondeterministic automaton of all rules: one chain of nodes for each flat pattern.

use std::collections::{HashMap, HashSet};

use stockade_abi::access::AccessSet;

use super::glob::{ByteSet, Token};

/// Number of a node.
pub(crate) type NodeId = u32;
/// Number of a rule, over all sections.
pub(crate) type RuleId = u32;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    Byte(u8, NodeId),
    Set(u32, NodeId),
    /// Goes on in both without reading a byte.
    Split(NodeId, NodeId),
    Accept(RuleId),
}

#[derive(Debug, Default)]
pub(crate) struct Nfa {
    nodes: Vec<Node>,
    /// The rule each node belongs to, so that a blow-up can be traced to its cause.
    owners: Vec<RuleId>,
    sets: Vec<ByteSet>,
    set_ids: HashMap<ByteSet, u32>,
    /// What each rule grants: to the container, to a session.
    grants: Vec<(AccessSet, AccessSet)>,
    /// Nodes that read anything and accept ever after.
    endless: HashSet<NodeId>,
    /// Ends of the patterns of the last rule, which its further patterns share.
    ends: HashMap<(Option<Token>, NodeId), NodeId>,
}

impl Nfa {
    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes[id as usize]
    }

    pub(crate) fn owner(&self, id: NodeId) -> RuleId {
        self.owners[id as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn sets(&self) -> &[ByteSet] {
        &self.sets
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.nodes.iter().copied()
    }

    /// Makes room for the patterns of a further rule.
    pub(crate) fn rule(&mut self, container: AccessSet, session: AccessSet) -> RuleId {
        let id = RuleId::try_from(self.grants.len()).unwrap_or(RuleId::MAX);
        self.grants.push((container, session));
        self.ends.clear();
        id
    }

    /// Adds a pattern of `rule`, the last one made; the answer is where it begins.
    pub(crate) fn add(&mut self, tokens: &[Token], rule: RuleId) -> NodeId {
        let mut next = match self.ends.get(&(None, 0)) {
            Some(accept) => *accept,
            None => {
                let accept = self.push(rule, Node::Accept(rule));
                self.ends.insert((None, 0), accept);
                accept
            }
        };
        for token in tokens.iter().rev() {
            let key = (Some(*token), next);
            next = match self.ends.get(&key) {
                Some(known) => *known,
                None => {
                    let node = self.token(rule, *token, next);
                    self.ends.insert(key, node);
                    node
                }
            };
        }
        next
    }

    fn token(&mut self, rule: RuleId, token: Token, next: NodeId) -> NodeId {
        match token {
            Token::Byte(byte) => self.push(rule, Node::Byte(byte, next)),
            Token::Set(set) => self.push_set(rule, set, next),
            Token::Star => self.star(rule, next),
            Token::Tree => self.tree(rule, next),
        }
    }

    fn push(&mut self, rule: RuleId, node: Node) -> NodeId {
        let id = self.next_id();
        self.nodes.push(node);
        self.owners.push(rule);
        id
    }

    fn next_id(&self) -> NodeId {
        // The glob parser bounds a rule's tokens; four billion nodes would not fit into memory.
        NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX)
    }

    fn push_set(&mut self, rule: RuleId, set: ByteSet, next: NodeId) -> NodeId {
        let fresh = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let id = *self.set_ids.entry(set).or_insert(fresh);
        if id == fresh {
            self.sets.push(set);
        }
        self.push(rule, Node::Set(id, next))
    }

    fn star(&mut self, rule: RuleId, next: NodeId) -> NodeId {
        let split = self.push(rule, Node::Split(next, next));
        let read = self.push_set(rule, ByteSet::no_slash(), split);
        self.nodes[split as usize] = Node::Split(read, next);
        split
    }

    /// `**` stands after a slash. Before another one it is any number of components, each with its
    /// slash, in place of itself and that slash; at the end it is everything that is not empty.
    fn tree(&mut self, rule: RuleId, next: NodeId) -> NodeId {
        if let Node::Byte(b'/', after) = self.node(next) {
            let start = self.push(rule, Node::Split(after, after));
            let slash = self.push(rule, Node::Byte(b'/', start));
            let more = self.push(rule, Node::Split(slash, slash));
            let read = self.push_set(rule, ByteSet::no_slash(), more);
            self.nodes[more as usize] = Node::Split(read, slash);
            self.nodes[start as usize] = Node::Split(read, after);
            start
        } else {
            let more = self.push(rule, Node::Split(next, next));
            let read = self.push_set(rule, ByteSet::ALL, more);
            self.nodes[more as usize] = Node::Split(read, next);
            self.endless.insert(read);
            self.push_set(rule, ByteSet::no_slash(), more)
        }
    }

    /// Every node that reads or accepts and is reached from `nodes` without a byte; sorted.
    pub(crate) fn closure(&self, nodes: &[NodeId], seen: &mut Marks) -> Vec<NodeId> {
        seen.clear();
        let mut stack = nodes.to_vec();
        let mut reached = Vec::with_capacity(nodes.len());
        while let Some(id) = stack.pop() {
            if !seen.mark(id) {
                continue;
            }
            match self.node(id) {
                Node::Split(a, b) => stack.extend([a, b]),
                Node::Byte(..) | Node::Set(..) | Node::Accept(_) => reached.push(id),
            }
        }
        reached.sort_unstable();
        self.prune(&mut reached);
        reached
    }

    /// Once a rule accepts whatever follows, positions that could grant no more than it does are
    /// dropped. Without this, each `**` at an end would double the states of all others.
    fn prune(&self, nodes: &mut Vec<NodeId>) {
        let mut kept: Vec<RuleId> =
            nodes.iter().filter(|id| self.endless.contains(id)).map(|id| self.owner(*id)).collect();
        if kept.is_empty() {
            return;
        }
        kept.sort_unstable();
        let all = kept.clone();
        kept.retain(|rule| !all.iter().any(|other| self.replaces(*other, *rule)));
        nodes.retain(|id| {
            let owner = self.owner(*id);
            if kept.contains(&owner) {
                self.endless.contains(id) || matches!(self.node(*id), Node::Accept(_))
            } else {
                !kept.iter().any(|rule| self.covers(*rule, owner))
            }
        });
    }

    fn covers(&self, rule: RuleId, other: RuleId) -> bool {
        let (container, session) = self.grants[rule as usize];
        let (other_container, other_session) = self.grants[other as usize];
        other_container & !container == 0 && other_session & !session == 0
    }

    /// Whether `rule` makes `other` pointless where both accept whatever follows.
    fn replaces(&self, rule: RuleId, other: RuleId) -> bool {
        self.covers(rule, other) && (rule < other || !self.covers(other, rule))
    }

    /// Where `nodes` lead on `byte`: through nodes that name it, and through sets that contain it.
    pub(crate) fn step(&self, nodes: &[NodeId], byte: u8) -> (Vec<NodeId>, Vec<NodeId>) {
        let (mut named, mut covered) = (Vec::new(), Vec::new());
        for id in nodes {
            match self.node(*id) {
                Node::Byte(own, next) if own == byte => named.push(next),
                Node::Set(set, next) if self.sets[set as usize].contains(byte) => covered.push(next),
                Node::Byte(..) | Node::Set(..) | Node::Split(..) | Node::Accept(_) => {}
            }
        }
        (named, covered)
    }
}

/// A set of nodes that is emptied in no time.
#[derive(Debug)]
pub(crate) struct Marks {
    marks: Vec<u32>,
    round: u32,
}

impl Marks {
    pub(crate) fn new(len: usize) -> Self {
        Self { marks: vec![0; len], round: 0 }
    }

    fn clear(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.marks.fill(0);
            self.round = 1;
        }
    }

    /// Whether `id` was not in it before.
    fn mark(&mut self, id: NodeId) -> bool {
        std::mem::replace(&mut self.marks[id as usize], self.round) != self.round
    }
}
