//! Rules that grant nothing beyond the others, and deny rules that deny nothing beyond the others.

use std::collections::HashMap;

use super::{Remarks, is_own, place};
use crate::compare::{Pattern, Rules, denials, patterns, sample};
use crate::compile::{CompileError, Section};
use crate::profile::Profile;
use crate::profile::problem::Problem;

/// Rules of which is said which other one does the same: it takes a look at each.
const NAMED: usize = 100;

/// Rules that can go without a change to what the profile means.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) -> Result<(), CompileError> {
    let mut found = Vec::new();
    for (all, [does, do_]) in
        [(patterns(profile), ["grants", "grant"]), (denials(profile), ["denies", "deny"])]
    {
        let mut texts: HashMap<(Section, &str), usize> = HashMap::new();
        for rule in &all {
            let count: &mut usize = texts.entry((rule.at.section, &rule.at.text)).or_default();
            *count = count.saturating_add(1);
        }
        // Rules that stand twice were said already, and so were those that match nothing.
        let alone = |rule: &Pattern| texts.get(&(rule.at.section, rule.at.text.as_str())) == Some(&1);
        let named = |rule: &Pattern| !matches!(sample(rule), Ok(None));
        let rules = Rules::new(&all)?;
        for index in rules.covered()? {
            let rule = &all[index];
            if !is_own(profile, &rule.at) || !alone(rule) || !named(rule) {
                continue;
            }
            let by = if found.len() < NAMED { rules.by_whom(index)? } else { None };
            let (word, at) = (rule.at.section.word(), rule.at.index);
            let what = match by {
                Some(by) => format!("{} {does} all of it", profile.shown(&by.at)),
                None => format!("other rules {do_} all of it"),
            };
            let problem = Problem::new(format!("{word}[{at}] `{}` adds nothing: {what}", rule.at.text));
            found.push((place(word, at, None), problem.help("leave the rule out")));
        }
    }
    remarks.add("rules that add nothing", found);
    Ok(())
}
