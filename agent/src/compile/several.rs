//! Some rules by themselves: which of them match a name, whatever they grant.

use super::attribution::Attribution;
use super::dfa::{self, Dfa};
use super::error::CompileError;
use super::nfa::{Label, Nfa};
use super::position::Closure;
use super::rule::{Network, RuleRef};
use super::source::Source;

/// A rule, with what it says about the network if it is about that.
pub(crate) type Item<'a> = (&'a RuleRef, Option<&'a Network>);

/// Positions looked at for each node of the patterns before an automaton counts as too large: what
/// patterns need that hardly overlap, several times over.
const WORK_PER_NODE: usize = 32;
/// What any patterns may need.
const WORK_LEAST: usize = 1 << 16;

/// Rules, read. The label of each is its position among them.
pub(crate) struct Several {
    source: Source,
}

impl Several {
    pub(crate) fn read<'a>(rules: impl Iterator<Item = Item<'a>>) -> Result<Self, CompileError> {
        let mut source = Source::default();
        for (at, network) in rules {
            source.lone(at, network)?;
        }
        Ok(Self { source })
    }

    /// Their automaton, in which every state knows which of them match. It tells more apart than a table
    /// does: `None` when that comes to more than patterns usually need. One rule alone may need as much as
    /// a profile.
    pub(crate) fn automaton(&self) -> Option<Dfa> {
        let rules = self.source.rules.len();
        let labels: Vec<Label> = (0..).take(rules).collect();
        let nfa = Nfa::new(&self.source.patterns, &labels, &[]);
        let most = nfa.len().saturating_mul(WORK_PER_NODE).saturating_add(WORK_LEAST);
        let work = if rules > 1 { most } else { dfa::WORK_MAX };
        let mut closure = Closure::of_rules(&nfa);
        let starts = super::starts(&nfa, &mut closure);
        dfa::build(&nfa, &starts, closure, work).dfa.ok()
    }

    /// The way from names to those that match them.
    pub(crate) fn attribution(&self) -> Attribution {
        Attribution::new(&self.source.patterns, self.source.rules.len())
    }
}
