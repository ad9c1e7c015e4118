//! Rules held against automata, many at once: each where it matches.
//!
//! One walk over all rules together costs little more than one over the longest. Rules that overlap in
//! too many ways are walked in smaller groups, in the worst case each by itself.

use std::ops::ControlFlow;

use stockade_abi::table::Grant;

use super::automaton::Automaton;
use super::labelled::Labelled;
use super::pattern::Pattern;
use super::product::{Product, fits};
use crate::compile::{CompileError, Several, StartKind};

/// Names that the same rules match, and about which the automata say the same.
pub(crate) struct Place<'a, const N: usize> {
    /// What each automaton says.
    pub(crate) grants: [Grant; N],
    pub(crate) kind: StartKind,
    /// Spells the cheapest of the names.
    name: &'a dyn Fn() -> Vec<u8>,
}

impl<const N: usize> Place<'_, N> {
    /// The cheapest of the names, if an object can have it.
    pub(crate) fn name(&self) -> Option<Vec<u8>> {
        let name = (self.name)();
        fits(self.kind, &name).then_some(name)
    }
}

/// The rules of a walk that are still looked at.
pub(crate) struct Open {
    open: Vec<bool>,
    left: usize,
}

impl Open {
    /// Nothing more is asked about a rule.
    pub(crate) fn done(&mut self, rule: usize) {
        if std::mem::replace(&mut self.open[rule], false) {
            self.left = self.left.saturating_sub(1);
        }
    }
}

/// Visits the places where any of `rules` match, the cheapest names first, with the positions of those
/// that match there and are not done. Rules of one group are met together, but not each with each other:
/// `visit` may be called for other rules at the same names later.
pub(crate) fn each<const N: usize>(
    rules: &[&Pattern],
    automata: [&Automaton; N],
    mut visit: impl FnMut(&[usize], &Place<'_, N>, &mut Open),
) -> Result<(), CompileError> {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|index| rules[*index].group());
    let mut open = Open { open: vec![true; rules.len()], left: 0 };
    let groups = order.chunk_by(|a, b| rules[*a].group().0 == rules[*b].group().0);
    let mut waiting: Vec<&[usize]> = groups.flat_map(|group| group.chunks(GROUP_MAX)).collect();
    waiting.reverse();
    while let Some(group) = waiting.pop() {
        let several = Several::read(group.iter().map(|index| rules[*index].item()))?;
        let Some(dfa) = several.automaton() else {
            if let [only] = group {
                return Err(CompileError::TooComplex { worst: vec![rules[*only].at.clone().into()] });
            }
            let (first, second) = group.split_at(group.len() / 2);
            waiting.extend([second, first]);
            continue;
        };
        let labelled = Labelled::new(dfa);
        open.left = group.len();
        let kinds = group.first().map_or(&[][..], |index| rules[*index].kinds());
        for kind in kinds {
            walk(&labelled, automata, *kind, group, &mut open, &mut visit);
        }
    }
    Ok(())
}

/// Rules walked together at most.
const GROUP_MAX: usize = 4096;

fn walk<const N: usize>(
    labelled: &Labelled,
    automata: [&Automaton; N],
    kind: StartKind,
    group: &[usize],
    open: &mut Open,
    visit: &mut impl FnMut(&[usize], &Place<'_, N>, &mut Open),
) {
    let mut matching = Vec::new();
    Product::led(labelled, automata, kind).walk::<()>(
        |_| true,
        |labels, grants, name| {
            matching.clear();
            let rules = labels.iter().filter_map(|label| group.get(*label as usize)).copied();
            matching.extend(rules.filter(|rule| open.open[*rule]));
            matching.sort_unstable();
            if !matching.is_empty() {
                visit(&matching, &Place { grants, kind, name }, open);
            }
            if open.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
}
