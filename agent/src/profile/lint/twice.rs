//! Rules for one and the same thing, which are easier to read as one.

use std::collections::HashMap;

use super::{Remarks, paths, place};
use crate::compile::glob::{self, Kind};
use crate::compile::power_rules;
use crate::profile::problem::Problem;
use crate::profile::{FileRule, List, PeerRule, Profile};

/// The same rule twice: of the profile's own, or once in a rule set. That two rule sets share a rule is
/// nobody's fault. Alternatives in another order are the same.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) {
    let peers = |list, rules: &[PeerRule]| -> Vec<(List, usize, String)> {
        rules.iter().enumerate().map(|(index, rule)| (list, index, rule.to_string())).collect()
    };
    let powers = power_rules(profile);
    let listen =
        profile.listen.iter().enumerate().map(|(index, rule)| (List::Listen, index, rule.to_string()));
    let rules = paths(profile)
        .into_iter()
        .map(|(list, index, path)| (list, index, path.to_owned()))
        .chain(peers(List::Peers, &profile.peers))
        .chain(peers(List::DenyPeers, &profile.deny.peers))
        .chain(listen)
        .chain(powers.iter().map(|rule| (rule.list, rule.index, rule.power.word())));
    let mut seen: HashMap<(List, String), usize> = HashMap::new();
    let mut found = Vec::new();
    for (list, index, text) in rules {
        let words = list.word();
        let known = (list, key(list, &text));
        let Some(first) = seen.get(&known).copied() else {
            seen.insert(known, index);
            continue;
        };
        // The profile's own rules come before those of rule sets.
        if profile.origin(words, first).is_some() {
            continue;
        }
        match profile.origin(words, index) {
            None => {
                let problem = Problem::new(format!("{words}[{index}] repeats {words}[{first}], `{text}`"));
                found.push((place(words, index, None), problem.help("join the two rules into one")));
            }
            Some((set, at)) if covers(profile, list, index, first) => {
                let problem = Problem::new(format!("{words}[{first}] repeats {set}:{words}[{at}], `{text}`"));
                found.push((place(words, first, None), problem.help("leave it out: the rule set has it")));
            }
            Some(_) => {}
        }
    }
    remarks.add("repeated rules", found);
}

/// Whether the rule at `wide` does all that the one at `narrow` does, both for the same files.
fn covers(profile: &Profile, list: List, wide: usize, narrow: usize) -> bool {
    let files = |rules: &[FileRule]| match (rules.get(wide), rules.get(narrow)) {
        (Some(wide), Some(narrow)) => narrow.access & !wide.access == 0,
        (Some(_) | None, _) => false,
    };
    match list {
        List::Files => files(&profile.files),
        List::DenyFiles => files(&profile.deny.files),
        List::SessionFiles => files(&profile.sessions.files),
        // One may have conditions that the other has not.
        List::Exec => profile.exec.get(wide) == profile.exec.get(narrow),
        List::Peers | List::Listen => true,
        List::Capabilities | List::DenyCapabilities | List::SessionCapabilities => true,
        List::Facilities | List::DenyFacilities | List::SessionFacilities => true,
        List::DenyExec | List::DenyPeers | List::SessionExec => true,
    }
}

/// The same for globs that stand for the same flat patterns.
fn key(of: List, text: &str) -> String {
    // The names of capabilities and facilities hold none of these.
    if matches!(of, List::Peers | List::Listen | List::DenyPeers) || !text.contains(['{', '[', '\\']) {
        return text.to_owned();
    }
    let Ok(flats) = glob::parse(text, Kind::Path) else { return text.to_owned() };
    let mut ways: Vec<String> = flats.iter().map(|flat| format!("{flat:?}")).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.join("\0")
}
