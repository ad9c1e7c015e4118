//! What one profile grants and the other does not, by the rules that make the difference.

use std::collections::HashMap;
use std::ops::ControlFlow;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::table::Grant;

use super::automaton::{Allowed as _, Automaton};
use super::each::each;
use super::parents::{Parents, Starts};
use super::pattern::{Pattern, patterns};
use super::product::{Product, fits};
use super::show::show;
use crate::compile::{CompileError, RuleRef, Section, StartKind};
use crate::profile::Profile;

/// Which side grants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The second profile grants it, and the first does not.
    Added,
    /// The first profile grants it, and the second does not.
    Removed,
}

/// One rule that makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Which side the rule is on.
    pub(crate) change: Change,
    /// The rule.
    pub(crate) rule: RuleRef,
    /// What it grants that the other profile does not.
    pub(crate) access: AccessSet,
    /// Such an object.
    pub(crate) example: String,
    /// Who starts it, where that makes the difference.
    pub(crate) parent: Option<String>,
    /// Only sessions can tell the difference.
    pub(crate) only_session: bool,
}

/// Whose accesses are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The container's own processes, and what only sessions may do beyond them.
    All,
    /// Sessions.
    Session,
}

/// Every rule of `b` that grants what `a` does not, then every rule of `a` that grants what `b` does not.
pub(crate) fn compare(a: &Profile, b: &Profile, who: Who) -> Result<Vec<Difference>, CompileError> {
    let sides = [Side::new(a)?, Side::new(b)?];
    let (gained, parents) = differ(&sides);
    let [first, second] = &sides;
    let mut differences = Vec::new();
    if gained[1] {
        second.gains(first, &Versus { parents: &parents, side: 1, who }, &mut differences)?;
    }
    if gained[0] {
        first.gains(second, &Versus { parents: &parents, side: 0, who }, &mut differences)?;
    }
    Ok(differences)
}

/// Which of the sides grants something that the other does not, and all parents there are.
fn differ(sides: &[Side; 2]) -> ([bool; 2], Parents) {
    let [first, second] = sides;
    let mut gained = [false; 2];
    let mut parents = Parents::new();
    let mut conditional: Vec<[Grant; 2]> = Vec::new();
    let more = |of: Grant, over: Grant| {
        [false, true].into_iter().any(|session| of.allowed(session) & !over.allowed(session) != 0)
    };
    for kind in StartKind::ALL {
        Product::new([&first.automaton, &second.automaton], kind).walk::<()>(
            |alive| alive != [false; 2],
            |_, [a, b], name| {
                let more = [more(a, b), more(b, a)];
                if more.iter().zip(gained).any(|(more, known)| *more && !known) && fits(kind, &name()) {
                    gained = [gained[0] || more[0], gained[1] || more[1]];
                }
                if a.member | b.member != 0 {
                    parents.note([a, b], || show(kind, &name()));
                }
                if a.parents | b.parents != 0 && !conditional.contains(&[a, b]) {
                    conditional.push([a, b]);
                }
                ControlFlow::Continue(())
            },
        );
    }
    for [a, b] in conditional {
        for session in [false, true] {
            gained[0] |= parents.more(a, b, 0, session).is_some();
            gained[1] |= parents.more(b, a, 1, session).is_some();
        }
    }
    (gained, parents)
}

/// What a side is held against.
struct Versus<'a> {
    parents: &'a Parents,
    /// Its own number.
    side: usize,
    who: Who,
}

struct Side {
    automaton: Automaton,
    patterns: Vec<Pattern>,
}

impl Side {
    fn new(profile: &Profile) -> Result<Self, CompileError> {
        Ok(Self { automaton: Automaton::compiled(profile)?, patterns: patterns(profile) })
    }

    /// What the rules of `self` grant that `over` does not.
    fn gains(
        &self,
        over: &Self,
        versus: &Versus<'_>,
        found: &mut Vec<Difference>,
    ) -> Result<(), CompileError> {
        let change = if versus.side == 0 { Change::Removed } else { Change::Added };
        // Most rules of two versions of a profile are the same in both. With denials, that says nothing.
        let known = if over.automaton.has_denials() { HashMap::new() } else { words(&over.patterns) };
        let rules: Vec<&Pattern> = self.patterns.iter().filter(|rule| !repeats(rule, &known)).collect();
        for (rule, gains) in rules.iter().zip(self.each_gain(&rules, over, versus)?) {
            let [container, session] = gains;
            let mut push = |gain: Gain, only_session| {
                if gain.access != 0 {
                    let access = plain(gain.access);
                    let rule = rule.at.clone();
                    let (example, parent) = (gain.example, gain.parent);
                    found.push(Difference { change, rule, access, example, parent, only_session });
                }
            };
            match versus.who {
                Who::All => {
                    let beyond = session.access & !container.access;
                    push(container, false);
                    push(Gain { access: beyond, ..session }, true);
                }
                Who::Session => push(session, false),
            }
        }
        Ok(())
    }

    /// The gain of each of `rules`, for the container and for sessions.
    fn each_gain(
        &self,
        rules: &[&Pattern],
        over: &Self,
        versus: &Versus<'_>,
    ) -> Result<Vec<[Gain; 2]>, CompileError> {
        let grants: Vec<[AccessSet; 2]> = rules.iter().map(|rule| rule.grants()).collect();
        let mut gains: Vec<[Gain; 2]> = rules.iter().map(|_| Default::default()).collect();
        each(rules, [&self.automaton, &over.automaton], |matching, place, open| {
            let [own, other] = place.grants;
            let more = [false, true].map(|session| own.allowed(session) & !other.allowed(session));
            let starts = [false, true].map(|session| versus.parents.more(own, other, versus.side, session));
            for rule in matching {
                let parts = gains[*rule].iter_mut().zip(grants[*rule]).zip(more.iter().zip(&starts));
                for ((gain, grants), (more, starts)) in parts {
                    let mut more = grants & more;
                    let mut parent = None;
                    if grants & access::EXEC != 0 {
                        more = more & !access::EXEC | if starts.is_some() { access::EXEC } else { 0 };
                        parent = starts.clone().and_then(Starts::parent);
                    }
                    gain.add(more, parent, || place.name().map(|name| show(place.kind, &name)));
                }
                // More than everything, and a shorter example, will not come.
                let full = |(gain, grants): (&Gain, &AccessSet)| gain.shown == grants.count_ones();
                if gains[*rule].iter().zip(&grants[*rule]).all(full) {
                    open.done(*rule);
                }
            }
        })?;
        Ok(gains)
    }
}

/// What rules grant without conditions, by their words.
fn words(patterns: &[Pattern]) -> HashMap<(Section, &str), AccessSet> {
    let mut words: HashMap<(Section, &str), AccessSet> = HashMap::new();
    for rule in patterns.iter().filter(|rule| !rule.conditional) {
        *words.entry((rule.at.section, &rule.at.text)).or_default() |= rule.access;
    }
    words
}

/// Whether `rule` says no more than `known` do, word for word.
fn repeats(rule: &Pattern, known: &HashMap<(Section, &str), AccessSet>) -> bool {
    known.get(&(rule.at.section, rule.at.text.as_str())).is_some_and(|access| rule.access & !access == 0)
}

/// What is granted more, and the first object of which most of it holds.
#[derive(Debug, Default)]
struct Gain {
    access: AccessSet,
    example: String,
    parent: Option<String>,
    shown: u32,
}

impl Gain {
    fn add(&mut self, more: AccessSet, parent: Option<String>, example: impl FnOnce() -> Option<String>) {
        if more & !self.access == 0 && more.count_ones() <= self.shown {
            return;
        }
        let Some(example) = example() else { return };
        self.access |= more;
        if more.count_ones() > self.shown {
            self.shown = more.count_ones();
            self.example = example;
            self.parent = parent;
        }
    }
}

/// Without what the rest implies.
fn plain(access: AccessSet) -> AccessSet {
    if access & access::WRITE == 0 { access } else { access & !access::APPEND }
}
