//! Why a profile has no table, with the rules to change.

use std::collections::HashMap;
use std::fmt::Write as _;

use stockade_abi::table::LARGE;

use super::Rule;
use super::dfa::{Dfa, TooMuch};
use super::glob::GlobError;
use super::nfa::RuleId;
use super::policy::RuleRef;

/// Rules named as the dearest.
const NAMED: usize = 3;

/// Why a profile has no table.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A rule's glob is not one.
    #[error("{rule}: {error}")]
    Glob {
        /// The rule.
        rule: Box<RuleRef>,
        /// What is wrong with it.
        error: GlobError,
    },
    /// The table would be larger than the largest the kernel takes.
    #[error(
        "the profile is too large: its table needs at least {words} words, and {LARGE} is the limit{}",
        advice(worst)
    )]
    TooLarge {
        /// Words needed.
        words: usize,
        /// The rules that cost most, dearest first.
        worst: Vec<RuleRef>,
    },
    /// The rules together have too many combinations to work out.
    #[error("the profile is too complex: its globs overlap in too many ways{}", advice(worst))]
    TooComplex {
        /// The rules that cost most, dearest first.
        worst: Vec<RuleRef>,
    },
}

fn advice(worst: &[RuleRef]) -> String {
    let mut text = String::from("\nthe rules that cost most:");
    for rule in worst {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {rule}");
    }
    text.push_str(
        "\nreplace many literal paths by one glob, and use fewer `*` and `**` before other text in one path",
    );
    text
}

pub(super) fn too_much(too_much: &TooMuch, rules: &[Rule]) -> CompileError {
    let worst = dearest(&too_much.cost, rules);
    match too_much.states {
        // A state takes two words before it leads anywhere.
        Some(states) => CompileError::TooLarge { words: states.saturating_mul(2), worst },
        None => CompileError::TooComplex { worst },
    }
}

pub(super) fn too_large(words: usize, dfa: &Dfa, rules: &[Rule]) -> CompileError {
    CompileError::TooLarge { words, worst: dearest(&dfa.cost, rules) }
}

fn dearest(cost: &HashMap<RuleId, usize>, rules: &[Rule]) -> Vec<RuleRef> {
    let mut order: Vec<(RuleId, usize)> = cost.iter().map(|(rule, cost)| (*rule, *cost)).collect();
    order.sort_by_key(|(rule, cost)| (std::cmp::Reverse(*cost), *rule));
    order
        .iter()
        .take(NAMED)
        .filter_map(|(rule, _)| rules.get(*rule as usize))
        .map(|rule| rule.at.clone())
        .collect()
}
