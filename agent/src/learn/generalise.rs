//! From what was seen to the rules that allow it again.
//!
//! A rule names exactly what was seen, with few exceptions: data files whose names are made up while
//! running (series of numbers, temporary files, entries of other processes in procfs, the data directories of
//! [`super::layout`]), and the trees of files that are only read of `trees.rs`. Programs, configuration
//! and what looks like a secret are always named exactly.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::{Mode, Operation};

use super::directories::patterns;
use super::few::Few;
use super::glob::Origin;
use super::how::{How, Width};
use super::made_code::{MadeCode, passing};
use super::pattern::Pattern;
use super::peers::Sockets;
use super::remarks::Evidence;
use super::renamed::{align, renamed};
use super::trees::{Tree, trees};
use super::{Seen, layout, peers};
use crate::compile::{Object, Policy, Power, compile};
use crate::events::record::text;
use crate::profile::{ExecRule, FileRule, ListenRule, PeerRule, Profile};

/// Rules that allow what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Programs.
    pub exec: Vec<ExecRule>,
    /// Files.
    pub files: Vec<FileRule>,
    /// Peers.
    pub peers: Vec<PeerRule>,
    /// Local ports.
    pub listen: Vec<ListenRule>,
    /// Capabilities.
    pub capabilities: BTreeSet<Power>,
    /// Facilities. A person has to grant them.
    pub facilities: BTreeSet<Power>,
    /// Code that did not come from the image. A person has to grant it.
    pub made_code: MadeCode,
    /// What no rule can allow.
    pub refused: Vec<Refused>,
    /// What rules for files were made from.
    pub(super) evidence: Evidence,
}

/// Something seen that no rule can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The object.
    pub object: String,
    /// Why.
    pub why: &'static str,
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) access: AccessSet,
    pub(super) own_pids: BTreeSet<i64>,
    pub(super) runs: Few,
}

/// Proposes rules.
pub fn generalise<'a>(seen: impl IntoIterator<Item = &'a Seen>, how: How<'_>) -> Rules {
    let mut rules = Rules::default();
    let mut exec = BTreeSet::new();
    let mut drifted: BTreeMap<&[u8], Few> = BTreeMap::new();
    let mut sockets = Sockets::default();
    let mut files: BTreeMap<&[u8], File> = BTreeMap::new();
    for one in seen {
        let object = one.object.as_slice();
        match one.operation {
            Operation::Exec if one.access & access::DRIFT != 0 => {
                drifted.entry(object).or_default().join(&one.evidence.runs);
            }
            Operation::Exec => {
                exec.insert(object);
            }
            Operation::Connect => {
                sockets.connected.insert(object);
            }
            Operation::Listen => {
                sockets.listened.insert(object);
            }
            Operation::File => {
                let file = files.entry(object).or_default();
                file.access |= one.access & crate::profile::FILE_ACCESS;
                file.own_pids.extend(one.evidence.own_pids.iter());
                file.runs.join(&one.evidence.runs);
            }
            // Making a process needs no rule.
            Operation::Fork => {}
            Operation::Capability => {
                power(object, Power::capability, &mut rules.capabilities, &mut rules.refused)
            }
            Operation::Facility => power(object, Power::facility, &mut rules.facilities, &mut rules.refused),
        }
    }
    for path in &exec {
        match checked(path).and_then(|()| Pattern::literal(path).glob().ok_or(NOT_UTF8)) {
            Ok(glob) => rules.exec.push(ExecRule::new(glob)),
            Err(why) => rules.refused.push(Refused { object: text(path), why }),
        }
    }
    let made_up = file_rules(files, &Code { exec, drifted }, how, &mut rules);
    rules.peers = peers::group(&sockets, &made_up, how.width, &mut rules.refused);
    rules.listen = peers::listeners(&sockets, how.width, &mut rules.refused);
    rules.refused.sort();
    rules.refused.dedup();
    rules
}

/// Takes down a capability or a facility by its name.
fn power(
    name: &[u8],
    known: fn(&str) -> Option<Power>,
    found: &mut BTreeSet<Power>,
    refused: &mut Vec<Refused>,
) {
    match str::from_utf8(name).ok().and_then(known) {
        Some(power) => drop(found.insert(power)),
        None => refused.push(Refused { object: text(name), why: "this version has no name for it" }),
    }
}

const NOT_UTF8: &str = "the name is not UTF-8";

fn checked(path: &[u8]) -> Result<(), &'static str> {
    if path.first() == Some(&b'/') { Ok(()) } else { Err("not a file with a path of its own") }
}

/// What was started.
pub(super) struct Code<'a> {
    /// Programs of the image.
    pub(super) exec: BTreeSet<&'a [u8]>,
    /// Programs that did not come with it, and the runs in which they were started.
    drifted: BTreeMap<&'a [u8], Few>,
}

impl<'a> Code<'a> {
    /// All of it.
    pub(super) fn started(&self) -> impl Iterator<Item = &'a [u8]> {
        self.exec.iter().chain(self.drifted.keys()).copied()
    }
}

/// Rules for files; gives the patterns of those that are not named one by one.
fn file_rules<'a>(
    mut files: BTreeMap<&'a [u8], File>,
    code: &Code<'a>,
    how: How<'_>,
    rules: &mut Rules,
) -> BTreeMap<&'a [u8], Pattern> {
    let mut merged: BTreeMap<String, AccessSet> = BTreeMap::new();
    let mut made_up = BTreeMap::new();
    if how.width != Width::Exact {
        widen(&mut files, code, how, &mut merged, &mut rules.evidence.packages);
        made_up = patterns(&files, code, how);
    }
    rules.made_code = set_apart(&mut files, code, &mut made_up);
    for (path, pattern) in &made_up {
        let access = files.get(path).map_or(0, |file| implied(file.access));
        match pattern.glob() {
            Some(glob) => *merged.entry(glob).or_default() |= access,
            None => rules.refused.push(Refused { object: text(path), why: NOT_UTF8 }),
        }
    }
    let renamed = renamed(&files, &made_up);
    let granted = Granted::by(&merged);
    for (path, file) in files {
        if file.access == 0 || made_up.contains_key(path) || granted.covers(path, file.access) {
            continue;
        }
        match checked(path).and_then(|()| Pattern::literal(path).glob().ok_or(NOT_UTF8)) {
            Ok(glob) => *merged.entry(glob).or_default() |= file.access,
            Err(why) => rules.refused.push(Refused { object: text(path), why }),
        }
    }
    rules.evidence.aligned = align(&mut merged, &renamed);
    rules.files = merged.into_iter().map(|(path, access)| FileRule::new(path, access)).collect();
    made_up
}

/// The accesses to a made-up name with what they come to. What may be emptied and moved away may be removed: that is done
/// where something failed, which is seldom seen.
fn implied(access: AccessSet) -> AccessSet {
    const TEMPORARY: AccessSet = access::CREATE | access::WRITE | access::RENAME;
    if access & TEMPORARY == TEMPORARY { access | access::DELETE } else { access }
}

/// Takes out what only a person may grant: programs that did not come from the image, and to map what has a made-up name
/// that will not come again. Code with a name that does is named exactly.
fn set_apart<'a>(
    files: &mut BTreeMap<&'a [u8], File>,
    code: &Code<'a>,
    made_up: &mut BTreeMap<&'a [u8], Pattern>,
) -> MadeCode {
    let mut found = MadeCode::default();
    let is_mapped = |file: &File| file.access & access::MAP != 0;
    let mapped = files.iter().filter(|(_, file)| is_mapped(file)).map(|(path, file)| (path, &file.runs));
    let (mapped, started) = (passing(mapped, made_up), passing(&code.drifted, made_up));
    made_up.retain(|path, _| {
        let is_code = code.drifted.contains_key(path) || files.get(path).is_some_and(is_mapped);
        !is_code || mapped.contains_key(path) || started.contains_key(path)
    });
    for path in code.drifted.keys() {
        let glob = started.get(path).cloned().unwrap_or_else(|| text(path));
        found.started.insert(path.to_vec(), glob);
    }
    for (path, glob) in mapped {
        if let Some(file) = files.get_mut(path) {
            file.access &= !access::MAP;
            found.mapped.insert(path.to_vec(), glob);
        }
    }
    found
}

/// Names data directories and trees, and takes what they cover out of `files`.
fn widen(
    files: &mut BTreeMap<&[u8], File>,
    code: &Code<'_>,
    how: How<'_>,
    merged: &mut BTreeMap<String, AccessSet>,
    packages: &mut BTreeMap<String, Origin>,
) {
    let data_dirs: Vec<_> =
        files.iter().filter_map(|(path, file)| layout::recognise(path, file.access)).collect();
    for dir in &data_dirs {
        let below = [&dir.path, &b"/"[..]].concat();
        let seen = files
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .fold(0, |seen, (_, file)| seen | file.access);
        for (glob, access) in dir.rules(seen) {
            *merged.entry(dir.rule(glob)).or_default() |= access;
        }
    }
    for tree in trees_of(files, code, how) {
        packages.extend(tree.origin.map(|origin| (tree.glob.clone(), origin)));
        *merged.entry(tree.glob).or_default() |= tree.access;
    }
    let granted = Granted::by(merged);
    files.retain(|path, file| !granted.covers(path, file.access));
}

/// Trees that are only read.
fn trees_of(files: &BTreeMap<&[u8], File>, code: &Code<'_>, how: How<'_>) -> Vec<Tree> {
    let only_used = |access: AccessSet| access & !(access::READ | access::MAP) == 0;
    let made = files.iter().filter(|(_, file)| !only_used(file.access)).map(|(path, _)| *path);
    let made = made.chain(code.started()).collect();
    let used = files.iter().filter(|(_, file)| file.access != 0).map(|(path, file)| (*path, file.access));
    trees(&used.collect(), &made, how)
}

/// What rules grant, by the word of the matcher itself.
struct Granted(Option<Policy>);

impl Granted {
    fn by(rules: &BTreeMap<String, AccessSet>) -> Self {
        let mut profile = Profile::new("proposed", Mode::Enforce);
        profile.files = rules.iter().map(|(path, access)| FileRule::new(path, *access)).collect();
        // Without a table nothing counts as covered, and every path gets a rule of its own.
        Self(compile(&profile, Mode::Enforce).ok())
    }

    fn covers(&self, path: &[u8], access: AccessSet) -> bool {
        self.0.as_ref().is_some_and(|policy| access & !policy.granted(&Object::Path(path)) == 0)
    }
}

pub(super) fn created(file: &File) -> bool {
    file.access & access::CREATE != 0
}

/// The directory and the name in it.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash + 1..)?))
}

#[cfg(test)]
#[path = "generalise_tests.rs"]
mod tests;
