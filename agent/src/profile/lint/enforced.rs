//! What a profile may say and nothing judges.

use super::{Part, Remarks, place};
use crate::profile::problem::Problem;
use crate::profile::{ExecRule, List, Profile};

/// Remarks on both what this version does not judge and what none does.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) {
    not_in_force(profile, remarks);
    informational(profile, remarks);
}

/// One remark for each thing that is accepted and has no effect, at the first rule that has it.
fn not_in_force(profile: &Profile, remarks: &mut Remarks) {
    let mut say = |parts: Vec<Part>, what: &str, count: usize, meaning: &str| {
        let more = if count > 1 { format!(" ({count} rules have it)") } else { String::new() };
        let problem = Problem::new(format!("{what} is not enforced by this version{more}"));
        remarks.push(parts, problem.help(meaning.to_owned()));
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
    let pinned = |rule: &&ExecRule| !rule.sha256.is_empty();
    if let Some(first) = profile.exec.iter().position(|rule| pinned(&rule)) {
        let count = profile.exec.iter().filter(pinned).count();
        let meaning = "the rule grants the path, whatever the file holds";
        say(place(List::Exec.word(), first, Some("sha256")), "`sha256`", count, meaning);
    }
}

/// What a rule may say although nothing judges it, in this version or another.
fn informational(profile: &Profile, remarks: &mut Remarks) {
    if let Some(first) = profile.exec.iter().position(|rule| rule.args.is_some()) {
        let problem =
            Problem::new("`args` is for the reader only: a program may be started with any arguments");
        let help = "a process can change them between a check and their use, so no check of them could hold";
        remarks.push(place(List::Exec.word(), first, Some("args")), problem.help(help));
    }
}
