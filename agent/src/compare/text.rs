//! The parts of a profile that no automaton holds, compared as sets of words.

use crate::profile::{ExecRule, Profile};

use super::diff::Change;
use crate::compile::{Power, powers};

/// What to take from a profile.
type Words = fn(&Profile) -> Vec<String>;

/// A word that one profile has and the other has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordChange {
    /// Which side has it.
    pub(crate) change: Change,
    /// What part of the profile: `capability`, `facility`, `condition`.
    pub(crate) kind: &'static str,
    /// The word.
    pub(crate) text: String,
}

/// Capabilities, facilities and conditions of exec rules that differ: what `b` adds, and what it takes.
///
/// A condition narrows its rule, so that the side without it is the one that lets more happen.
pub(crate) fn word_changes(a: &Profile, b: &Profile) -> Vec<WordChange> {
    let mut found = power_changes(a, b);
    for (change, of, over) in [(Change::Added, b, a), (Change::Removed, a, b)] {
        let parts: [(&'static str, Words); 1] = [("condition", conditions)];
        for (kind, words) in parts {
            let known = words(over);
            let mut more = words(of);
            more.retain(|word| !known.contains(word));
            found.extend(more.into_iter().map(|text| WordChange { change, kind, text }));
        }
    }
    found
}

/// Capabilities and facilities that one side may use and the other may not, whatever rule makes it so.
fn power_changes(a: &Profile, b: &Profile) -> Vec<WordChange> {
    let (first, second) = (powers(a), powers(b));
    let mut found = Vec::new();
    for (change, of, over) in [(Change::Added, &second, &first), (Change::Removed, &first, &second)] {
        for power in Power::all() {
            let more = |session| power.granted(of, session) && !power.granted(over, session);
            let text = match (more(false), more(true)) {
                (true, _) => power.word(),
                (false, true) => format!("{} to sessions", power.word()),
                (false, false) => continue,
            };
            found.push(WordChange { change, kind: power.kind(), text });
        }
    }
    found
}

fn conditions(profile: &Profile) -> Vec<String> {
    let words = |rule: &ExecRule| {
        let mut words: Vec<String> =
            rule.sha256.iter().map(|digest| format!("{} sha256 {digest}", rule.path)).collect();
        words.extend(rule.args.iter().map(|args| format!("{} args [{}]", rule.path, args.join(", "))));
        words
    };
    distinct(profile.exec.iter().flat_map(words).collect())
}

fn distinct(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words.dedup();
    words
}
