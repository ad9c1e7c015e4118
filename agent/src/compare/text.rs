//! The parts of a profile that no automaton holds, compared as sets of words.

use crate::profile::{ExecRule, ListenRule, Profile};

use super::diff::Change;

/// What to take from a profile.
type Words = fn(&Profile) -> Vec<String>;

/// A word that one profile has and the other has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WordChange {
    /// Which side has it.
    pub(crate) change: Change,
    /// What part of the profile: `listen`, `capability`, `condition`.
    pub(crate) kind: &'static str,
    /// The word.
    pub(crate) text: String,
}

/// Listeners, capabilities and conditions of exec rules that differ: first what `b` adds.
///
/// A condition narrows its rule, so that the side without it is the one that lets more happen.
pub(crate) fn word_changes(a: &Profile, b: &Profile) -> Vec<WordChange> {
    let mut found = Vec::new();
    for (change, of, over) in [(Change::Added, b, a), (Change::Removed, a, b)] {
        let parts: [(&'static str, Words); 3] =
            [("listen", listeners), ("capability", capabilities), ("condition", conditions)];
        for (kind, words) in parts {
            let known = words(over);
            let mut more = words(of);
            more.retain(|word| !known.contains(word));
            found.extend(more.into_iter().map(|text| WordChange { change, kind, text }));
        }
    }
    found
}

fn capabilities(profile: &Profile) -> Vec<String> {
    distinct(profile.capabilities.clone())
}

fn listeners(profile: &Profile) -> Vec<String> {
    let words = |rule: &ListenRule| {
        let protocols = match rule.protocol {
            Some(protocol) => vec![protocol.word()],
            None => vec!["tcp", "udp"],
        };
        let one = |protocol| rule.ports.iter().map(move |ports| format!("{ports}/{protocol}"));
        protocols.into_iter().flat_map(one).collect::<Vec<_>>()
    };
    distinct(profile.listen.iter().flat_map(words).collect())
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
