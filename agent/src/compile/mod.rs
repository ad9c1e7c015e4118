//! Policies from profiles: globs and peers become one automaton table, which this module also walks
//! for `explain` and replays, with the very function that the kernel programs use.

mod attribution;
mod check;
mod classes;
mod dfa;
mod effect;
mod error;
pub(crate) mod glob;
mod guard;
mod minimise;
mod nfa;
mod own;
mod pack;
mod partition;
mod pattern;
mod peer;
mod policy;
mod policy_table;
mod position;
mod power;
mod row;
mod rule;
mod several;
mod source;
mod states;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use stockade_abi::object::OWN_TID;
use stockade_abi::reason::Mode;
use stockade_abi::table::{Grant, Powers};

pub(crate) use attribution::Attribution;
pub use check::{TableError, check};
pub(crate) use dfa::Dfa;
pub use error::{CompileError, Named};
pub use glob::{GlobError, escape};
pub(crate) use nfa::Label;
pub use policy::{Decision, Object, Policy, Start, StartKind};
pub use policy_table::PolicyTable;
pub use power::{Power, PowerDecision, PowerRule};
pub(crate) use power::{powers, rules as power_rules};
pub(crate) use rule::Network;
pub use rule::{RuleRef, Section};
pub(crate) use several::{Item, Several};
pub(crate) use source::digest;

use crate::profile::Profile;
use dfa::TooMuch;
use effect::Effect;
use guard::Guard;
use nfa::Nfa;
use pattern::Root;
use position::{Closure, Position};
use source::Source;

/// Compiles a profile, to be judged under `mode`, and keeps what it takes to name rules.
pub fn compile(profile: &Profile, mode: Mode) -> Result<Policy, CompileError> {
    let source = Source::read(profile).map_err(|error| error.of(profile))?;
    let own = powers(profile);
    let table = table(&source, &own).map_err(|error| error.of(profile))?;
    let attribution = Attribution::new(&source.patterns, source.rules.len());
    Ok(Policy::new(table, mode, source.rules, (own, power_rules(profile)), attribution))
}

/// Compiles a profile to its table alone: the words that [`compile`] comes to. The same profile always
/// gives the same words.
pub fn compile_table(profile: &Profile) -> Result<PolicyTable, CompileError> {
    let source = Source::read(profile);
    source.and_then(|source| table(&source, &powers(profile))).map_err(|error| error.of(profile))
}

fn table(source: &Source, powers: &Powers) -> Result<PolicyTable, CompileError> {
    // Rules that do the same are one, and what ends alike is shared from the beginning.
    let mut effects: Vec<Effect> = Vec::new();
    let mut known: HashMap<Effect, Label> = HashMap::new();
    let mut labels = Vec::with_capacity(source.rules.len());
    for rule in &source.rules {
        let fresh = Label::try_from(effects.len()).unwrap_or(Label::MAX);
        let label = *known.entry(rule.effect).or_insert(fresh);
        if label == fresh {
            effects.push(rule.effect);
        }
        labels.push(label);
    }
    let nfa = Nfa::new(&source.patterns, &labels, &effects);
    let mut closure = Closure::new(&nfa);
    let starts = starts(&nfa, &mut closure);
    let built = dfa::build(&nfa, &starts, closure, dfa::WORK_MAX);
    let costs = || nfa.costs(&source.patterns, &built.nodes, source.rules.len());
    let worst = || error::dearest(&costs(), &source.rules);
    let dfa = built.dfa.map_err(|too_much| match too_much {
        TooMuch::Text => CompileError::TooLong { worst: worst() },
        TooMuch::Overlaps => CompileError::TooComplex { worst: worst() },
    })?;
    let grants: Vec<Grant> = dfa
        .accepts
        .iter()
        .map(|labels| labels.iter().map(|label| effects[*label as usize]).fold(Effect::default(), Effect::or))
        .map(Effect::grant)
        .collect();
    let minimal = minimise::minimise(&dfa, &grants);
    let table = pack::pack(&minimal, &dfa.classes, powers, &source.pins)
        .map_err(|words| CompileError::TooLarge { words, worst: worst() })?;
    check(table.words())?;
    Ok(table)
}

/// Where paths, the own process's entries, the own thread's entries, and peers begin.
fn starts(nfa: &Nfa, closure: &mut Closure) -> [(Guard, Vec<Position>); 4] {
    let mut from = |root: Root| {
        let mut positions = Vec::new();
        closure.of(nfa, position::start(nfa, root).as_slice(), &mut positions);
        positions
    };
    let (paths, peers) = (from(Root::Path), from(Root::Peer));
    let proc_dir = own::walk(nfa, &paths, b"/proc/", closure);
    let process = own::own_entry(nfa, &proc_dir, b"self", closure);
    let task_dir = own::walk(nfa, &process, b"/task/", closure);
    let thread = own::own_entry(nfa, &task_dir, &[OWN_TID], closure);
    [(Guard::Off, paths), (Guard::Off, process), (Guard::Off, thread), (Guard::Peer, peers)]
}
