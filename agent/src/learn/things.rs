//! What a profile would have to allow, thing by thing.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use stockade_abi::access::{self, AccessSet, DRIFT, MAP};
use stockade_abi::reason::{Operation, Verdict};

use super::Seen;
use super::complete::Baseline;
use super::evidence::Evidence;
use super::layout::data_dirs;
use super::literal::Parted;
use super::made_code::MadeCode;
use crate::compile::{Policy, Section};
use crate::events::render::object;
use crate::profile::Profile;

/// An access of a rule, with everything that stands behind it. Most were seen in one way: there may be very many, so
/// nothing is copied for those.
pub(super) struct Thing<'a> {
    /// What was seen, or the first of it.
    seen: &'a Seen,
    access: AccessSet,
    /// Of all, where there are others.
    joined: Option<Box<Evidence>>,
}

impl Thing<'_> {
    /// It, or one of what it stands for, in words.
    pub(super) fn shown(&self) -> String {
        let object = object(self.seen.operation, &self.seen.object).text();
        let words: Vec<&str> = access::words(self.access).collect();
        [words.as_slice(), &[object.as_str()]].concat().join(" ")
    }
}

impl Borrow<Evidence> for Thing<'_> {
    fn borrow(&self) -> &Evidence {
        self.joined.as_deref().unwrap_or(&self.seen.evidence)
    }
}

/// What makes a thing one of its own, beside the access.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    /// A rule that stands for many names, or a data directory.
    Rule(String),
    /// A name that has a rule of its own, or none.
    Object(&'a [u8]),
    Power(String),
}

/// What the profile would have to allow: an access of a rule, with everything that stands behind it. What `current` allows is
/// not among it.
pub(super) fn things<'a>(
    baseline: &'a Baseline,
    current: Option<&Profile>,
    proposed: &Profile,
    made_code: &MadeCode,
) -> Vec<Thing<'a>> {
    let known = current.map(Parted::of);
    let rules = Parted::of(proposed);
    let data_dirs = data_dirs(&baseline.seen);
    let mut things = BTreeMap::new();
    for one in &baseline.seen {
        if let Some(power) = one.power() {
            let granted = |policy: &Policy| policy.decide_power(power, false).verdict == Verdict::Allowed;
            let known = known.as_ref().and_then(Parted::policy).is_some_and(granted);
            // Facilities are for a person to grant: no rule will be made of them.
            if one.operation == Operation::Capability && !known {
                add(&mut things, (Name::Power(power.word()), 0), one);
            }
            continue;
        }
        let Some((object, access)) = one.question() else { continue };
        // As for facilities.
        if access & DRIFT != 0 {
            continue;
        }
        for bit in (0..AccessSet::BITS).map(|bit| 1 << bit).filter(|bit| access & bit != 0) {
            // So are those, of what was made.
            if bit == MAP && made_code.mapped.contains_key(&one.object) {
                continue;
            }
            if known.as_ref().is_some_and(|known| known.allows(&object, bit)) {
                continue;
            }
            // Without a rule it is a thing of its own: more things rather than fewer.
            let name = match rules.rule(&object, bit) {
                Some(rule) => {
                    let dir = data_dirs.get(&rule.text).filter(|_| rule.section == Section::Files);
                    Name::Rule(dir.map_or_else(|| rule.to_string(), |dir| dir.escape_ascii().to_string()))
                }
                None => Name::Object(&one.object),
            };
            add(&mut things, (name, bit), one);
        }
    }
    things.into_values().collect()
}

type Key<'a> = (Name<'a>, AccessSet);

fn add<'a>(things: &mut BTreeMap<Key<'a>, Thing<'a>>, key: Key<'a>, seen: &'a Seen) {
    let access = key.1;
    match things.entry(key) {
        Entry::Vacant(entry) => drop(entry.insert(Thing { seen, access, joined: None })),
        Entry::Occupied(entry) => {
            let Thing { seen: first, joined, .. } = entry.into_mut();
            joined.get_or_insert_with(|| Box::new(first.evidence.clone())).join(&seen.evidence);
        }
    }
}
