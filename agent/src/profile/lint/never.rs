//! Rules that can never match.

use std::collections::HashMap;

use stockade_abi::OBJECT_MAX;

use super::{Remarks, paths, place};
use crate::compare::{Pattern, denials, patterns, sample};
use crate::compile::glob::{self, Kind, Token};
use crate::profile::problem::Problem;
use crate::profile::{List, Profile};

/// Names that are symbolic links on every Linux system, so that no canonical path goes through them.
const LINKS: [(&str, &str); 8] = [
    ("/proc/self/exe", "the program's own path"),
    ("/proc/self/cwd", "the path it leads to"),
    ("/proc/self/root", "the path it leads to"),
    ("/proc/mounts", "/proc/self/mounts"),
    ("/proc/net", "/proc/self/net"),
    ("/dev/fd", "the path of the file that is open"),
    ("/dev/stdout", "the path of the file that is open"),
    ("/dev/stderr", "the path of the file that is open"),
];

/// Names that are devices on every Linux system, so that nothing is below them.
const DEVICES: [&str; 7] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];

/// Rules that match nothing.
pub(super) fn lint(profile: &Profile, remarks: &mut Remarks) {
    let mut found = Vec::new();
    let all = [patterns(profile), denials(profile)].concat();
    let all: HashMap<(&str, usize), &Pattern> =
        all.iter().map(|rule| ((rule.at.section.word(), rule.at.index), rule)).collect();
    for (of, index, path) in paths(profile) {
        // A programmatic profile may hold a glob that is none; compiling it reports that.
        let Ok(flats) = glob::parse(path, Kind::Path) else { continue };
        let Some(problem) = reason(of, &flats).or_else(|| nameless(&all, of, index)) else { continue };
        let field = match of {
            List::Exec | List::Files | List::DenyFiles | List::SessionFiles => Some("path"),
            List::DenyExec | List::SessionExec => None,
            List::Peers | List::Listen | List::DenyPeers => None,
            List::Capabilities | List::DenyCapabilities | List::SessionCapabilities => None,
            List::Facilities | List::DenyFacilities | List::SessionFacilities => None,
        };
        found.push((place(of.word(), index, field), problem));
    }
    remarks.add("rules that can never match", found);
}

fn reason(of: List, flats: &[glob::Flat]) -> Option<Problem> {
    let prefixes: Vec<Vec<u8>> = flats.iter().map(|flat| glob::literal_prefix(flat)).collect();
    let literal = flats.iter().all(|flat| flat.iter().all(|token| matches!(token, Token::Byte(_))));
    let under = |dir: &str, prefix: &[u8]| {
        prefix.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
    };
    if prefixes.iter().all(|prefix| prefix.len() > OBJECT_MAX) {
        return Some(Problem::new("the rule can never match: the path is longer than any that is judged"));
    }
    let exec = matches!(of, List::Exec | List::DenyExec | List::SessionExec);
    if exec && prefixes.iter().all(|prefix| under("/proc", prefix) || under("/sys", prefix)) {
        let problem = Problem::new("the rule can never match: nothing below /proc and /sys can be started");
        return Some(problem.help("write the path of the program itself"));
    }
    if prefixes.iter().all(|prefix| under("/proc/self/fd", prefix)) {
        let problem = Problem::new("the rule can never match: what /proc/self/fd holds are symbolic links");
        return Some(problem.help("paths are judged after links: write the path of the file that is open"));
    }
    let link = LINKS.iter().find(|(link, _)| {
        prefixes.iter().all(|prefix| under(link, prefix) || (literal && prefix == link.as_bytes()))
    });
    if let Some((link, instead)) = link {
        let problem = Problem::new(format!("the rule can never match: {link} is a symbolic link"));
        return Some(problem.help(format!("paths are judged after links: write {instead}")));
    }
    if let Some(device) = DEVICES.iter().find(|device| prefixes.iter().all(|prefix| under(device, prefix))) {
        return Some(Problem::new(format!("the rule can never match: {device} is no directory")));
    }
    let number = prefixes.iter().all(|prefix| {
        let rest = prefix.strip_prefix(b"/proc/").unwrap_or(b"");
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b'/')
    });
    number.then(|| {
        Problem::new("the rule names one process by its number, and never matches when that process opens its own entry")
            .help("write /proc/self/… for a process's own entries, /proc/*/… for those of all")
    })
}

/// For rules whose glob matches text, but no canonical path.
fn nameless(all: &HashMap<(&str, usize), &Pattern>, of: List, index: usize) -> Option<Problem> {
    let pattern = all.get(&(of.word(), index))?;
    // What does not compile is an error of its own.
    let none = matches!(sample(pattern), Ok(None));
    none.then(|| {
        Problem::new("the rule can never match: no canonical path looks like this").help(
            "no component of a canonical path is empty, `.` or `..`, and no path has more than 4095 bytes",
        )
    })
}
