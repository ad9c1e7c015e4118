//! Rules of which each grants some of what the other does. That is no fault; it is good to know before
//! one of them is taken out.

use stockade_abi::access::{self, AccessSet};

use super::{Remarks, is_own, place};
use crate::compare::{Pattern, each, patterns, show};
use crate::compile::CompileError;
use crate::profile::Profile;
use crate::profile::problem::Problem;

/// What a rule has in common with one before it.
struct Overlap {
    with: usize,
    access: AccessSet,
    example: String,
}

/// One remark for each of the profile's own rules that overlaps another of them.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) -> Result<(), CompileError> {
    let mut all = patterns(profile);
    all.retain(|rule| is_own(profile, &rule.at));
    let rules: Vec<&Pattern> = all.iter().collect();
    let mut overlaps: Vec<Option<Overlap>> = rules.iter().map(|_| None).collect();
    each(&rules, [], |matching, at, _| {
        for (earlier, rule) in matching.iter().enumerate().skip(1) {
            if overlaps[*rule].is_some() {
                continue;
            }
            let mut others = matching.iter().take(earlier);
            let common = |other: &usize| rules[*rule].common(rules[*other]);
            let Some(with) = others.find(|other| common(other) != 0) else { continue };
            let Some(name) = at.name() else { return };
            let example = show(at.kind, &name);
            overlaps[*rule] = Some(Overlap { with: *with, access: common(with), example });
        }
    })?;
    let mut found = Vec::new();
    for (rule, overlap) in rules.iter().zip(overlaps) {
        let Some(Overlap { with, access, example }) = overlap else { continue };
        let (word, at) = (rule.at.section.word(), rule.at.index);
        let access: Vec<&str> = access::words(access).collect();
        let text = format!(
            "{} and {} overlap: both grant {}, for example to {example}",
            rules[with].at,
            rule.at,
            access.join(",")
        );
        let help =
            "rules add up, so this is no fault: taking out one of them does not take away what both grant";
        found.push((place(word, at, None), Problem::new(text).help(help).note()));
    }
    remarks.add("overlapping rules", found);
    Ok(())
}
