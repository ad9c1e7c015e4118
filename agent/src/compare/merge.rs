//! One profile that grants what any of several grant, and nothing else.

use std::ops::ControlFlow;

use stockade_abi::access::AccessSet;
use stockade_abi::reason::Mode;

use super::automaton::{Allowed as _, Automaton};
use super::cover::without_covered;
use super::product::{Product, fits};
use super::sample::Sample;
use super::show::show;
use crate::compile::{CompileError, PowerRule, RuleRef, StartKind, compile, power_rules, powers};
use crate::profile::{FileRule, Profile};

/// Why profiles cannot be merged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// None was given.
    #[error("there is nothing to merge")]
    Nothing,
    /// They are in different modes, and none was chosen.
    #[error(
        "`{first}` is in mode {one} and `{second}` in mode {other}: say which one the merged profile gets, with --mode"
    )]
    Modes {
        /// A profile.
        first: String,
        /// Its mode.
        one: &'static str,
        /// Another.
        second: String,
        /// Its mode.
        other: &'static str,
    },
    /// One denies what another allows. Keeping the denial would take from the one, dropping it would give
    /// to the other.
    #[error(
        "`{denier}` denies {example} by {denying} and `{allower}` allows it by {allowing}: change one of them first"
    )]
    Denied {
        /// The profile with the deny rule.
        denier: String,
        /// Its rule.
        denying: String,
        /// The profile that allows it.
        allower: String,
        /// The rule that allows it.
        allowing: String,
        /// The object.
        example: String,
    },
    /// A profile has no automaton.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// The union of `profiles`. Name, labels, annotations and `match` are those of the first; `mode` replaces
/// theirs, and without it they must agree: the lax one would open the strict one's containers, the strict
/// one could break the other's.
///
/// Rules for the same thing are joined, and those that add nothing are dropped, so that merging a profile
/// with itself changes nothing that it means.
pub(crate) fn merge(profiles: &[Profile], mode: Option<Mode>) -> Result<Profile, MergeError> {
    let Some((first, rest)) = profiles.split_first() else { return Err(MergeError::Nothing) };
    if mode.is_none()
        && let Some(other) = rest.iter().find(|other| other.mode != first.mode)
    {
        return Err(MergeError::Modes {
            first: first.name.clone(),
            one: first.mode.word(),
            second: other.name.clone(),
            other: other.mode.word(),
        });
    }
    no_denials(profiles)?;
    no_denied_powers(profiles)?;
    let mut merged = Profile::new(&first.name, mode.unwrap_or(first.mode));
    merged.labels = first.labels.clone();
    merged.annotations = first.annotations.clone();
    merged.matches = first.matches.clone();
    for profile in profiles {
        add(&mut merged.exec, &profile.exec);
        join(&mut merged.files, &profile.files);
        add(&mut merged.peers, &profile.peers);
        add(&mut merged.listen, &profile.listen);
        add(&mut merged.capabilities, &profile.capabilities);
        add(&mut merged.facilities, &profile.facilities);
        add(&mut merged.deny.exec, &profile.deny.exec);
        join(&mut merged.deny.files, &profile.deny.files);
        add(&mut merged.deny.peers, &profile.deny.peers);
        add(&mut merged.deny.capabilities, &profile.deny.capabilities);
        add(&mut merged.deny.facilities, &profile.deny.facilities);
        add(&mut merged.sessions.exec, &profile.sessions.exec);
        join(&mut merged.sessions.files, &profile.sessions.files);
        add(&mut merged.sessions.capabilities, &profile.sessions.capabilities);
        add(&mut merged.sessions.facilities, &profile.sessions.facilities);
    }
    Ok(without_covered(&merged)?)
}

fn add<T: Clone + PartialEq>(merged: &mut Vec<T>, more: &[T]) {
    for rule in more {
        if !merged.contains(rule) {
            merged.push(rule.clone());
        }
    }
}

fn join(merged: &mut Vec<FileRule>, more: &[FileRule]) {
    for rule in more {
        match merged.iter_mut().find(|known| known.path == rule.path) {
            Some(known) => known.access |= rule.access,
            None => merged.push(rule.clone()),
        }
    }
}

/// Refuses profiles of which one denies what another allows.
fn no_denials(profiles: &[Profile]) -> Result<(), MergeError> {
    let automata =
        profiles.iter().map(Automaton::compiled).collect::<Result<Vec<Automaton>, CompileError>>()?;
    for (denier, denying) in profiles.iter().zip(&automata).filter(|(_, denying)| denying.has_denials()) {
        for (allower, allowing) in profiles.iter().zip(&automata) {
            let Some((sample, access)) = conflict(denying, allowing) else { continue };
            let whole = sample.whole();
            let rule = |profile: &Profile, denies: bool| -> Result<String, CompileError> {
                let policy = compile(profile, profile.mode)?;
                let matching = policy.matching(&Sample::object(sample.kind, &whole), true);
                let that =
                    |(at, of): &(&RuleRef, AccessSet)| at.section.denies() == denies && of & access != 0;
                let found = matching.into_iter().find(that);
                Ok(found.map_or_else(|| "a rule".to_owned(), |(at, _)| profile.shown(at)))
            };
            return Err(MergeError::Denied {
                denier: denier.name.clone(),
                denying: rule(denier, true)?,
                allower: allower.name.clone(),
                allowing: rule(allower, false)?,
                example: show(sample.kind, &sample.name),
            });
        }
    }
    Ok(())
}

/// The same for capabilities and facilities.
fn no_denied_powers(profiles: &[Profile]) -> Result<(), MergeError> {
    for denier in profiles {
        let rules = power_rules(denier);
        for denying in rules.iter().filter(|rule| rule.denies()) {
            let granted = |profile: &&Profile| denying.power.granted(&powers(profile), true);
            let Some(allower) = profiles.iter().find(granted) else { continue };
            let allows = |rule: &PowerRule| rule.power == denying.power && !rule.denies();
            let allowing = power_rules(allower).into_iter().find(allows);
            return Err(MergeError::Denied {
                denier: denier.name.clone(),
                denying: denier.shown_power(denying),
                allower: allower.name.clone(),
                allowing: allowing.map_or_else(
                    || "no rule, as it needs none".to_owned(),
                    |rule| allower.shown_power(&rule),
                ),
                example: format!("{} {}", denying.power.kind(), denying.power.word()),
            });
        }
    }
    Ok(())
}

/// Something that one denies and the other allows.
fn conflict(denying: &Automaton, allowing: &Automaton) -> Option<(Sample, AccessSet)> {
    StartKind::ALL.into_iter().find_map(|kind| {
        Product::new([denying, allowing], kind).walk(
            |alive| alive == [true; 2],
            |_, [denying, allowing], name| {
                let access = denying.denied & allowing.possible(false)
                    | denying.session_denied & allowing.possible(true);
                let name = if access == 0 { return ControlFlow::Continue(()) } else { name() };
                if fits(kind, &name) {
                    ControlFlow::Break((Sample { kind, name }, access))
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    })
}
