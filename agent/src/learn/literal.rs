//! A profile in two parts: rules that name one file each, and all others.
//!
//! What was learned may be a hundred thousand names that have nothing in common. An automaton that knows each of them
//! takes a hundred bytes a state until it is complete; that a name is one of them, a table of names says as well.

use std::collections::HashMap;

use stockade_abi::OBJECT_MAX;
use stockade_abi::access::{APPEND, AccessSet, WRITE};
use stockade_abi::reason::{Mode, Reason};

use crate::compile::{Object, Policy, RuleRef, Section, compile};
use crate::profile::{FileRule, List, Profile};

/// What a profile allows its own processes.
pub(super) struct Parted<'p> {
    /// Of the rules that are not in `files`; without a table they allow nothing.
    policy: Option<Policy>,
    files: HashMap<&'p [u8], AccessSet>,
    /// Where the rules for files that are left stand in the whole.
    left: Vec<usize>,
}

impl<'p> Parted<'p> {
    pub(super) fn of(profile: &'p Profile) -> Self {
        let mut files: HashMap<&[u8], AccessSet> = HashMap::new();
        let mut left = Vec::new();
        for (at, rule) in profile.files.iter().enumerate() {
            if names_one(rule) {
                // As the compiler has it.
                let append = if rule.access & WRITE == 0 { 0 } else { APPEND };
                *files.entry(rule.path.as_bytes()).or_default() |= rule.access | append;
            } else {
                left.push(at);
            }
        }
        let rest = profile.only(|list, at| list != List::Files || left.binary_search(&at).is_ok());
        Self { policy: compile(&rest, Mode::Enforce).ok(), files, left }
    }

    /// The policy of all but the rules that name one file each.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// Where a rule of that policy stands in its list of the profile.
    pub(super) fn position(&self, rule: &RuleRef) -> Option<usize> {
        if rule.section == Section::Files { self.left.get(rule.index).copied() } else { Some(rule.index) }
    }

    /// Whether it allows all of `access`.
    pub(super) fn allows(&self, object: &Object<'_>, access: AccessSet) -> bool {
        let Some(policy) = &self.policy else { return false };
        let decision = policy.decide(object, access, false);
        // What one part lacks, the other may have.
        let lacks = decision.reason == Reason::NoRule;
        decision.reason == Reason::Rule || (lacks && decision.missing & !self.of_file(object) == 0)
    }

    /// The rule that grants or denies `access`, unless it names one file.
    pub(super) fn rule(&self, object: &Object<'_>, access: AccessSet) -> Option<RuleRef> {
        self.policy.as_ref().and_then(|policy| policy.decide(object, access, false).rule)
    }

    fn of_file(&self, object: &Object<'_>) -> AccessSet {
        match object {
            Object::Path(path) => self.files.get(path).copied().unwrap_or(0),
            Object::Peer(_) => 0,
        }
    }
}

/// Whether a rule matches the one file that it spells. Entries of processes have several names.
fn names_one(rule: &FileRule) -> bool {
    let means_more = |byte| matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'\\' | b',');
    !rule.path.bytes().any(means_more) && !rule.path.starts_with("/proc") && rule.path.len() <= OBJECT_MAX
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{CREATE, EXEC, MAP, READ};

    use super::*;
    use crate::compile::Section;
    use crate::learn::evidence::tests::Dice;
    use crate::profile::ExecRule;

    /// The parts say what the whole says.
    #[test]
    fn the_parts_allow_what_the_whole_allows() {
        let globs = [
            "/a/b",
            "/a/*",
            "/a/**",
            "/a/b{,c}",
            "/a/\\*",
            "/b",
            "/b/x",
            "/proc/self/a",
            "/proc/1/a",
            "/a/[bc]",
            "/a/b,",
        ];
        let objects = ["/a", "/a/b", "/a/bc", "/a/*", "/b", "/b/x", "/proc/self/a", "/proc/1/a", "/a/b,"];
        let accesses = [READ, WRITE, APPEND, CREATE, MAP, EXEC, READ | CREATE, READ | WRITE | APPEND];
        let mut dice = Dice(5);
        let mut pick = |n: usize| usize::try_from(dice.below(n as u64)).unwrap();
        for _ in 0..200 {
            let mut profile = Profile::new("p", Mode::Enforce);
            let mut rule =
                || FileRule::new(globs[pick(globs.len())], [READ, WRITE, CREATE, READ | MAP][pick(4)]);
            profile.files = (0..5).map(|_| rule()).collect();
            profile.deny.files = vec![rule()];
            profile.exec.push(ExecRule::new("/b".to_owned()));
            let (whole, parts) = (compile(&profile, Mode::Enforce).unwrap(), Parted::of(&profile));
            for (object, access) in objects.iter().flat_map(|object| accesses.map(|access| (object, access)))
            {
                let path = Object::Path(object.as_bytes());
                let decision = whole.decide(&path, access, false);
                assert_eq!(
                    parts.allows(&path, access),
                    decision.reason == Reason::Rule,
                    "{object} {access} {profile:?}"
                );
                let rule = parts.rule(&path, access);
                let named = rule.filter(|rule| {
                    rule.section == Section::Files && names_one(&FileRule::new(&*rule.text, READ))
                });
                assert_eq!(named, None);
            }
            assert!(parts.left.iter().all(|at| !names_one(&profile.files[*at])));
        }
    }
}
