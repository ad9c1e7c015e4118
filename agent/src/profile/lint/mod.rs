//! What is questionable in a profile that is well-formed.

mod denied;
mod enforced;
mod never;
mod overlap;
mod shadow;
#[cfg(test)]
mod tests;
mod twice;
mod write_exec;

use std::collections::HashSet;

use stockade_abi::reason::Mode;

use super::problem::{Problem, Weight};
use super::{FileRule, INCLUDE, Kind, List, Profile};
use crate::compare::Automaton;
use crate::compile::{CompileError, Policy, RuleRef, compile};

/// What a finding is about, as names and positions from `spec` down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Name(&'static str),
    Item(usize),
}

/// Where, and what.
pub(super) type Remark = (Vec<Part>, Problem);

/// The remarks on a profile.
#[derive(Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn push(&mut self, parts: Vec<Part>, problem: Problem) {
        self.0.push((parts, problem));
    }

    /// Adds what was found, which is `what` in the plural.
    fn add(&mut self, what: &'static str, found: Vec<Remark>) {
        self.0.extend(found.into_iter().map(|(parts, problem)| (parts, problem.among(what))));
    }

    /// Drops what is found about a rule of which something was said before it.
    fn once(&mut self) {
        let mut said: HashSet<Vec<Part>> = HashSet::new();
        self.0.retain(|(parts, problem)| {
            let rule = parts.iter().position(|part| matches!(part, Part::Item(_)));
            match rule.and_then(|at| parts.get(..=at)) {
                Some(rule) if problem.weight == Weight::Note => said.insert(rule.to_vec()),
                Some(rule) => {
                    said.insert(rule.to_vec());
                    true
                }
                None => true,
            }
        });
    }
}

/// Every remark on `profile`. What concerns nothing but rule sets that it includes is theirs to answer for.
pub(super) fn lint(profile: &Profile, kind: Kind) -> Vec<Remark> {
    let mut remarks = Remarks::default();
    match kind {
        Kind::Profile => empty(profile, &mut remarks),
        Kind::RuleSet => {}
    }
    let own = profile.own();
    enforced::lint(&own, &mut remarks);
    never::lint(&own, &mut remarks);
    twice::lint(profile, &mut remarks);
    // What does not compile means nothing that could be looked at.
    match compile(profile, profile.mode) {
        Ok(policy) => meaning(profile, kind, &policy, &mut remarks),
        Err(error) => unusable(profile, &error, &mut remarks),
    }
    remarks.once();
    remarks.0
}

fn meaning(profile: &Profile, kind: Kind, policy: &Policy, remarks: &mut Remarks) {
    let automaton = Automaton::new(policy.table());
    for looked in [
        shadow::lint(profile, remarks),
        write_exec::lint(profile, policy, &automaton, remarks),
        denied::lint(profile, kind, &automaton, remarks),
        overlap::lint(profile, remarks),
    ] {
        if let Err(error) = looked {
            remarks.push(vec![], Problem::new(format!("not everything was looked at: {error}")));
        }
    }
}

/// Why there is no policy, at the rule that has the largest part in it.
fn unusable(profile: &Profile, error: &CompileError, remarks: &mut Remarks) {
    let text = error.to_string();
    let (message, help) = text.split_once('\n').unwrap_or((&text, ""));
    let mut problem = Problem::new(message).error();
    if !help.is_empty() {
        problem = problem.help(help);
    }
    let parts = match error.rules().first() {
        Some(rule) if is_own(profile, &rule.at) => place(rule.at.section.word(), rule.at.index, None),
        Some(_) => vec![Part::Name(INCLUDE)],
        None => vec![],
    };
    remarks.push(parts, problem);
}

/// The place of a rule in the list that `list` names as seen from `spec`.
fn place(list: &'static str, index: usize, field: Option<&'static str>) -> Vec<Part> {
    let mut parts: Vec<Part> = list.split('.').map(Part::Name).collect();
    parts.push(Part::Item(index));
    parts.extend(field.map(Part::Name));
    parts
}

/// Whether a rule stands in the profile itself.
fn is_own(profile: &Profile, rule: &RuleRef) -> bool {
    profile.origin(rule.section.word(), rule.index).is_none()
}

fn empty(profile: &Profile, remarks: &mut Remarks) {
    if profile.exec.is_empty()
        && profile.files.is_empty()
        && profile.peers.is_empty()
        && profile.mode == Mode::Enforce
    {
        let problem = Problem::new("the profile has no rules, and under enforce it denies everything");
        remarks.push(vec![], problem.help("add rules, or let `mode: learn` collect them"));
    }
}

/// Every rule about paths.
fn paths(profile: &Profile) -> Vec<(List, usize, &str)> {
    fn numbered<'a>(
        list: List,
        paths: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = (List, usize, &'a str)> {
        paths.enumerate().map(move |(index, path)| (list, index, path))
    }
    fn files(rules: &[FileRule]) -> impl Iterator<Item = &str> {
        rules.iter().map(|rule| rule.path.as_str())
    }
    numbered(List::Exec, profile.exec.iter().map(|rule| rule.path.as_str()))
        .chain(numbered(List::Files, files(&profile.files)))
        .chain(numbered(List::DenyExec, profile.deny.exec.iter().map(String::as_str)))
        .chain(numbered(List::DenyFiles, files(&profile.deny.files)))
        .chain(numbered(List::SessionExec, profile.sessions.exec.iter().map(String::as_str)))
        .chain(numbered(List::SessionFiles, files(&profile.sessions.files)))
        .collect()
}
