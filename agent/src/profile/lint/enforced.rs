//! What a profile may say and nothing judges.

use super::{Part, Remarks, place};
use crate::profile::problem::Problem;
use crate::profile::{List, Profile};

/// Remarks on both what this version does not judge and what none does.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) {
    not_in_force(profile, remarks);
    informational(profile, remarks);
}

/// One remark for each thing that is accepted and has no effect, at the first rule that has it.
fn not_in_force(profile: &Profile, remarks: &mut Remarks) {
    let matches = [
        ("images", !profile.matches.images.is_empty()),
        ("labels", !profile.matches.labels.is_empty()),
        ("containers", !profile.matches.containers.is_empty()),
    ];
    for (name, _) in matches.into_iter().filter(|(_, there)| *there) {
        let help = "bind the profile with the annotation stockade.dev/profile, or with `stockade run`";
        let problem = Problem::new(format!("match.{name} is not enforced by this version"));
        remarks.push(vec![Part::Name("match"), Part::Name(name)], problem.help(help));
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
