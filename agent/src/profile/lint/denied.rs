//! Rules whose every grant a deny rule takes back.

use std::ops::ControlFlow;

use stockade_abi::access::AccessSet;
use stockade_abi::table::Grant;

use super::{Remark, is_own, limit, place};
use crate::compare::{Automaton, Pattern, Product, fits, patterns};
use crate::compile::CompileError;
use crate::profile::Profile;
use crate::profile::problem::Problem;

/// Allow rules that allow nothing.
pub(super) fn lint(
    profile: &Profile,
    automaton: &Automaton,
    remarks: &mut Vec<Remark>,
) -> Result<(), CompileError> {
    if !automaton.has_denials() {
        return Ok(());
    }
    let mut found = Vec::new();
    for pattern in patterns(profile).into_iter().filter(|pattern| is_own(profile, &pattern.at)) {
        if !meets(&pattern, automaton, left)? {
            let (word, at) = (pattern.at.section.word(), pattern.at.index);
            let text =
                format!("{word}[{at}] `{}` grants nothing: deny rules take all of it", pattern.at.text);
            found.push((place(word, at, None), Problem::new(text).help("leave the rule out")));
        }
    }
    limit(found, "rules that deny rules take back", remarks);
    Ok(())
}

/// What is granted in the end of what a rule grants.
fn left(lone: Grant, all: Grant) -> AccessSet {
    lone.session & !all.session_denied | lone.container & !all.denied
}

/// Whether `pattern` matches an object for which `what` leaves any access.
fn meets(
    pattern: &Pattern,
    automaton: &Automaton,
    what: impl Fn(Grant, Grant) -> AccessSet,
) -> Result<bool, CompileError> {
    let lone = pattern.automaton()?;
    let some = pattern.kinds().iter().find_map(|kind| {
        Product::new([&lone, automaton], *kind).walk(
            |[lone, _]| lone,
            |[lone, all], name| {
                if what(lone, all) != 0 && fits(*kind, &name()) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    });
    Ok(some.is_some())
}
