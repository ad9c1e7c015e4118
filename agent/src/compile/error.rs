//! Why a profile has no table, with the rules to change.

use std::fmt::{self, Write as _};

use stockade_abi::table::{LARGE, PINS_MAX};

use super::check::TableError;
use super::glob::GlobError;
use super::rule::{Rule, RuleRef};
use super::source::GROUPS_MAX;
use crate::profile::Profile;

/// A rule, and its name for whoever has to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which one.
    pub at: RuleRef,
    /// Its name.
    shown: String,
}

impl From<RuleRef> for Named {
    fn from(at: RuleRef) -> Self {
        Self { shown: at.to_string(), at }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Named {
    fn find(&mut self, profile: &Profile) {
        let lists = profile.origin(self.at.section.word(), self.at.index);
        if lists.is_some() {
            self.shown = profile.shown(&self.at);
        }
    }
}

/// Rules named as the dearest.
const NAMED: usize = 3;
/// Rules are named that cost more than one part of so many of what the dearest does.
const BLAMED: usize = 4;

/// Why a profile has no table.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A rule's glob is not one.
    #[error("{rule}: {error}")]
    Glob {
        /// The rule.
        rule: Box<Named>,
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
        worst: Vec<Named>,
    },
    /// The rules' patterns together are longer than can be worked on.
    #[error("the profile is too large: its rules' patterns are too long together{}", advice(worst))]
    TooLong {
        /// The rules that cost most, dearest first.
        worst: Vec<Named>,
    },
    /// More lists of parents than a grant has bits for.
    #[error(
        "{rule}: the profile has more than {GROUPS_MAX} different lists of `parents`\n\
         give several of these rules the same list, for example the parents of all of them"
    )]
    TooManyParents {
        /// The first rule whose list is one too many.
        rule: Box<Named>,
    },
    /// More contents than a table has room for, or more lists of them than a grant has bits for.
    #[error(
        "{rule}: the profile names more than {PINS_MAX} contents, or has more than {GROUPS_MAX} different lists of `sha256`\n\
         let one list name the contents of several programs"
    )]
    TooManyPins {
        /// The first rule whose list is one too many.
        rule: Box<Named>,
    },
    /// What was made is no table.
    #[error("the profile's table does not pass its check, which is a fault of this program: {0}")]
    Check(#[from] TableError),
    /// The rules together have too many combinations to work out.
    #[error("the profile is too complex: its globs overlap in too many ways{}", advice(worst))]
    TooComplex {
        /// The rules that cost most, dearest first.
        worst: Vec<Named>,
    },
}

impl CompileError {
    /// The rules to change, the first of them most.
    pub fn rules(&self) -> &[Named] {
        match self {
            Self::Glob { rule, .. } | Self::TooManyParents { rule } | Self::TooManyPins { rule } => {
                std::slice::from_ref(&**rule)
            }
            Self::TooLarge { worst, .. } | Self::TooLong { worst } | Self::TooComplex { worst } => worst,
            Self::Check(_) => &[],
        }
    }

    /// The same with rules named by where they stand: in `profile`, or in a rule set that it includes.
    pub(super) fn of(mut self, profile: &Profile) -> Self {
        match &mut self {
            Self::Glob { rule, .. } | Self::TooManyParents { rule } | Self::TooManyPins { rule } => {
                rule.find(profile)
            }
            Self::TooLarge { worst, .. } | Self::TooLong { worst } | Self::TooComplex { worst } => {
                worst.iter_mut().for_each(|rule| rule.find(profile));
            }
            Self::Check(_) => {}
        }
        self
    }
}

fn advice(worst: &[Named]) -> String {
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

/// The rules that cost most, dearest first. What costs much less than the dearest is not to blame.
pub(super) fn dearest(cost: &[usize], rules: &[Rule]) -> Vec<Named> {
    let least = cost.iter().max().map_or(0, |most| most / BLAMED) + 1;
    let mut order: Vec<(&usize, &Rule)> =
        cost.iter().zip(rules).filter(|(cost, _)| **cost >= least).collect();
    // Those of the same cost stay in their order.
    order.sort_by_key(|(cost, _)| std::cmp::Reverse(**cost));
    order.into_iter().take(NAMED).map(|(_, rule)| Named::from(rule.at.clone())).collect()
}
