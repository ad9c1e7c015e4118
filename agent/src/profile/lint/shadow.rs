//! Rules that grant nothing beyond the others.

use std::collections::HashMap;

use super::{LISTED, Remark, is_own, limit, place};
use crate::compare::{Pattern, by_whom, covered, patterns, sample};
use crate::compile::{CompileError, Policy, Section};
use crate::profile::Profile;
use crate::profile::problem::Problem;

/// Rules that can go without a change to what the profile means.
pub(super) fn lint(
    profile: &Profile,
    policy: &Policy,
    remarks: &mut Vec<Remark>,
) -> Result<(), CompileError> {
    let mut texts: HashMap<(Section, String), usize> = HashMap::new();
    for pattern in patterns(profile) {
        let count: &mut usize = texts.entry((pattern.at.section, pattern.at.text)).or_default();
        *count = count.saturating_add(1);
    }
    // Rules that stand twice were said already, and so were those that match nothing.
    let alone = |pattern: &Pattern| texts.get(&(pattern.at.section, pattern.at.text.clone())) == Some(&1);
    let named = |pattern: &Pattern| !matches!(sample(pattern), Ok(None));
    let mut found = Vec::new();
    let own = |pattern: &Pattern| is_own(profile, &pattern.at);
    let covered = covered(profile, policy)?.into_iter();
    for (index, pattern) in covered.filter(own).filter(alone).filter(named).enumerate() {
        let by = if index < LISTED { by_whom(&pattern, profile, policy)? } else { None };
        let (word, at) = (pattern.at.section.word(), pattern.at.index);
        let what = match by {
            Some(by) => format!("{} grants all of it", profile.shown(&by)),
            None => "other rules grant all of it".to_owned(),
        };
        let problem = Problem::new(format!("{word}[{at}] `{}` adds nothing: {what}", pattern.at.text));
        found.push((place(word, at, None), problem.help("leave the rule out")));
    }
    limit(found, "rules that add nothing", remarks);
    Ok(())
}
