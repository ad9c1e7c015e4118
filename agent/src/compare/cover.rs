//! Rules that add nothing to the others.

use std::ops::ControlFlow;

use super::automaton::Automaton;
use super::pattern::{Pattern, patterns, subset, without_denials};
use super::product::{Product, fits};
use super::sample::{Sample, sample};
use crate::compile::{CompileError, Policy, RuleRef, compile};
use crate::profile::Profile;

/// Rules compiled while looking at those that may cover each other, one by one against the rest.
const MUTUAL: usize = 20_000;

/// Rules of `profile` that can all be taken out together without a change to what it means.
///
/// Not each such rule is found: a rule counts as covered only when that is proven. A rule with
/// conditions covers nothing. What deny rules take, they take from whichever rule grants it.
pub(crate) fn covered(profile: &Profile, policy: &Policy) -> Result<Vec<Pattern>, CompileError> {
    let all = patterns(profile);
    let mut keep = vec![true; all.len()];
    let conditional: Vec<&RuleRef> = all.iter().filter(|one| one.conditional).map(|one| &one.at).collect();
    for (pattern, keep) in all.iter().zip(&mut keep) {
        *keep = !suspicious(pattern, &conditional, policy)?;
    }
    if keep.iter().all(|keep| *keep) {
        return Ok(Vec::new());
    }
    let granting = without_denials(profile.clone());
    let firm = Automaton::compiled(&subset(&granting, &all, |index| keep[index] && !all[index].conditional))?;
    let nothing = Automaton::compiled(&Profile::new("none", profile.mode))?;
    let mut mutual = Vec::new();
    for (index, pattern) in all.iter().enumerate().filter(|(index, _)| !keep[*index]) {
        if !covers([&firm, &nothing], pattern)? {
            mutual.push(index);
        }
    }
    // Of rules that say the same, the first stays.
    let mut open = mutual.clone();
    let tries = MUTUAL.checked_div(mutual.len()).unwrap_or(0);
    for index in mutual.iter().rev().take(tries) {
        let others = |other| other != *index && open.contains(&other) && !all[other].conditional;
        let rest = Automaton::compiled(&subset(&granting, &all, others))?;
        if covers([&firm, &rest], &all[*index])? {
            open.retain(|other| other != index);
        }
    }
    let gone = all.into_iter().enumerate().filter(|(index, _)| !keep[*index] && !open.contains(index));
    Ok(gone.map(|(_, pattern)| pattern).collect())
}

/// The one rule that covers `pattern` all by itself, if there is one.
pub(crate) fn by_whom(
    pattern: &Pattern,
    profile: &Profile,
    policy: &Policy,
) -> Result<Option<RuleRef>, CompileError> {
    let Some(sample) = sample(pattern)? else { return Ok(None) };
    let nothing = Automaton::compiled(&Profile::new("none", profile.mode))?;
    let whole = sample.whole();
    let matching = policy.matching(&Sample::object(sample.kind, &whole), true);
    let all = patterns(profile);
    for (at, _) in matching.into_iter().filter(|(at, _)| **at != pattern.at) {
        let Some(other) = all.iter().find(|other| other.at == *at && !other.conditional) else { continue };
        if covers([&other.automaton()?, &nothing], pattern)? {
            return Ok(Some(at.clone()));
        }
    }
    Ok(None)
}

/// Whether other rules grant everything that `pattern` grants on one of its objects.
fn suspicious(pattern: &Pattern, conditional: &[&RuleRef], policy: &Policy) -> Result<bool, CompileError> {
    let Some(sample) = sample(pattern)? else { return Ok(true) };
    let whole = sample.whole();
    let granted = |session| {
        policy
            .matching(&Sample::object(sample.kind, &whole), session)
            .into_iter()
            .filter(|(at, _)| **at != pattern.at && !at.section.denies() && !conditional.contains(at))
            .fold(0, |all, (_, access)| all | access)
    };
    let [container, session] = pattern.grants();
    Ok(container & !granted(false) == 0 && session & !granted(true) == 0)
}

/// Whether two automata together grant everything that `pattern` grants.
fn covers(others: [&Automaton; 2], pattern: &Pattern) -> Result<bool, CompileError> {
    let lone = pattern.automaton()?;
    let [first, second] = others;
    let more = pattern.kinds().iter().find_map(|kind| {
        Product::new([&lone, first, second], *kind).walk(
            |[lone, ..]| lone,
            |[lone, first, second], name| {
                let beyond = lone.container & !first.container & !second.container
                    | lone.session & !first.session & !second.session;
                if beyond != 0 && fits(*kind, &name()) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    });
    Ok(more.is_none())
}

/// `profile` without its covered rules.
pub(crate) fn without_covered(profile: &Profile) -> Result<Profile, CompileError> {
    let policy = compile(profile, profile.mode)?;
    let gone = covered(profile, &policy)?;
    let all = patterns(profile);
    let stays = |index: usize| !gone.iter().any(|pattern| pattern.at == all[index].at);
    Ok(subset(profile, &all, stays))
}
