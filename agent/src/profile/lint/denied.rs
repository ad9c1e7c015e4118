//! Rules whose every grant a deny rule takes back, and deny rules that take nothing.

use stockade_abi::access::AccessSet;
use stockade_abi::reason::Mode;
use stockade_abi::table::Grant;

use super::{Remarks, is_own, place};
use crate::compare::{Allowed as _, Automaton, Pattern, denials, each, patterns, sample, without_denials};
use crate::compile::CompileError;
use crate::profile::problem::Problem;
use crate::profile::{Kind, Profile};

/// Allow rules that allow nothing, and deny rules that deny nothing that anybody would be granted.
pub(super) fn lint(
    profile: &Profile,
    kind: Kind,
    automaton: &Automaton,
    remarks: &mut Remarks,
) -> Result<(), CompileError> {
    if !automaton.has_denials() {
        return Ok(());
    }
    let mut found = Vec::new();
    for rule in idle(profile, patterns(profile), automaton, |rule, all| {
        let [container, session] = rule.grants();
        container & !all.denied | session & !all.session_denied
    })? {
        let (word, at) = (rule.at.section.word(), rule.at.index);
        let text = format!("{word}[{at}] `{}` grants nothing: deny rules take all of it", rule.at.text);
        found.push((place(word, at, None), Problem::new(text).help("leave the rule out")));
    }
    remarks.add("rules that deny rules take back", found);
    // A rule set may be made to deny what others grant, and a profile that learns has its rules to come.
    if kind == Kind::Profile && profile.mode != Mode::Learn {
        takes_nothing(profile, remarks)?;
    }
    Ok(())
}

fn takes_nothing(profile: &Profile, remarks: &mut Remarks) -> Result<(), CompileError> {
    let granted = Automaton::compiled(&without_denials(profile))?;
    let mut found = Vec::new();
    for rule in idle(profile, denials(profile), &granted, |rule, all| rule.access & all.possible(true))? {
        let (word, at) = (rule.at.section.word(), rule.at.index);
        let text = format!("{word}[{at}] `{}` denies nothing that any rule grants", rule.at.text);
        let help = "what no rule grants is denied anyway; keep it if it is there for rules to come";
        found.push((place(word, at, None), Problem::new(text).help(help).note()));
    }
    remarks.add("deny rules that deny nothing", found);
    Ok(())
}

/// The profile's own among `rules` that match something, and only names for which `what` is nothing.
fn idle(
    profile: &Profile,
    mut rules: Vec<Pattern>,
    automaton: &Automaton,
    what: impl Fn(&Pattern, Grant) -> AccessSet,
) -> Result<Vec<Pattern>, CompileError> {
    rules.retain(|rule| is_own(profile, &rule.at));
    let all: Vec<&Pattern> = rules.iter().collect();
    let mut idle = vec![true; all.len()];
    each(&all, [automaton], |matching, place, open| {
        let [granted] = place.grants;
        let busy = |rule: &&usize| what(all[**rule], granted) != 0;
        for rule in matching.iter().filter(busy) {
            if place.name().is_some() {
                idle[*rule] = false;
                open.done(*rule);
            }
        }
    })?;
    let mut idle = idle.into_iter();
    rules.retain(|_| idle.next() == Some(true));
    // Rules that match nothing were said already.
    rules.retain(|rule| !matches!(sample(rule), Ok(None)));
    Ok(rules)
}
