//! Which of a profile's rules came out of which rule set.
//!
//! Rules are kept flat, so that whoever compiles, judges or counts them need not know about rule sets.
//! Beside them stands where each set's rules are; whatever stands elsewhere is the profile's own, also
//! what is added behind them later.

use std::ops::Range;

use super::{List, Profile};
use crate::compile::{PowerRule, RuleRef};

/// A rule set that a profile includes, and where its rules stand in the profile's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its name.
    pub name: String,
    /// The rule sets that it includes itself.
    pub include: Vec<String>,
    ranges: [Range<usize>; List::ALL.len()],
}

impl Included {
    fn range(&self, list: List) -> &Range<usize> {
        &self.ranges[list as usize]
    }
}

impl Profile {
    /// The rule set that a rule came out of, and the rule's position there. `None`: it is the profile's own.
    /// `list` is the list's name as seen from `spec`, as in [`RuleRef`].
    pub fn origin(&self, list: &str, index: usize) -> Option<(&str, usize)> {
        let list = List::from_word(list)?;
        self.origins.iter().find_map(|set| {
            let range = set.range(list);
            range.contains(&index).then(|| (set.name.as_str(), index.saturating_sub(range.start)))
        })
    }

    /// A rule as people look it up: in the profile, `files[3] /etc/x`, or in a rule set, `base:files[3] /etc/x`.
    pub fn shown(&self, rule: &RuleRef) -> String {
        match self.origin(rule.section.word(), rule.index) {
            Some((set, index)) => format!("{set}:{}[{index}] {}", rule.section.word(), rule.text),
            None => rule.to_string(),
        }
    }

    /// The same for a rule about a capability or a facility.
    pub fn shown_power(&self, rule: &PowerRule) -> String {
        let (list, power) = (rule.list.word(), rule.power.word());
        match self.origin(list, rule.index) {
            Some((set, index)) => format!("{set}:{list}[{index}] {power}"),
            None => format!("{list}[{}] {power}", rule.index),
        }
    }

    /// Changes the profile's own rules; those of the rule sets that it includes stay behind them.
    pub fn change_own(&mut self, change: impl FnOnce(&mut Self)) {
        let mut own = self.own();
        change(&mut own);
        for set in &self.origins {
            own.absorb(self.set(set));
        }
        *self = own;
    }

    /// The profile without the rules of the rule sets that it includes.
    pub(super) fn own(&self) -> Self {
        self.only(|list, index| !self.origins.iter().any(|set| set.range(list).contains(&index)))
    }

    /// The rules of all rule sets that it includes, and nothing else.
    pub fn included(&self) -> Self {
        self.only(|list, index| self.origins.iter().any(|set| set.range(list).contains(&index)))
    }

    /// One of the rule sets that it includes.
    pub(super) fn set(&self, set: &Included) -> Self {
        let rules = self.only(|list, index| set.range(list).contains(&index));
        Self { include: set.include.clone(), name: set.name.clone(), ..rules }
    }

    /// Adds the rules of a rule set behind those that are there.
    pub(crate) fn absorb(&mut self, set: Self) {
        let start = self.lengths();
        self.exec.extend(set.exec);
        self.files.extend(set.files);
        self.peers.extend(set.peers);
        self.listen.extend(set.listen);
        self.capabilities.extend(set.capabilities);
        self.facilities.extend(set.facilities);
        self.deny.exec.extend(set.deny.exec);
        self.deny.files.extend(set.deny.files);
        self.deny.peers.extend(set.deny.peers);
        self.deny.capabilities.extend(set.deny.capabilities);
        self.deny.facilities.extend(set.deny.facilities);
        self.sessions.exec.extend(set.sessions.exec);
        self.sessions.files.extend(set.sessions.files);
        self.sessions.capabilities.extend(set.sessions.capabilities);
        self.sessions.facilities.extend(set.sessions.facilities);
        let end = self.lengths();
        let ranges = std::array::from_fn(|list| start[list]..end[list]);
        self.origins.push(Included { name: set.name, include: set.include, ranges });
    }

    /// Rules in each list, by the list's number.
    fn lengths(&self) -> [usize; List::ALL.len()] {
        List::ALL.map(|list| match list {
            List::Exec => self.exec.len(),
            List::Files => self.files.len(),
            List::Peers => self.peers.len(),
            List::Listen => self.listen.len(),
            List::Capabilities => self.capabilities.len(),
            List::Facilities => self.facilities.len(),
            List::DenyExec => self.deny.exec.len(),
            List::DenyFiles => self.deny.files.len(),
            List::DenyPeers => self.deny.peers.len(),
            List::DenyCapabilities => self.deny.capabilities.len(),
            List::DenyFacilities => self.deny.facilities.len(),
            List::SessionExec => self.sessions.exec.len(),
            List::SessionFiles => self.sessions.files.len(),
            List::SessionCapabilities => self.sessions.capabilities.len(),
            List::SessionFacilities => self.sessions.facilities.len(),
        })
    }

    /// The same with those rules only that `keep` names.
    pub(crate) fn only(&self, keep: impl Fn(List, usize) -> bool) -> Self {
        fn kept<T: Clone>(rules: &[T], list: List, keep: &impl Fn(List, usize) -> bool) -> Vec<T> {
            let numbered = rules.iter().enumerate();
            numbered.filter(|(index, _)| keep(list, *index)).map(|(_, rule)| rule.clone()).collect()
        }
        let mut part = Self { origins: Vec::new(), ..Self::new(self.name.clone(), self.mode) };
        part.labels.clone_from(&self.labels);
        part.annotations.clone_from(&self.annotations);
        part.matches.clone_from(&self.matches);
        part.include.clone_from(&self.include);
        part.exec = kept(&self.exec, List::Exec, &keep);
        part.files = kept(&self.files, List::Files, &keep);
        part.peers = kept(&self.peers, List::Peers, &keep);
        part.listen = kept(&self.listen, List::Listen, &keep);
        part.capabilities = kept(&self.capabilities, List::Capabilities, &keep);
        part.facilities = kept(&self.facilities, List::Facilities, &keep);
        part.deny.exec = kept(&self.deny.exec, List::DenyExec, &keep);
        part.deny.files = kept(&self.deny.files, List::DenyFiles, &keep);
        part.deny.peers = kept(&self.deny.peers, List::DenyPeers, &keep);
        part.deny.capabilities = kept(&self.deny.capabilities, List::DenyCapabilities, &keep);
        part.deny.facilities = kept(&self.deny.facilities, List::DenyFacilities, &keep);
        part.sessions.exec = kept(&self.sessions.exec, List::SessionExec, &keep);
        part.sessions.files = kept(&self.sessions.files, List::SessionFiles, &keep);
        part.sessions.capabilities = kept(&self.sessions.capabilities, List::SessionCapabilities, &keep);
        part.sessions.facilities = kept(&self.sessions.facilities, List::SessionFacilities, &keep);
        part
    }
}
