//! Rules whose every grant a deny rule takes back.

use std::ops::ControlFlow;

use super::{Remark, limit, place};
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
    for pattern in patterns(profile) {
        if !leaves(&pattern, automaton)? {
            let (word, at) = (pattern.at.section.word(), pattern.at.index);
            let text =
                format!("{word}[{at}] `{}` grants nothing: deny rules take all of it", pattern.at.text);
            found.push((place(pattern.at.section, at, None), Problem::new(text).help("leave the rule out")));
        }
    }
    limit(found, "rules that deny rules take back", remarks);
    Ok(())
}

/// Whether anything that `pattern` grants is granted in the end.
fn leaves(pattern: &Pattern, automaton: &Automaton) -> Result<bool, CompileError> {
    let lone = pattern.automaton()?;
    let some = pattern.kinds().iter().find_map(|kind| {
        Product::new([&lone, automaton], *kind).walk(
            |[lone, _]| lone,
            |[lone, all], name| {
                let left = lone.session & !all.session_denied | lone.container & !all.denied;
                if left != 0 && fits(*kind, &name()) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    });
    Ok(some.is_some())
}
