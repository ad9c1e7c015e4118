//! From a profile to patterns with effects.

use stockade_abi::access::{self, AccessSet};
use stockade_abi::object::{OWN_TID, View};
use stockade_abi::table::{PINS_MAX, Pin};

use super::effect::{Effect, Sides};
use super::error::{CompileError, Named};
use super::glob::{self, Flat, GlobError, Kind, Token};
use super::pattern::{Patterns, Root};
use super::peer;
use super::rule::{Network, Rule, RuleId, RuleRef, Section};
use crate::profile::{ExecRule, FileRule, PeerRule, Profile};

/// Lists of parents that a profile can tell apart: one bit each in a grant.
pub(crate) const GROUPS_MAX: usize = 32;

/// A profile, read.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) rules: Vec<Rule>,
    pub(crate) patterns: Patterns,
    /// Lists of parents, sorted; the position is the group.
    groups: Vec<Vec<String>>,
    /// Sets of contents with their lists of parents, sorted; the position is the set.
    sets: Vec<(Vec<String>, Vec<String>)>,
    /// The contents.
    pub(crate) pins: Vec<Pin>,
}

impl Source {
    pub(crate) fn read(profile: &Profile) -> Result<Self, CompileError> {
        let mut source = Self::default();
        for (index, rule) in profile.exec.iter().enumerate() {
            let at = RuleRef { section: Section::Exec, index, text: rule.path.clone() };
            if !rule.sha256.is_empty() {
                let pins = source.pin(&at, rule)?;
                let id = source.path(at, Effect { pins, ..Effect::default() })?;
                source.rules[id as usize].parents.clone_from(&rule.parents);
            } else if rule.parents.is_empty() {
                let effect = Effect { allow: Sides::both(rule.from.access()), ..Effect::default() };
                source.path(at, effect)?;
            } else {
                let parents = 1 << source.group(&at, &rule.parents)?;
                let id = source.path(at, Effect { parents, ..Effect::default() })?;
                source.rules[id as usize].parents.clone_from(&rule.parents);
            }
        }
        source.files(Section::Files, &profile.files, |access| Effect {
            allow: Sides::both(granted(access)),
            ..Effect::default()
        })?;
        let connect = Sides::both(access::CONNECT);
        source.peers(Section::Peers, &profile.peers, Effect { allow: connect, ..Effect::default() })?;
        let listen = Effect { allow: Sides::both(access::LISTEN), ..Effect::default() };
        for (index, rule) in profile.listen.iter().enumerate() {
            let at = RuleRef { section: Section::Listen, index, text: rule.to_string() };
            source.add(at, listen, Root::Peer, Ok(peer::ports(rule)))?;
        }
        let exec = Effect { allow: Sides::session(access::EXEC), ..Effect::default() };
        source.programs(Section::SessionExec, &profile.sessions.exec, exec)?;
        source.files(Section::SessionFiles, &profile.sessions.files, |access| Effect {
            allow: Sides::session(granted(access)),
            ..Effect::default()
        })?;
        let exec = Effect { deny: Sides::both(access::EXEC), ..Effect::default() };
        source.programs(Section::DenyExec, &profile.deny.exec, exec)?;
        source.files(Section::DenyFiles, &profile.deny.files, |access| Effect {
            deny: Sides::both(denied(access)),
            ..Effect::default()
        })?;
        source.peers(
            Section::DenyPeers,
            &profile.deny.peers,
            Effect { deny: connect, ..Effect::default() },
        )?;
        Ok(source)
    }

    fn programs(&mut self, section: Section, paths: &[String], effect: Effect) -> Result<(), CompileError> {
        for (index, path) in paths.iter().enumerate() {
            self.path(RuleRef { section, index, text: path.clone() }, effect)?;
        }
        Ok(())
    }

    fn files(
        &mut self,
        section: Section,
        rules: &[FileRule],
        effect: impl Fn(AccessSet) -> Effect,
    ) -> Result<(), CompileError> {
        for (index, rule) in rules.iter().enumerate() {
            self.path(RuleRef { section, index, text: rule.path.clone() }, effect(rule.access))?;
        }
        Ok(())
    }

    fn peers(&mut self, section: Section, rules: &[PeerRule], effect: Effect) -> Result<(), CompileError> {
        for (index, rule) in rules.iter().enumerate() {
            let at = RuleRef { section, index, text: rule.to_string() };
            let flats = peer::patterns(rule);
            self.add(at, effect, Root::Peer, flats)?;
        }
        Ok(())
    }

    /// A rule by itself, of which only counts what it matches.
    pub(crate) fn lone(&mut self, at: &RuleRef, network: Option<&Network>) -> Result<RuleId, CompileError> {
        let flats = match network {
            Some(Network::Peer(rule)) => peer::patterns(rule),
            Some(Network::Listen(rule)) => Ok(peer::ports(rule)),
            None => return self.path(at.clone(), Effect::default()),
        };
        self.add(at.clone(), Effect::default(), Root::Peer, flats)
    }

    fn path(&mut self, at: RuleRef, effect: Effect) -> Result<RuleId, CompileError> {
        let flats = paths(&at.text);
        self.add(at, effect, Root::Path, flats)
    }

    fn add(
        &mut self,
        at: RuleRef,
        effect: Effect,
        root: Root,
        flats: Result<Vec<Flat>, GlobError>,
    ) -> Result<RuleId, CompileError> {
        let id = RuleId::try_from(self.rules.len()).unwrap_or(RuleId::MAX);
        match flats {
            Ok(flats) => flats.iter().for_each(|flat| self.patterns.add(root, flat, id)),
            Err(error) => return Err(CompileError::Glob { rule: Box::new(at.into()), error }),
        }
        self.rules.push(Rule { at, effect, parents: Vec::new() });
        if self.patterns.too_many() {
            return Err(CompileError::TooLong { worst: self.longest() });
        }
        Ok(id)
    }

    /// The number of the group of programs that `parents` name.
    fn group(&mut self, rule: &RuleRef, parents: &[String]) -> Result<usize, CompileError> {
        let list = sorted(parents);
        if let Some(known) = self.groups.iter().position(|group| *group == list) {
            return Ok(known);
        }
        let fresh = self.groups.len();
        if fresh >= GROUPS_MAX {
            return Err(CompileError::TooManyParents { rule: Box::new(rule.clone().into()) });
        }
        for parent in &list {
            let at = RuleRef { text: format!("{}, parents {parent}", rule.text), ..rule.clone() };
            self.add(at, Effect { member: 1 << fresh, ..Effect::default() }, Root::Path, paths(parent))?;
        }
        self.groups.push(list);
        Ok(fresh)
    }

    /// The set of contents that `rule` names, as its bit.
    fn pin(&mut self, at: &RuleRef, rule: &ExecRule) -> Result<u32, CompileError> {
        let set = (sorted(&rule.sha256), sorted(&rule.parents));
        if let Some(known) = self.sets.iter().position(|known| *known == set) {
            return Ok(1 << known);
        }
        let too_many = || CompileError::TooManyPins { rule: Box::new(at.clone().into()) };
        let fresh = self.sets.len();
        if fresh >= GROUPS_MAX || self.pins.len().saturating_add(set.0.len()) > PINS_MAX as usize {
            return Err(too_many());
        }
        let parents = if set.1.is_empty() { 0 } else { 1 << self.group(at, &set.1)? };
        // The reader takes nothing but 64 hexadecimal digits.
        let digests = set.0.iter().filter_map(|text| digest(text));
        self.pins.extend(digests.map(|digest| Pin { set: 1 << fresh, parents, digest }));
        self.sets.push(set);
        Ok(1 << fresh)
    }

    /// The rules with the longest patterns.
    fn longest(&self) -> Vec<Named> {
        let mut cost = vec![0usize; self.rules.len()];
        for (rule, len) in self.patterns.lengths() {
            cost[rule as usize] = cost[rule as usize].saturating_add(len);
        }
        super::error::dearest(&cost, &self.rules)
    }
}

/// What a list says whose order and repetitions say nothing.
fn sorted(list: &[String]) -> Vec<String> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

/// A digest in hexadecimal digits, as the table has it; `None` for anything else.
pub(crate) fn digest(text: &str) -> Option<[u64; 4]> {
    let mut words = [0; 4];
    if text.len() != 64 {
        return None;
    }
    for (word, at) in words.iter_mut().zip((0..).step_by(16)) {
        // The first digits are the first bytes, and those are the lowest.
        *word = u64::from_str_radix(text.get(at..at + 16)?, 16).ok()?.swap_bytes();
    }
    Some(words)
}

fn paths(glob: &str) -> Result<Vec<Flat>, GlobError> {
    Ok(glob::parse(glob, Kind::Path)?.into_iter().map(own_thread).collect())
}

/// Who may write anywhere in a file may write at its end.
fn granted(access: AccessSet) -> AccessSet {
    if access & access::WRITE == 0 { access } else { access | access::APPEND }
}

/// Writing and appending are denied together, whichever the rule names. A file that is open for writing
/// takes text at its end too, so a denial of `append` alone would deny nothing to who may `write`; and a
/// denial of `write` that left `append` would still let the file be changed.
fn denied(access: AccessSet) -> AccessSet {
    const EITHER: AccessSet = access::WRITE | access::APPEND;
    if access & EITHER == 0 { access } else { access | EITHER }
}

/// `/proc/thread-self` is matched as the own thread in the list of the own process's threads.
fn own_thread(flat: Flat) -> Flat {
    let word = View::ThreadSelf.prefix();
    let same = flat.len() >= word.len()
        && flat.iter().zip(word).all(|(token, byte)| *token == Token::Byte(*byte))
        && flat.get(word.len()).is_none_or(|next| *next == Token::Byte(b'/'));
    if !same {
        return flat;
    }
    let head = b"/proc/self/task/".iter().chain(&[OWN_TID]).map(|byte| Token::Byte(*byte));
    head.chain(flat.into_iter().skip(word.len())).collect()
}
