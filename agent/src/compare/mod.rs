//! What profiles mean, compared: by walking their automata side by side, not by reading their text.
//!
//! Two profiles that say the same in other words have no difference here. A difference counts only where
//! a real object could show it: paths are canonical, addresses are those that the kernel side makes.

mod automaton;
mod canon;
mod cover;
mod diff;
mod each;
mod labelled;
mod merge;
mod parents;
mod partition;
mod pattern;
mod product;
mod sample;
mod show;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use automaton::{Allowed, Automaton};
pub(crate) use cover::Rules;
pub(crate) use diff::{Change, Difference, Who, compare};
pub(crate) use each::each;
pub(crate) use merge::merge;
pub(crate) use pattern::{Pattern, denials, patterns, without_denials};
pub(crate) use sample::{Sample, sample};
pub(crate) use show::show;
pub(crate) use text::{WordChange, word_changes};
