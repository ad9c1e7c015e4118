//! What is questionable in a profile that is well-formed.

use std::collections::HashMap;

use stockade_abi::OBJECT_MAX;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Mode;

use super::problem::Problem;
use super::{FileRule, Profile};
use crate::compile::glob::{self, Kind, Token};
use crate::compile::{RuleRef, Section, compile};

/// Accesses that a rule can name, and that no hook of this version judges.
const NOT_ENFORCED: AccessSet = access::DELETE | access::RENAME | access::LINK | access::ATTR;
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

/// Every remark on `profile`.
pub(super) fn lint(profile: &Profile) -> Vec<Remark> {
    let mut remarks = Vec::new();
    empty(profile, &mut remarks);
    not_enforced(profile, &mut remarks);
    pointless(profile, &mut remarks);
    twice(profile, &mut remarks);
    write_and_exec(profile, &mut remarks);
    remarks
}

fn section(section: Section) -> Vec<Part> {
    match section {
        Section::Exec => vec![Part::Name("exec")],
        Section::Files => vec![Part::Name("files")],
        Section::Peers => vec![Part::Name("peers")],
        Section::SessionExec => vec![Part::Name("sessions"), Part::Name("exec")],
        Section::SessionFiles => vec![Part::Name("sessions"), Part::Name("files")],
        Section::DenyExec => vec![Part::Name("deny"), Part::Name("exec")],
        Section::DenyFiles => vec![Part::Name("deny"), Part::Name("files")],
        Section::DenyPeers => vec![Part::Name("deny"), Part::Name("peers")],
    }
}

fn place(of: Section, index: usize, field: Option<&'static str>) -> Vec<Part> {
    let mut parts = section(of);
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

fn paths(profile: &Profile) -> Vec<(Section, usize, &str)> {
    let exec = profile.exec.iter().map(|rule| rule.path.as_str());
    let files = profile.files.iter().map(|rule| rule.path.as_str());
    let session_exec = profile.sessions.exec.iter().map(String::as_str);
    let session_files = profile.sessions.files.iter().map(|rule| rule.path.as_str());
    let number = |of: Section| move |(index, path)| (of, index, path);
    exec.enumerate()
        .map(number(Section::Exec))
        .chain(files.enumerate().map(number(Section::Files)))
        .chain(session_exec.enumerate().map(number(Section::SessionExec)))
        .chain(session_files.enumerate().map(number(Section::SessionFiles)))
        .collect()
}

/// Names that are symbolic links on every Linux system, so that no canonical path goes through them.
const LINKS: [(&str, &str); 9] = [
    ("/proc/self/exe", "the program's own path"),
    ("/proc/self/cwd", "the path it leads to"),
    ("/proc/self/root", "the path it leads to"),
    ("/proc/self/fd", "the path of the file that is open"),
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
        let Ok(flats) = glob::parse(path, Kind::Path) else { continue };
        let Some(reason) = pointless_path(of, &flats) else { continue };
        let field = match of {
            Section::Exec | Section::Files | Section::SessionFiles | Section::DenyFiles => Some("path"),
            Section::Peers | Section::SessionExec | Section::DenyExec | Section::DenyPeers => None,
        };
        found.push((place(of, index, field), reason));
    }
    limit(found, "rules that can never match", remarks);
}

fn pointless_path(of: Section, flats: &[glob::Flat]) -> Option<Problem> {
    let prefixes: Vec<Vec<u8>> = flats.iter().map(|flat| glob::literal_prefix(flat)).collect();
    let literal = flats.iter().all(|flat| flat.iter().all(|token| matches!(token, Token::Byte(_))));
    let under = |dir: &str, prefix: &[u8]| {
        prefix.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
    };
    if prefixes.iter().all(|prefix| prefix.len() > OBJECT_MAX) {
        return Some(Problem::new("the rule can never match: the path is longer than any that is judged"));
    }
    let exec = matches!(of, Section::Exec | Section::SessionExec);
    if exec && prefixes.iter().all(|prefix| under("/proc", prefix) || under("/sys", prefix)) {
        let problem = Problem::new("the rule can never match: nothing below /proc and /sys can be started");
        return Some(problem.help("write the path of the program itself"));
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

/// The same rule twice.
fn twice(profile: &Profile, remarks: &mut Vec<Remark>) {
    let mut seen: HashMap<(Section, String), usize> = HashMap::new();
    let peers =
        profile.peers.iter().enumerate().map(|(index, rule)| (Section::Peers, index, rule.to_string()));
    let rules = paths(profile).into_iter().map(|(of, index, path)| (of, index, path.to_owned()));
    let mut found = Vec::new();
    for (of, index, text) in rules.chain(peers) {
        let words = of.word();
        match seen.get(&(of, text.clone())) {
            Some(first) => {
                let problem = Problem::new(format!("{words}[{index}] repeats {words}[{first}], `{text}`"));
                found.push((place(of, index, None), problem.help("join the two rules into one")));
            }
            None => {
                seen.insert((of, text), index);
            }
        }
    }
    limit(found, "repeated rules", remarks);
}

/// Files that can be made or changed, and then started.
fn write_and_exec(profile: &Profile, remarks: &mut Vec<Remark>) {
    // What does not compile is an error of its own; here only its overlaps are of interest.
    let Ok(policy) = compile(profile, profile.mode) else { return };
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
    let found = pairs.into_iter().map(|(start, make)| {
        let problem = Problem::new(format!("what {make} lets a process write, {start} lets it start"));
        let help = "a process that is broken into could bring its own programs: keep the two apart";
        (place(make.section, make.index, None), problem.help(help))
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
