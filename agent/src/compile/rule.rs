//! The rules of a profile as the compiler knows them, and how they are named in answers.

use std::fmt;

use stockade_abi::access::{AccessSet, DRIFT, EXEC};

use super::effect::Effect;
use crate::profile::{ListenRule, PeerRule};

/// The list of a profile that a rule stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `spec.exec`.
    Exec,
    /// `spec.files`.
    Files,
    /// `spec.peers`.
    Peers,
    /// `spec.listen`.
    Listen,
    /// `spec.sessions.exec`.
    SessionExec,
    /// `spec.sessions.files`.
    SessionFiles,
    /// `spec.deny.exec`.
    DenyExec,
    /// `spec.deny.files`.
    DenyFiles,
    /// `spec.deny.peers`.
    DenyPeers,
}

impl Section {
    /// The name of the list, as seen from `spec`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Peers => "peers",
            Self::Listen => "listen",
            Self::SessionExec => "sessions.exec",
            Self::SessionFiles => "sessions.files",
            Self::DenyExec => "deny.exec",
            Self::DenyFiles => "deny.files",
            Self::DenyPeers => "deny.peers",
        }
    }

    /// Whether its rules take accesses away.
    pub const fn denies(self) -> bool {
        match self {
            Self::Exec | Self::Files | Self::Peers | Self::Listen => false,
            Self::SessionExec | Self::SessionFiles => false,
            Self::DenyExec | Self::DenyFiles | Self::DenyPeers => true,
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

/// What a rule says that is about no path.
#[derive(Clone, Debug)]
pub(crate) enum Network {
    Peer(PeerRule),
    Listen(ListenRule),
}

/// Number of a rule, over all sections.
pub(crate) type RuleId = u32;

/// A rule, and what it does.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) at: RuleRef,
    pub(crate) effect: Effect,
    /// Globs of the programs that may start what it names; empty: any.
    pub(crate) parents: Vec<String>,
}

impl Rule {
    /// The accesses it speaks of: granted, perhaps on a condition, or denied.
    pub(crate) fn access(&self, session: bool) -> AccessSet {
        let effect = self.effect;
        let conditional = if effect.parents | effect.pins == 0 { 0 } else { EXEC };
        effect.allow.of(session) | effect.deny.of(session) | conditional
    }

    /// The accesses it grants when the process that asks is in the groups `member`, and starts what is in the sets of
    /// contents `sets`.
    pub(crate) fn grants(&self, session: bool, member: u32, sets: u32) -> AccessSet {
        let by_parents = if self.effect.parents & member == 0 { 0 } else { EXEC };
        let by_content = if self.effect.pins & sets == 0 { 0 } else { EXEC | DRIFT };
        self.effect.allow.of(session) | by_parents | by_content
    }

    /// Whether it only says which programs belong to a group of parents.
    pub(crate) fn is_group(&self) -> bool {
        self.effect.member != 0
    }
}
