//! Files that can be made or changed, and then started or mapped.

use stockade_abi::access::{self, AccessSet};
use stockade_abi::table::Grant;

use super::{Part, Remark, Remarks, is_own, place};
use crate::compare::{Allowed as _, Automaton, Pattern, Sample, each, patterns, show};
use crate::compile::{CompileError, Policy, RuleRef};
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
    remarks: &mut Remarks,
) -> Result<(), CompileError> {
    let all = patterns(profile);
    let runs: Vec<&Pattern> = all.iter().filter(|rule| rule.access & RUN != 0).collect();
    let mut pairs: Vec<(RuleRef, &Pattern, String)> = Vec::new();
    let both = samples(&runs, automaton, |rule, all| {
        all.possible(true) & MAKE != 0 && rule.access & RUN & !all.session_denied != 0
    })?;
    for (run, sample) in runs.iter().zip(both) {
        let Some(sample) = sample else { continue };
        let whole = sample.whole();
        let makes = |(at, access): &(&RuleRef, AccessSet)| !at.section.denies() && access & MAKE != 0;
        let matching = policy.matching(&Sample::object(sample.kind, &whole), true);
        if let Some((make, _)) = matching.into_iter().find(makes) {
            pairs.push((make.clone(), run, show(sample.kind, &sample.name)));
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
    remarks.add("pairs of rules to write and run the same file", found);
    Ok(())
}

/// Directories that can be replaced as a whole, with a program of any content inside.
fn swaps(
    profile: &Profile,
    automaton: &Automaton,
    all: &[Pattern],
    found: &mut Vec<Remark>,
) -> Result<(), CompileError> {
    let takes = |rule: &&Pattern| rule.access & access::CREATE != 0 && rule.access & TAKE != 0;
    let rules: Vec<&Pattern> = all.iter().filter(|rule| is_own(profile, &rule.at)).filter(takes).collect();
    // Those were said.
    let both = samples(&rules, automaton, |rule, all| {
        rule.access & RUN & !all.session_denied != 0 && all.possible(true) & access::CREATE != 0
    })?;
    let said = both.iter().map(Option::is_some);
    let rules: Vec<&Pattern> =
        rules.iter().zip(said).filter(|(_, said)| !said).map(|(rule, _)| *rule).collect();
    let below: Vec<Pattern> = rules.iter().map(|rule| rule.below()).collect();
    let below: Vec<&Pattern> = below.iter().collect();
    let inside = samples(&below, automaton, |_, all| {
        all.possible(true) & RUN != 0 && all.session_denied & access::CREATE == 0
    })?;
    for (rule, sample) in rules.iter().zip(inside) {
        let Some(sample) = sample else { continue };
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

/// For each of `rules`, the first file it matches for which `what` holds, rule and what is said of the file
/// in the end. Sessions count: what they may write counts like what the container may.
fn samples(
    rules: &[&Pattern],
    automaton: &Automaton,
    what: impl Fn(&Pattern, Grant) -> bool,
) -> Result<Vec<Option<Sample>>, CompileError> {
    let mut found: Vec<Option<Sample>> = vec![None; rules.len()];
    each(rules, [automaton], |matching, place, open| {
        let [all] = place.grants;
        for rule in matching.iter().filter(|rule| what(rules[**rule], all)) {
            if let Some(name) = place.name() {
                found[*rule] = Some(Sample { kind: place.kind, name });
                open.done(*rule);
            }
        }
    })?;
    Ok(found)
}
