//! Rules for one and the same thing, which are easier to read as one.

use std::collections::HashMap;

use super::{Remark, limit, paths, place};
use crate::compile::Section;
use crate::compile::glob::{self, Kind};
use crate::profile::Profile;
use crate::profile::problem::Problem;

/// The same rule twice, perhaps with its alternatives in another order.
pub(super) fn lint(profile: &Profile, remarks: &mut Vec<Remark>) {
    let mut seen: HashMap<(Section, String), usize> = HashMap::new();
    let peers =
        profile.peers.iter().enumerate().map(|(index, rule)| (Section::Peers, index, rule.to_string()));
    let rules = paths(profile).into_iter().map(|(of, index, path)| (of, index, path.to_owned()));
    let mut found = Vec::new();
    for (of, index, text) in rules.chain(peers) {
        let words = of.word();
        match seen.get(&(of, key(of, &text))) {
            Some(first) => {
                let problem = Problem::new(format!("{words}[{index}] repeats {words}[{first}], `{text}`"));
                found.push((place(of, index, None), problem.help("join the two rules into one")));
            }
            None => {
                seen.insert((of, key(of, &text)), index);
            }
        }
    }
    limit(found, "repeated rules", remarks);
}

/// The same for globs that stand for the same flat patterns.
fn key(of: Section, text: &str) -> String {
    if of == Section::Peers || !text.contains(['{', '[', '\\']) {
        return text.to_owned();
    }
    let Ok(flats) = glob::parse(text, Kind::Path) else { return text.to_owned() };
    let mut ways: Vec<String> = flats.iter().map(|flat| format!("{flat:?}")).collect();
    ways.sort_unstable();
    ways.dedup();
    ways.join("\0")
}
