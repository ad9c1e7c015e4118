//! The rules of a profile, each as an automaton of its own.

use std::collections::HashSet;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Mode;

use crate::compile::{Item, Network, RuleRef, Section, StartKind};
use crate::profile::{Deny, ExecRule, FileRule, Profile, Provenance};

/// A rule, apart from its profile.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// Which one.
    pub(crate) at: RuleRef,
    /// What it grants.
    pub(crate) access: AccessSet,
    /// It holds only for some contents, arguments or parents.
    pub(crate) conditional: bool,
    network: Option<Network>,
}

impl Pattern {
    /// As the compiler reads it by itself.
    pub(super) fn item(&self) -> Item<'_> {
        (&self.at, self.network.as_ref())
    }

    /// What sorts rules into groups that are quick to walk together: those about paths, those about peers,
    /// and each alone that matches everything below directories of which it does not say where they are.
    pub(super) fn group(&self) -> (usize, &str) {
        let text = self.at.text.as_str();
        let alone = text.ends_with("**") && text.matches("**").count() > 1;
        let group = match self.kinds() {
            [StartKind::Peer] => 0,
            [..] if alone => self.at.index.saturating_add(2),
            [..] => 1,
        };
        (group, text)
    }

    /// The kinds of objects that it can match.
    pub(crate) fn kinds(&self) -> &'static [StartKind] {
        match self.at.section {
            Section::Peers | Section::Listen | Section::DenyPeers => &[StartKind::Peer],
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
            Section::Exec | Section::Files | Section::Peers | Section::Listen => [all; 2],
            Section::DenyExec | Section::DenyFiles | Section::DenyPeers => [all; 2],
            Section::SessionExec | Section::SessionFiles => [0, all],
        }
    }

    /// What both grant where both match.
    pub(crate) fn common(&self, other: &Self) -> AccessSet {
        self.access & other.access & self.grants()[1] & other.grants()[1]
    }

    /// The same for everything below what it matches.
    pub(crate) fn below(&self) -> Self {
        let text = format!("{}/**", self.at.text.trim_end_matches('/'));
        Self { at: RuleRef { text, ..self.at.clone() }, ..self.clone() }
    }
}

/// The rules of `profile` that grant something, in the order of its sections.
pub(crate) fn patterns(profile: &Profile) -> Vec<Pattern> {
    let pattern = |section, (index, (text, access, conditional, network))| Pattern {
        at: RuleRef { section, index, text },
        access,
        conditional,
        network,
    };
    let exec = profile.exec.iter().map(|rule| {
        let free = rule.sha256.is_empty() && rule.args.is_none() && rule.parents.is_empty();
        (rule.path.clone(), rule.from.access(), !free, None)
    });
    let files = profile.files.iter().map(|rule| (rule.path.clone(), rule.access, false, None));
    let peers = profile
        .peers
        .iter()
        .map(|rule| (rule.to_string(), access::CONNECT, false, Some(Network::Peer(rule.clone()))));
    let listen = profile
        .listen
        .iter()
        .map(|rule| (rule.to_string(), access::LISTEN, false, Some(Network::Listen(rule.clone()))));
    let session_exec = profile.sessions.exec.iter().map(|path| (path.clone(), access::EXEC, false, None));
    let session_files =
        profile.sessions.files.iter().map(|rule| (rule.path.clone(), rule.access, false, None));
    exec.enumerate()
        .map(|item| pattern(Section::Exec, item))
        .chain(files.enumerate().map(|item| pattern(Section::Files, item)))
        .chain(peers.enumerate().map(|item| pattern(Section::Peers, item)))
        .chain(listen.enumerate().map(|item| pattern(Section::Listen, item)))
        .chain(session_exec.enumerate().map(|item| pattern(Section::SessionExec, item)))
        .chain(session_files.enumerate().map(|item| pattern(Section::SessionFiles, item)))
        .collect()
}

/// The rules of `profile` that deny something, in the order of its sections.
pub(crate) fn denials(profile: &Profile) -> Vec<Pattern> {
    const EITHER: AccessSet = access::WRITE | access::APPEND;
    let deny = &profile.deny;
    let pattern = |section, (index, (text, access, network))| Pattern {
        at: RuleRef { section, index, text },
        access,
        conditional: false,
        network,
    };
    let exec = deny.exec.iter().map(|path| (path.clone(), access::EXEC, None));
    let files = deny.files.iter().map(|rule| {
        // They are denied together.
        let access = if rule.access & EITHER == 0 { rule.access } else { rule.access | EITHER };
        (rule.path.clone(), access, None)
    });
    let peers =
        deny.peers.iter().map(|rule| (rule.to_string(), access::CONNECT, Some(Network::Peer(rule.clone()))));
    exec.enumerate()
        .map(|item| pattern(Section::DenyExec, item))
        .chain(files.enumerate().map(|item| pattern(Section::DenyFiles, item)))
        .chain(peers.enumerate().map(|item| pattern(Section::DenyPeers, item)))
        .collect()
}

/// A profile that grants what `rules` say, also those that deny, and nothing else.
pub(crate) fn profile_of<'a>(rules: impl Iterator<Item = &'a Pattern>) -> Profile {
    let mut profile = Profile::new("rules", Mode::Enforce);
    for rule in rules {
        let path = &rule.at.text;
        match rule.at.section {
            Section::Exec | Section::DenyExec => {
                let from = Provenance::of(rule.access);
                profile.exec.push(ExecRule { from, ..ExecRule::new(path) });
            }
            Section::Files | Section::DenyFiles => profile.files.push(FileRule::new(path, rule.access)),
            Section::Peers | Section::Listen | Section::DenyPeers => match &rule.network {
                Some(Network::Peer(peer)) => profile.peers.push(peer.clone()),
                Some(Network::Listen(listen)) => profile.listen.push(listen.clone()),
                None => {}
            },
            Section::SessionExec => profile.sessions.exec.push(path.clone()),
            Section::SessionFiles => profile.sessions.files.push(FileRule::new(path, rule.access)),
        }
    }
    profile
}

/// `profile` with what it grants and nothing taken from that.
pub(crate) fn without_denials(profile: &Profile) -> Profile {
    Profile { deny: Deny::default(), ..profile.clone() }
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
    retain(&mut rest.listen, |index| stays(Section::Listen, index));
    retain(&mut rest.sessions.exec, |index| stays(Section::SessionExec, index));
    retain(&mut rest.sessions.files, |index| stays(Section::SessionFiles, index));
    rest
}

fn retain<T>(rules: &mut Vec<T>, keep: impl Fn(usize) -> bool) {
    let mut index = 0..;
    rules.retain(|_| index.next().is_some_and(&keep));
}
