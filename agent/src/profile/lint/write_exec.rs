//! Files that can be made or changed, and then started or mapped.

use std::ops::ControlFlow;

use stockade_abi::access::{self, AccessSet};

use super::{LISTED, Part, Remark, is_own, limit, place};
use crate::compare::{Allowed as _, Automaton, Pattern, Product, Sample, fits, patterns, show};
use crate::compile::{CompileError, Policy, RuleRef, StartKind};
use crate::profile::problem::Problem;
use crate::profile::{INCLUDE, Profile};

/// Accesses that bring content to a name.
const MAKE: AccessSet = access::WRITE | access::APPEND | access::CREATE | access::LINK;
/// Accesses that run it.
const RUN: AccessSet = access::EXEC | access::MAP;
/// Accesses that take a name away, so that another file or directory can get it.
const TAKE: AccessSet = access::RENAME | access::DELETE;

/// Pairs of rules, one to make a file and one to run it.
pub(super) fn lint(
    profile: &Profile,
    policy: &Policy,
    automaton: &Automaton,
    remarks: &mut Vec<Remark>,
) -> Result<(), CompileError> {
    let all = patterns(profile);
    let mut pairs: Vec<(RuleRef, &Pattern, String)> = Vec::new();
    if some_file(automaton, automaton, MAKE, RUN).is_some() {
        for run in all.iter().filter(|pattern| pattern.access & RUN != 0) {
            let Some(sample) = some_file(automaton, &run.automaton()?, MAKE, RUN) else { continue };
            let whole = sample.whole();
            let makes = |(at, access): &(&RuleRef, AccessSet)| !at.section.denies() && access & MAKE != 0;
            let matching = policy.matching(&Sample::object(sample.kind, &whole), true);
            let Some((make, _)) = matching.into_iter().find(makes) else {
                continue;
            };
            pairs.push((make.clone(), run, show(sample.kind, &sample.name)));
            if pairs.len() > 4 * LISTED {
                break;
            }
        }
    }
    let mut found: Vec<Remark> = Vec::new();
    pairs.sort_by_key(|(make, run, _)| (make.section, make.index, run.at.section, run.at.index));
    for (make, run, example) in &pairs {
        let verb = if run.access & access::EXEC == 0 { "map" } else { "start" };
        let example =
            if *example == run.at.text { String::new() } else { format!(", for example {example}") };
        let (make_shown, run_shown) = (profile.shown(make), profile.shown(&run.at));
        let text = format!("what {make_shown} lets a process write, {run_shown} lets it {verb}{example}");
        let help = "a process that is broken into could bring its own programs: keep the two apart";
        // At the rule that stands in this text; when neither does, where they come together.
        let own = [make, &run.at].into_iter().find(|rule| is_own(profile, rule));
        let parts = match own {
            Some(rule) => place(rule.section.word(), rule.index, None),
            None => vec![Part::Name(INCLUDE)],
        };
        found.push((parts, Problem::new(text).help(help)));
    }
    swaps(profile, automaton, &all, &mut found)?;
    limit(found, "pairs of rules to write and run the same file", remarks);
    Ok(())
}

/// Directories that can be replaced as a whole, with a program of any content inside.
fn swaps(
    profile: &Profile,
    automaton: &Automaton,
    all: &[Pattern],
    found: &mut Vec<Remark>,
) -> Result<(), CompileError> {
    for rule in all.iter().filter(|rule| is_own(profile, &rule.at)) {
        if rule.access & access::CREATE == 0 || rule.access & TAKE == 0 || found.len() > 4 * LISTED {
            continue;
        }
        let below = rule.below();
        if some_file(automaton, &rule.automaton()?, access::CREATE, RUN).is_some() {
            continue;
        }
        let Some(sample) = some_file(automaton, &below.automaton()?, RUN, access::CREATE) else { continue };
        let text = format!(
            "{} lets a process replace a directory, and {} in it can be run",
            rule.at,
            show(sample.kind, &sample.name)
        );
        let help = "a process that is broken into could put a directory of its own there: grant create and delete only below";
        found.push((place(rule.at.section.word(), rule.at.index, None), Problem::new(text).help(help)));
    }
    Ok(())
}

/// A file for which `first` grants some of `one` and `second` some of `other` that `first` does not deny, to sessions at
/// least: what they may write counts like what the container may.
fn some_file(first: &Automaton, second: &Automaton, one: AccessSet, other: AccessSet) -> Option<Sample> {
    StartKind::ALL.into_iter().find_map(|kind| {
        Product::new([first, second], kind).walk(
            |alive| alive == [true; 2],
            |[first, second], name| {
                let second = second.possible(true) & !first.session_denied;
                if first.possible(true) & one == 0 || second & other == 0 {
                    return ControlFlow::Continue(());
                }
                let name = name();
                if fits(kind, &name) {
                    ControlFlow::Break(Sample { kind, name })
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    })
}
