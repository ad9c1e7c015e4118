//! What a profile may say and this version does not put in force.

use stockade_abi::access::{self, AccessSet};

use super::{Part, Remark, place};
use crate::compile::Section;
use crate::profile::problem::Problem;
use crate::profile::{FileRule, Profile};

/// Accesses that a rule can name, and that no hook of this version judges.
const NOT_ENFORCED: AccessSet = access::DELETE | access::RENAME | access::LINK | access::ATTR;

/// One remark for each thing that is accepted and has no effect, at the first rule that has it.
pub(super) fn lint(profile: &Profile, remarks: &mut Vec<Remark>) {
    let mut say = |parts: Vec<Part>, what: &str, count: usize, meaning: &str| {
        let more = if count > 1 { format!(" ({count} rules have it)") } else { String::new() };
        let problem = Problem::new(format!("{what} is not enforced by this version{more}"));
        remarks.push((parts, problem.help(meaning.to_owned())));
    };
    let matches = [
        ("images", !profile.matches.images.is_empty()),
        ("labels", !profile.matches.labels.is_empty()),
        ("containers", !profile.matches.containers.is_empty()),
    ];
    for (name, _) in matches.into_iter().filter(|(_, there)| *there) {
        let help = "bind the profile with the annotation stockade.dev/profile, or with `stockade run`";
        say(vec![Part::Name("match"), Part::Name(name)], &format!("match.{name}"), 1, help);
    }
    let exec = [
        ("sha256", "the rule grants the path, whatever the file holds"),
        ("args", "the rule grants the path with any arguments"),
        ("parents", "the rule grants the path, whoever starts it"),
    ];
    for (name, meaning) in exec {
        let has: Vec<usize> = profile
            .exec
            .iter()
            .enumerate()
            .filter(|(_, rule)| match name {
                "sha256" => !rule.sha256.is_empty(),
                "args" => rule.args.is_some(),
                _ => !rule.parents.is_empty(),
            })
            .map(|(index, _)| index)
            .collect();
        if let Some(first) = has.first() {
            say(place(Section::Exec, *first, Some(name)), &format!("`{name}`"), has.len(), meaning);
        }
    }
    for (of, rules) in [(Section::Files, &profile.files), (Section::SessionFiles, &profile.sessions.files)] {
        for word in access::words(NOT_ENFORCED) {
            let has = |rule: &&FileRule| access::words(rule.access).any(|own| own == word);
            if let Some(first) = rules.iter().position(|rule| has(&rule)) {
                let count = rules.iter().filter(has).count();
                let help = "it is allowed for every file, listed or not";
                say(place(of, first, Some("access")), &format!("access `{word}`"), count, help);
            }
        }
    }
    if !profile.listen.is_empty() {
        say(vec![Part::Name("listen")], "`listen`", 1, "the container may listen on any port");
    }
    if !profile.capabilities.is_empty() {
        say(
            vec![Part::Name("capabilities")],
            "`capabilities`",
            1,
            "the container keeps those its runtime gave it",
        );
    }
}
