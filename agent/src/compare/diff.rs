//! What one profile grants and the other does not, by the rules that make the difference.

use std::ops::ControlFlow;

use stockade_abi::access::{self, AccessSet};

use super::automaton::{Automaton, KINDS};
use super::pattern::{Pattern, patterns};
use super::product::{Product, fits};
use super::show::show;
use crate::compile::{CompileError, Grant, RuleRef};
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

impl Grant {
    /// What may be done in the end.
    pub(crate) fn allowed(self, session: bool) -> AccessSet {
        if session { self.session & !self.session_denied } else { self.container & !self.denied }
    }
}

/// Every rule of `b` that grants what `a` does not, then every rule of `a` that grants what `b` does not.
pub(crate) fn compare(a: &Profile, b: &Profile, who: Who) -> Result<Vec<Difference>, CompileError> {
    let sides = [Side::new(a)?, Side::new(b)?];
    let [first, second] = &sides;
    let mut gained = [false; 2];
    for kind in KINDS {
        let sides = Product::new([&first.automaton, &second.automaton], kind);
        sides.walk(
            |alive| alive != [false; 2],
            |[a, b], name| {
                let more = |of: Grant, over: Grant| {
                    [false, true].into_iter().any(|session| of.allowed(session) & !over.allowed(session) != 0)
                };
                let more = [more(b, a), more(a, b)];
                if (more[0] && !gained[0] || more[1] && !gained[1]) && fits(kind, &name()) {
                    gained = [gained[0] || more[0], gained[1] || more[1]];
                }
                if gained == [true; 2] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
    }
    let mut differences = Vec::new();
    if gained[0] {
        second.gains(first, Change::Added, who, &mut differences)?;
    }
    if gained[1] {
        first.gains(second, Change::Removed, who, &mut differences)?;
    }
    Ok(differences)
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
        change: Change,
        who: Who,
        found: &mut Vec<Difference>,
    ) -> Result<(), CompileError> {
        let denied = over.automaton.has_denials();
        for pattern in &self.patterns {
            // Most rules of two versions of a profile are the same in both.
            if !denied && over.patterns.iter().any(|other| pattern.repeats(other)) {
                continue;
            }
            let [container, session] = self.gain(pattern, over)?;
            let mut push = |gain: Gain, only_session| {
                if gain.access != 0 {
                    let access = plain(gain.access);
                    let (rule, example) = (pattern.at.clone(), gain.example);
                    found.push(Difference { change, rule, access, example, only_session });
                }
            };
            match who {
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

    /// The gain of one rule, for the container and for sessions.
    fn gain(&self, pattern: &Pattern, over: &Self) -> Result<[Gain; 2], CompileError> {
        let lone = pattern.automaton()?;
        let mut gains = [Gain::default(), Gain::default()];
        for kind in pattern.kinds() {
            let all = Product::new([&lone, &self.automaton, &over.automaton], *kind);
            all.walk::<()>(
                |[lone, ..]| lone,
                |[lone, own, other], name| {
                    for (session, gain) in [false, true].into_iter().zip(&mut gains) {
                        let lone = lone.allowed(session);
                        let more = lone & own.allowed(session) & !other.allowed(session);
                        gain.add(more, || {
                            Some(name()).filter(|name| fits(*kind, name)).map(|name| show(*kind, &name))
                        });
                    }
                    ControlFlow::Continue(())
                },
            );
        }
        Ok(gains)
    }
}

/// What is granted more, and the first object of which most of it holds.
#[derive(Debug, Default)]
struct Gain {
    access: AccessSet,
    example: String,
    shown: u32,
}

impl Gain {
    fn add(&mut self, more: AccessSet, example: impl FnOnce() -> Option<String>) {
        if more & !self.access == 0 && more.count_ones() <= self.shown {
            return;
        }
        let Some(example) = example() else { return };
        self.access |= more;
        if more.count_ones() > self.shown {
            self.shown = more.count_ones();
            self.example = example;
        }
    }
}

/// Without what the rest implies.
fn plain(access: AccessSet) -> AccessSet {
    if access & access::WRITE == 0 { access } else { access & !access::APPEND }
}
