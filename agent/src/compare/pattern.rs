//! The rules of a profile, each as an automaton of its own.

use std::collections::HashSet;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Mode;

use super::automaton::Automaton;
use crate::compile::{CompileError, RuleRef, Section, StartKind};
use crate::profile::{Deny, ExecRule, FileRule, PeerRule, Profile};

/// A rule, apart from its profile.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// Which one.
    pub(crate) at: RuleRef,
    /// What it grants.
    pub(crate) access: AccessSet,
    /// It holds only for some contents, arguments or parents.
    pub(crate) conditional: bool,
    peer: Option<PeerRule>,
}

impl Pattern {
    /// What it matches, and grants there when its conditions are met; for a deny rule, what it takes there.
    pub(crate) fn automaton(&self) -> Result<Automaton, CompileError> {
        let mut profile = Profile::new("rule", Mode::Enforce);
        let path = &self.at.text;
        match self.at.section {
            Section::Exec | Section::DenyExec => profile.exec.push(ExecRule::new(path)),
            Section::Files | Section::DenyFiles => profile.files.push(FileRule::new(path, self.access)),
            Section::Peers | Section::DenyPeers => profile.peers.extend(self.peer.clone()),
            Section::SessionExec => profile.sessions.exec.push(path.clone()),
            Section::SessionFiles => {
                profile.sessions.files.push(FileRule::new(path, self.access));
            }
        }
        Automaton::compiled(&profile)
    }

    /// The kinds of objects that it can match.
    pub(crate) fn kinds(&self) -> &'static [StartKind] {
        match self.at.section {
            Section::Peers | Section::DenyPeers => &[StartKind::Peer],
            Section::Exec
            | Section::Files
            | Section::SessionExec
            | Section::SessionFiles
            | Section::DenyExec
            | Section::DenyFiles => &[StartKind::Path, StartKind::ProcSelf, StartKind::ThreadSelf],
        }
    }

    /// What it grants to the container and to sessions, or takes from them.
    pub(crate) fn grants(&self) -> [AccessSet; 2] {
        let all = if self.access & access::WRITE == 0 { self.access } else { self.access | access::APPEND };
        match self.at.section {
            Section::Exec | Section::Files | Section::Peers => [all; 2],
            Section::DenyExec | Section::DenyFiles | Section::DenyPeers => [all; 2],
            Section::SessionExec | Section::SessionFiles => [0, all],
        }
    }

    /// The same for everything below what it matches.
    pub(crate) fn below(&self) -> Self {
        let text = format!("{}/**", self.at.text.trim_end_matches('/'));
        Self { at: RuleRef { text, ..self.at.clone() }, ..self.clone() }
    }

    /// Whether `self` says no more than `other` does, word for word.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.at.section == other.at.section
            && self.at.text == other.at.text
            && self.access & !other.access == 0
            && !other.conditional
    }
}

/// The rules of `profile` that grant something, in the order of its sections.
pub(crate) fn patterns(profile: &Profile) -> Vec<Pattern> {
    let pattern = |section, (index, (text, access, conditional, peer))| Pattern {
        at: RuleRef { section, index, text },
        access,
        conditional,
        peer,
    };
    let exec = profile.exec.iter().map(|rule| {
        let free = rule.sha256.is_empty() && rule.args.is_none() && rule.parents.is_empty();
        (rule.path.clone(), access::EXEC, !free, None)
    });
    let files = profile.files.iter().map(|rule| (rule.path.clone(), rule.access, false, None));
    let peers =
        profile.peers.iter().map(|rule| (rule.to_string(), access::CONNECT, false, Some(rule.clone())));
    let session_exec = profile.sessions.exec.iter().map(|path| (path.clone(), access::EXEC, false, None));
    let session_files =
        profile.sessions.files.iter().map(|rule| (rule.path.clone(), rule.access, false, None));
    exec.enumerate()
        .map(|item| pattern(Section::Exec, item))
        .chain(files.enumerate().map(|item| pattern(Section::Files, item)))
        .chain(peers.enumerate().map(|item| pattern(Section::Peers, item)))
        .chain(session_exec.enumerate().map(|item| pattern(Section::SessionExec, item)))
        .chain(session_files.enumerate().map(|item| pattern(Section::SessionFiles, item)))
        .collect()
}

/// The rules of `profile` that deny something, in the order of its sections.
pub(crate) fn denials(profile: &Profile) -> Vec<Pattern> {
    const EITHER: AccessSet = access::WRITE | access::APPEND;
    let deny = &profile.deny;
    let pattern = |section, (index, (text, access, peer))| Pattern {
        at: RuleRef { section, index, text },
        access,
        conditional: false,
        peer,
    };
    let exec = deny.exec.iter().map(|path| (path.clone(), access::EXEC, None));
    let files = deny.files.iter().map(|rule| {
        // They are denied together.
        let access = if rule.access & EITHER == 0 { rule.access } else { rule.access | EITHER };
        (rule.path.clone(), access, None)
    });
    let peers = deny.peers.iter().map(|rule| (rule.to_string(), access::CONNECT, Some(rule.clone())));
    exec.enumerate()
        .map(|item| pattern(Section::DenyExec, item))
        .chain(files.enumerate().map(|item| pattern(Section::DenyFiles, item)))
        .chain(peers.enumerate().map(|item| pattern(Section::DenyPeers, item)))
        .collect()
}

/// `profile` with what it grants and nothing taken from that.
pub(crate) fn without_denials(profile: Profile) -> Profile {
    Profile { deny: Deny::default(), ..profile }
}

/// `profile` with those of its granting rules, numbered as in `all`, that `keep` wants.
pub(crate) fn subset(profile: &Profile, all: &[Pattern], keep: impl Fn(usize) -> bool) -> Profile {
    let kept: HashSet<(Section, usize)> = all
        .iter()
        .enumerate()
        .filter(|(index, _)| keep(*index))
        .map(|(_, pattern)| (pattern.at.section, pattern.at.index))
        .collect();
    let stays = |section, index| kept.contains(&(section, index));
    let mut rest = profile.clone();
    retain(&mut rest.exec, |index| stays(Section::Exec, index));
    retain(&mut rest.files, |index| stays(Section::Files, index));
    retain(&mut rest.peers, |index| stays(Section::Peers, index));
    retain(&mut rest.sessions.exec, |index| stays(Section::SessionExec, index));
    retain(&mut rest.sessions.files, |index| stays(Section::SessionFiles, index));
    rest
}

fn retain<T>(rules: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut index = 0..;
    rules.retain(|_| index.next().is_some_and(&keep));
}
