//! A compiled profile: its table, and on the host's side which rule each state stands for.

use std::fmt;

use stockade_abi::OBJECT_MAX;
use stockade_abi::access::AccessSet;
use stockade_abi::object::View;
use stockade_abi::reason::{Mode, Reason, Verdict};
use stockade_abi::table::{BODY, MORE_STARTS, STARTS, Words, grants, high, low, walk};

use super::Rule;
use super::dfa::Dfa;
use super::nfa::RuleId;

/// A profile, compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    words: Vec<u64>,
    used: usize,
    mode: Mode,
    rules: Vec<Rule>,
    /// Sets of rules.
    accepts: Vec<Vec<RuleId>>,
    /// For each state, in the order of their words, the set of rules it accepts.
    accepted: Vec<usize>,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// A canonical path; the process's own procfs entries as `/proc/self/…` and `/proc/thread-self/…`.
    Path(&'a [u8]),
    /// A peer, encoded as in [`stockade_abi::peer`].
    Peer(&'a [u8]),
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer under the policy's mode.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// When everything asked for is granted, the first rule that grants all of it, or else the first
    /// that grants some.
    pub rule: Option<RuleRef>,
    /// Accesses asked for that no rule grants.
    pub missing: AccessSet,
}

/// The list of a profile that a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `spec.exec`.
    Exec,
    /// `spec.files`.
    Files,
    /// `spec.peers`.
    Peers,
    /// `spec.sessions.exec`.
    SessionExec,
    /// `spec.sessions.files`.
    SessionFiles,
}

impl Section {
    /// The name of the list, as seen from `spec`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Peers => "peers",
            Self::SessionExec => "sessions.exec",
            Self::SessionFiles => "sessions.files",
        }
    }
}

/// A rule of a profile. Its `Display` is the form that events and `explain` show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Its list.
    pub section: Section,
    /// Its position there, from 0.
    pub index: usize,
    /// What it says.
    pub text: String,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {}", self.section.word(), self.index, self.text)
    }
}

impl Policy {
    pub(super) fn new(words: Vec<u64>, used: usize, dfa: Dfa, mode: Mode, rules: Vec<Rule>) -> Self {
        let accepted = dfa.states.iter().map(|state| state.accept).collect();
        Self { words, used, mode, rules, accepts: dfa.accepts, accepted }
    }

    /// The table, padded to the exact size of its class.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Words in use.
    pub fn used_words(&self) -> usize {
        self.used
    }

    /// States of the automaton.
    pub fn states(&self) -> usize {
        self.accepted.len()
    }

    /// The mode it is judged under.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Judges `access` to `object`, by the container's own processes or by a session.
    pub fn decide(&self, object: &Object<'_>, access: AccessSet, session: bool) -> Decision {
        let verdict = |reason: Reason| reason.verdict(Some(self.mode));
        let Some(state) = self.state(object) else {
            let reason = Reason::PathTooLong;
            return Decision { verdict: verdict(reason), reason, rule: None, missing: access };
        };
        let (container, in_session) = grants(self.words.as_slice(), state);
        let granted = if session { in_session } else { container };
        let missing = access & !granted;
        if missing != 0 {
            let reason = Reason::NoRule;
            return Decision { verdict: verdict(reason), reason, rule: None, missing };
        }
        let reason = Reason::Rule;
        let rule = self.granting(state, access, session).cloned();
        Decision { verdict: verdict(reason), reason, rule, missing }
    }

    /// The rules whose pattern matches `object`, with what each grants to a session or to the container.
    pub fn matching(&self, object: &Object<'_>, session: bool) -> Vec<(&RuleRef, AccessSet)> {
        let Some(state) = self.state(object) else { return Vec::new() };
        self.rules_of(state)
            .map(|rule| (&rule.at, if session { rule.access } else { rule.container() }))
            .collect()
    }

    /// Every rule, with what it grants.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleRef, AccessSet)> {
        self.rules.iter().map(|rule| (&rule.at, rule.access))
    }

    /// The state in which the object's name ends; `None` when the name is too long to be judged.
    fn state(&self, object: &Object<'_>) -> Option<u32> {
        let table = self.words.as_slice();
        let (start, rest) = match object {
            Object::Path(path) if path.len() > OBJECT_MAX => return None,
            Object::Path(path) => {
                if let Some(rest) = own(path, View::ThreadSelf) {
                    (low(table.word(MORE_STARTS)), rest)
                } else if let Some(rest) = own(path, View::ProcSelf) {
                    (high(table.word(STARTS)), rest)
                } else {
                    (low(table.word(STARTS)), *path)
                }
            }
            Object::Peer(peer) => (high(table.word(MORE_STARTS)), *peer),
        };
        Some(walk(table, start, rest))
    }

    fn rules_of(&self, state: u32) -> impl Iterator<Item = &Rule> {
        let index = state.wrapping_sub(BODY) as usize / 2;
        let rules = self.accepted.get(index).and_then(|accept| self.accepts.get(*accept));
        rules.into_iter().flatten().filter_map(|rule| self.rules.get(*rule as usize))
    }

    fn granting(&self, state: u32, access: AccessSet, session: bool) -> Option<&RuleRef> {
        let granted = |rule: &&Rule| if session { rule.access } else { rule.container() };
        let all = self.rules_of(state).find(|rule| access & !granted(rule) == 0);
        all.or_else(|| self.rules_of(state).find(|rule| access & granted(rule) != 0)).map(|rule| &rule.at)
    }
}

/// What follows the name of an own procfs entry.
fn own(path: &[u8], view: View) -> Option<&[u8]> {
    let rest = path.strip_prefix(view.prefix())?;
    rest.first().is_none_or(|byte| *byte == b'/').then_some(rest)
}

/// Where the names of one kind of object begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartKind {
    /// Paths, from their first slash.
    Path,
    /// What follows `/proc/self`.
    OwnProcess,
    /// What follows `/proc/thread-self`.
    OwnThread,
    /// Peers, from their kind byte.
    Peer,
}

/// All that a policy says about objects whose names end in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// What rules grant to the container's own processes.
    pub(crate) container: AccessSet,
    /// What rules grant to sessions.
    pub(crate) session: AccessSet,
    /// What deny rules take from the container's own processes.
    pub(crate) denied: AccessSet,
    /// What deny rules take from sessions.
    pub(crate) session_denied: AccessSet,
    /// Groups of parents that a program of this name belongs to.
    pub(crate) member: u32,
    /// Groups of parents that may start it, where `container` does not let everyone.
    pub(crate) parents: u32,
}

impl Policy {
    /// The state in which names of `kind` begin.
    pub(crate) fn start(&self, kind: StartKind) -> u32 {
        let table = self.words.as_slice();
        match kind {
            StartKind::Path => low(table.word(STARTS)),
            StartKind::OwnProcess => high(table.word(STARTS)),
            StartKind::OwnThread => low(table.word(MORE_STARTS)),
            StartKind::Peer => high(table.word(MORE_STARTS)),
        }
    }

    /// The state that follows `state` on `byte`.
    pub(crate) fn next(&self, state: u32, byte: u8) -> u32 {
        stockade_abi::table::step(self.words.as_slice(), state, byte)
    }

    /// What it says about names that end in `state`.
    pub(crate) fn grant(&self, state: u32) -> Grant {
        let (container, session) = grants(self.words.as_slice(), state);
        Grant { container, session, ..Grant::default() }
    }
}
