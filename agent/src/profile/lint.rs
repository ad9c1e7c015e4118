//! What is questionable in a profile that is well-formed.

use std::collections::HashMap;

use stockade_abi::OBJECT_MAX;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Mode;

use super::problem::Problem;
use super::{ExecRule, FileRule, INCLUDE, Kind, List, PeerRule, Profile};
use crate::compile::glob::{self, Token};
use crate::compile::{RuleRef, compile};

/// Findings of one kind that are listed; the rest is counted.
const LISTED: usize = 20;

/// What a finding is about, as names and positions from `spec` down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name(&'static str),
    Item(usize),
}

/// Where, and what.
pub(super) type Remark = (Vec<Part>, Problem);

/// Every remark on `profile`. What concerns nothing but rule sets that it includes is theirs to answer for.
pub(super) fn lint(profile: &Profile, kind: Kind) -> Vec<Remark> {
    let mut remarks = Vec::new();
    match kind {
        Kind::Profile => empty(profile, &mut remarks),
        Kind::RuleSet => {}
    }
    let own = profile.own();
    not_enforced(&own, &mut remarks);
    informational(&own, &mut remarks);
    pointless(&own, &mut remarks);
    twice(profile, &mut remarks);
    write_and_exec(profile, &mut remarks);
    remarks
}

fn place(list: List, index: usize, field: Option<&'static str>) -> Vec<Part> {
    let mut parts: Vec<Part> = list.way().map(Part::Name).collect();
    parts.push(Part::Item(index));
    parts.extend(field.map(Part::Name));
    parts
}

fn empty(profile: &Profile, remarks: &mut Vec<Remark>) {
    if profile.exec.is_empty()
        && profile.files.is_empty()
        && profile.peers.is_empty()
        && profile.mode == Mode::Enforce
    {
        let problem = Problem::new("the profile has no rules, and under enforce it denies everything");
        remarks.push((vec![], problem.help("add rules, or let `mode: learn` collect them")));
    }
}

/// One remark for each thing that is accepted and has no effect, at the first rule that has it.
fn not_enforced(profile: &Profile, remarks: &mut Vec<Remark>) {
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
    let pinned = |rule: &&ExecRule| !rule.sha256.is_empty();
    if let Some(first) = profile.exec.iter().position(|rule| pinned(&rule)) {
        let count = profile.exec.iter().filter(pinned).count();
        let meaning = "the rule grants the path, whatever the file holds";
        say(place(List::Exec, first, Some("sha256")), "`sha256`", count, meaning);
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

/// What a rule may say although nothing judges it, in this version or another.
fn informational(profile: &Profile, remarks: &mut Vec<Remark>) {
    if let Some(first) = profile.exec.iter().position(|rule| rule.args.is_some()) {
        let problem =
            Problem::new("`args` is for the reader only: a program may be started with any arguments");
        let help = "a process can change them between a check and their use, so no check of them could hold";
        remarks.push((place(List::Exec, first, Some("args")), problem.help(help)));
    }
}

/// Every rule about paths.
fn paths(profile: &Profile) -> Vec<(List, usize, &str)> {
    fn numbered<'a>(
        list: List,
        paths: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = (List, usize, &'a str)> {
        paths.enumerate().map(move |(index, path)| (list, index, path))
    }
    fn files(rules: &[FileRule]) -> impl Iterator<Item = &str> {
        rules.iter().map(|rule| rule.path.as_str())
    }
    numbered(List::Exec, profile.exec.iter().map(|rule| rule.path.as_str()))
        .chain(numbered(List::Files, files(&profile.files)))
        .chain(numbered(List::DenyExec, profile.deny.exec.iter().map(String::as_str)))
        .chain(numbered(List::DenyFiles, files(&profile.deny.files)))
        .chain(numbered(List::SessionExec, profile.sessions.exec.iter().map(String::as_str)))
        .chain(numbered(List::SessionFiles, files(&profile.sessions.files)))
        .collect()
}

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

/// Rules that match nothing.
fn pointless(profile: &Profile, remarks: &mut Vec<Remark>) {
    let mut found = Vec::new();
    for (of, index, path) in paths(profile) {
        // A programmatic profile may hold a glob that is none; compiling it reports that.
        let Ok(flats) = glob::parse(path, glob::Kind::Path) else { continue };
        let Some(reason) = pointless_path(of, &flats) else { continue };
        let field = match of {
            List::Exec | List::Files | List::DenyFiles | List::SessionFiles => Some("path"),
            List::DenyExec | List::SessionExec => None,
            List::Peers | List::Listen | List::Capabilities | List::DenyPeers => None,
        };
        found.push((place(of, index, field), reason));
    }
    limit(found, "rules that can never match", remarks);
}

fn pointless_path(of: List, flats: &[glob::Flat]) -> Option<Problem> {
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

/// The same rule twice: of the profile's own, or once in a rule set. That two rule sets share a rule is
/// nobody's fault.
fn twice(profile: &Profile, remarks: &mut Vec<Remark>) {
    let peers = |list, rules: &[PeerRule]| -> Vec<(List, usize, String)> {
        rules.iter().enumerate().map(|(index, rule)| (list, index, rule.to_string())).collect()
    };
    let rules = paths(profile)
        .into_iter()
        .map(|(list, index, path)| (list, index, path.to_owned()))
        .chain(peers(List::Peers, &profile.peers))
        .chain(peers(List::DenyPeers, &profile.deny.peers));
    let mut seen: HashMap<(List, String), usize> = HashMap::new();
    let mut found = Vec::new();
    for (list, index, text) in rules {
        let words = list.word();
        let Some(first) = seen.get(&(list, text.clone())).copied() else {
            seen.insert((list, text), index);
            continue;
        };
        // The profile's own rules come before those of rule sets.
        if profile.origin(words, first).is_some() {
            continue;
        }
        match profile.origin(words, index) {
            None => {
                let problem = Problem::new(format!("{words}[{index}] repeats {words}[{first}], `{text}`"));
                found.push((place(list, index, None), problem.help("join the two rules into one")));
            }
            Some((set, at)) if covers(profile, list, index, first) => {
                let problem = Problem::new(format!("{words}[{first}] repeats {set}:{words}[{at}], `{text}`"));
                found.push((place(list, first, None), problem.help("leave it out: the rule set has it")));
            }
            Some(_) => {}
        }
    }
    limit(found, "repeated rules", remarks);
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
        List::Peers | List::Listen | List::Capabilities => true,
        List::DenyExec | List::DenyPeers | List::SessionExec => true,
    }
}

/// Files that can be made or changed, and then started.
fn write_and_exec(profile: &Profile, remarks: &mut Vec<Remark>) {
    // What does not compile is an error of its own; here only its overlaps are of interest.
    let Ok(policy) = compile(profile, profile.mode, 0) else { return };
    const MAKE: AccessSet = access::WRITE | access::APPEND | access::CREATE;
    let mut pairs: Vec<(&RuleRef, &RuleRef)> = Vec::new();
    for rules in policy.overlaps() {
        for (start, _) in rules.iter().filter(|(_, access)| access & access::EXEC != 0) {
            for (make, _) in rules.iter().filter(|(_, access)| access & MAKE != 0) {
                if !pairs.contains(&(start, make)) && pairs.len() <= 2 * LISTED {
                    pairs.push((start, make));
                }
            }
        }
    }
    pairs.sort_by_key(|(start, make)| (make.section, make.index, start.section, start.index));
    let found = pairs.into_iter().filter_map(|(start, make)| {
        let (start_shown, make_shown) = (profile.shown(start), profile.shown(make));
        let problem =
            Problem::new(format!("what {make_shown} lets a process write, {start_shown} lets it start"));
        let help = "a process that is broken into could bring its own programs: keep the two apart";
        // At the rule that stands in this text; when neither does, where they come together.
        let own = |rule: &&RuleRef| profile.origin(rule.section.word(), rule.index).is_none();
        let parts = match [make, start].into_iter().find(own) {
            Some(rule) => place(List::from_word(rule.section.word())?, rule.index, None),
            None => vec![Part::Name(INCLUDE)],
        };
        Some((parts, problem.help(help)))
    });
    limit(found.collect(), "pairs of rules to write and start the same file", remarks);
}

fn limit(mut found: Vec<Remark>, what: &str, remarks: &mut Vec<Remark>) {
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    remarks.extend(found);
    if more > 0 {
        remarks.push((vec![], Problem::new(format!("and {more} more {what}"))));
    }
}
