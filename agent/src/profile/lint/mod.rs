//! What is questionable in a profile that is well-formed.

mod denied;
mod enforced;
mod never;
mod shadow;
#[cfg(test)]
mod tests;
mod twice;
mod write_exec;

use stockade_abi::reason::Mode;

use super::Profile;
use super::problem::Problem;
use crate::compare::Automaton;
use crate::compile::{Section, compile};

/// Findings of one kind that are listed; the rest is counted.
const LISTED: usize = 20;

/// What a finding is about, as names and positions from `spec` down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name(&'static str),
    Item(usize),
}

/// Where, and what.
pub(super) type Remark = (Vec<Part>, Problem);

/// Every remark on `profile`.
pub(super) fn lint(profile: &Profile) -> Vec<Remark> {
    let mut remarks = Vec::new();
    empty(profile, &mut remarks);
    enforced::lint(profile, &mut remarks);
    never::lint(profile, &mut remarks);
    twice::lint(profile, &mut remarks);
    // What does not compile is an error of its own, and means nothing that could be looked at.
    if let Ok(policy) = compile(profile, profile.mode, 0) {
        let automaton = Automaton::new(&policy);
        // A rule is compiled alone like it was compiled with the others, so neither of these fails.
        let _ = shadow::lint(profile, &policy, &mut remarks);
        let _ = write_exec::lint(profile, &policy, &automaton, &mut remarks);
        let _ = denied::lint(profile, &automaton, &mut remarks);
    }
    remarks
}

fn section(section: Section) -> Vec<Part> {
    match section {
        Section::Exec => vec![Part::Name("exec")],
        Section::Files => vec![Part::Name("files")],
        Section::Peers => vec![Part::Name("peers")],
        Section::SessionExec => vec![Part::Name("sessions"), Part::Name("exec")],
        Section::SessionFiles => vec![Part::Name("sessions"), Part::Name("files")],
    }
}

fn place(of: Section, index: usize, field: Option<&'static str>) -> Vec<Part> {
    let mut parts = section(of);
    parts.push(Part::Item(index));
    parts.extend(field.map(Part::Name));
    parts
}

fn empty(profile: &Profile, remarks: &mut Vec<Remark>) {
    if profile.exec.is_empty()
        && profile.files.is_empty()
        && profile.peers.is_empty()
        && profile.mode == Mode::Enforce
    {
        let problem = Problem::new("the profile has no rules, and under enforce it denies everything");
        remarks.push((vec![], problem.help("add rules, or let `mode: learn` collect them")));
    }
}

/// Every path of a rule.
fn paths(profile: &Profile) -> Vec<(Section, usize, &str)> {
    let exec = profile.exec.iter().map(|rule| rule.path.as_str());
    let files = profile.files.iter().map(|rule| rule.path.as_str());
    let session_exec = profile.sessions.exec.iter().map(String::as_str);
    let session_files = profile.sessions.files.iter().map(|rule| rule.path.as_str());
    let number = |of: Section| move |(index, path)| (of, index, path);
    exec.enumerate()
        .map(number(Section::Exec))
        .chain(files.enumerate().map(number(Section::Files)))
        .chain(session_exec.enumerate().map(number(Section::SessionExec)))
        .chain(session_files.enumerate().map(number(Section::SessionFiles)))
        .collect()
}

/// Adds what was found, and of too much only the number.
fn limit(mut found: Vec<Remark>, what: &str, remarks: &mut Vec<Remark>) {
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    remarks.extend(found);
    if more > 0 {
        remarks.push((vec![], Problem::new(format!("and {more} more {what}"))));
    }
}
