//! A profile from what was learned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use stockade_abi::reason::{Mode, Verdict};

use super::Seen;
use super::generalise::{Refused, Rules, generalise};
use super::how::How;
use super::made_code::{Alike, MadeCode};
use super::remarks::{Evidence, one_line, remarks, with_evidence};
use super::store::BaselineStatus;
use crate::clock;
use crate::compile::{Power, compile, powers};
use crate::profile::{FileRule, ListenRule, PeerRule, PortRange, Profile};

/// A profile, ready to be printed.
#[derive(Clone, Debug)]
pub struct Export {
    /// The YAML document with its header. What the profile includes is named there, not written out.
    pub yaml: String,
    /// The profile, with the rules that it includes.
    pub profile: Profile,
    /// What no rule can name.
    pub refused: Vec<Refused>,
    /// Facilities that were used and that the profile does not grant.
    pub facilities: Vec<Power>,
    /// Code that the container made, and about which the profile says nothing.
    pub made_code: MadeCode,
}

/// What a profile from a baseline would be, before it is a document.
pub(super) struct Proposal {
    pub(super) profile: Profile,
    pub(super) refused: Vec<Refused>,
    pub(super) facilities: Vec<Power>,
    pub(super) made_code: MadeCode,
    evidence: Evidence,
}

/// Joins what `current` allows with what was seen, under `mode`.
pub(super) fn propose(
    name: &str,
    mode: Mode,
    current: Option<&Profile>,
    seen: &[Seen],
    how: How<'_>,
) -> Proposal {
    let mut rules = generalise(without_included(current, seen), how);
    let (refused, evidence) = (std::mem::take(&mut rules.refused), std::mem::take(&mut rules.evidence));
    let facilities_seen = std::mem::take(&mut rules.facilities);
    let made_code = std::mem::take(&mut rules.made_code);
    let profile = join(name, mode, current, rules);
    let facilities = not_granted(&profile, &facilities_seen);
    let made_code = made_code.undecided(&profile);
    Proposal { profile, refused, facilities, made_code, evidence }
}

/// The same as a document.
pub fn export(
    name: &str,
    mode: Mode,
    current: Option<&Profile>,
    seen: &[Seen],
    baseline: Option<&BaselineStatus>,
    how: How<'_>,
) -> Export {
    let Proposal { profile, refused, facilities, made_code, evidence } =
        propose(name, mode, current, seen, how);
    let mut yaml = header(name, seen.len(), baseline, &refused);
    name_facilities(&mut yaml, &facilities);
    name_made_code(&mut yaml, &made_code);
    with_evidence(&profile.to_yaml(), &remarks(&profile, seen, &evidence), &mut yaml);
    Export { yaml, profile, refused, facilities, made_code }
}

/// What was seen, but for what the rule sets that the profile includes allow already.
fn without_included<'a>(current: Option<&Profile>, seen: &'a [Seen]) -> Vec<&'a Seen> {
    let included = current.filter(|current| !current.origins.is_empty()).map(Profile::included);
    // Without a table, each is listed: too much rather than too little.
    let policy = included.and_then(|included| compile(&included, Mode::Enforce).ok());
    let allowed = |one: &Seen| {
        let Some(policy) = &policy else { return false };
        if let Some(power) = one.power() {
            let rule = policy.decide_power(power, false).rule;
            return rule.is_some_and(|rule| !rule.denies());
        }
        let Some((object, access)) = one.question() else { return false };
        policy.decide(&object, access, false).verdict == Verdict::Allowed
    };
    seen.iter().filter(|one| !allowed(one)).collect()
}

fn join(name: &str, mode: Mode, current: Option<&Profile>, rules: Rules) -> Profile {
    let mut profile = current.cloned().unwrap_or_else(|| Profile::new(name, mode));
    profile.mode = mode;
    // What came out of a rule set is not this profile's to change.
    profile.change_own(|own| {
        let known: BTreeSet<String> = own.exec.iter().map(|rule| rule.path.clone()).collect();
        own.exec.extend(rules.exec.into_iter().filter(|rule| !known.contains(&rule.path)));
        add_files(&mut own.files, rules.files);
        for rule in rules.peers {
            add_peer(&mut own.peers, rule);
        }
        for rule in rules.listen {
            add_listen(&mut own.listen, rule);
        }
        for capability in rules.capabilities.iter().map(|power| power.word()) {
            if !own.capabilities.contains(&capability) {
                own.capabilities.push(capability);
            }
        }
    });
    profile
}

/// There may be very many.
fn add_files(files: &mut Vec<FileRule>, rules: Vec<FileRule>) {
    let known: BTreeMap<String, usize> =
        files.iter().enumerate().rev().map(|(at, rule)| (rule.path.clone(), at)).collect();
    for rule in rules {
        match known.get(&rule.path).and_then(|at| files.get_mut(*at)) {
            Some(known) => known.access |= rule.access,
            None => files.push(rule),
        }
    }
}

fn add_peer(peers: &mut Vec<PeerRule>, rule: PeerRule) {
    let same = |known: &&mut PeerRule| known.to == rule.to && known.protocol == rule.protocol;
    match peers.iter_mut().find(same) {
        // No ports means every port.
        Some(known) if known.ports.is_empty() => {}
        Some(known) if rule.ports.is_empty() => known.ports.clear(),
        Some(known) => add_ports(&mut known.ports, rule.ports),
        None => peers.push(rule),
    }
}

fn add_listen(listen: &mut Vec<ListenRule>, rule: ListenRule) {
    match listen.iter_mut().find(|known| known.protocol == rule.protocol) {
        Some(known) => add_ports(&mut known.ports, rule.ports),
        None => listen.push(rule),
    }
}

fn add_ports(known: &mut Vec<PortRange>, more: Vec<PortRange>) {
    let inside = |range: &PortRange, of: &PortRange| of.first <= range.first && range.last <= of.last;
    for range in more {
        if !known.iter().any(|have| inside(&range, have)) {
            known.retain(|have| !inside(have, &range));
            known.push(range);
        }
    }
    known.sort();
}

fn header(name: &str, seen: usize, baseline: Option<&BaselineStatus>, refused: &[Refused]) -> String {
    let mut header = format!("# Profile {name}, from {seen} observations");
    let sessions = baseline.map_or(0, |baseline| baseline.session_observations);
    if sessions > 0 {
        let _ = write!(header, " ({sessions} of sessions left out)");
    }
    header.push('\n');
    if let Some((since, reason)) = baseline.and_then(|baseline| {
        Some((baseline.incomplete_since?, baseline.incomplete_reason.as_deref().unwrap_or("unknown")))
    }) {
        let since = clock::rfc3339(i128::from(since) * 1_000_000_000);
        let since = since.get(..19).unwrap_or(&since);
        let _ = writeln!(
            header,
            "# INCOMPLETE since {since}Z: {reason}. Something that was done is missing here."
        );
    }
    for one in refused {
        let _ = writeln!(header, "# left out: {}: {}", one_line(&one.object), one.why);
    }
    header
}

/// Facilities that were used and that the profile does not grant. Learning never grants one: what they let a
/// process do reaches beyond everything else that a profile says.
fn not_granted(profile: &Profile, seen: &BTreeSet<Power>) -> Vec<Power> {
    let powers = powers(profile);
    seen.iter().filter(|power| !power.granted(&powers, false)).copied().collect()
}

fn name_made_code(header: &mut String, made_code: &MadeCode) {
    for Alike { glob, files, started } in made_code.alike() {
        let glob = one_line(&glob);
        let _ = match (started, files) {
            (true, 1) => writeln!(
                header,
                "# {glob} was started, does not come from the image, and is denied: a person has to grant it, by from: any"
            ),
            (true, _) => writeln!(
                header,
                "# {glob}: {files} programs were started, do not come from the image, and are denied: a person has to \
                 grant them, by from: any"
            ),
            (false, _) => writeln!(
                header,
                "# {glob}: {files} files were made and mapped as code, which is denied for others like them: a person \
                 has to grant it, by access: [map]"
            ),
        };
    }
}

fn name_facilities(header: &mut String, facilities: &[Power]) {
    for power in facilities {
        let word = power.word();
        let _ = writeln!(
            header,
            "# facility {word} was used and is denied: a person has to grant it, by facilities: [{word}]"
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::profile;
    use stockade_abi::access::{CREATE, READ};
    use stockade_abi::reason::Operation;

    use super::*;

    fn file(path: &[u8]) -> Seen {
        Seen::bare(Operation::File, READ, path)
    }

    #[test]
    fn keeps_what_is_and_adds_what_was_seen() {
        let mut current = Profile::new("web", Mode::Learn);
        current.files.push(FileRule::new("/a", CREATE));
        let baseline = BaselineStatus {
            profile: "web".to_owned(),
            observations: 2,
            session_observations: 1,
            incomplete_since: Some(0),
            incomplete_reason: Some("3 events lost".to_owned()),
        };
        let seen = [file(b"/a"), file(b"/b"), file(b"/x\n\xff")];
        let export = export("web", Mode::Enforce, Some(&current), &seen, Some(&baseline), How::default());
        let parsed = profile::parse("export", &export.yaml).unwrap().profile;
        assert_eq!(parsed.mode, Mode::Enforce);
        assert_eq!(parsed.files, [FileRule::new("/a", READ | CREATE), FileRule::new("/b", READ)]);
        let header: Vec<&str> = export.yaml.lines().take_while(|line| line.starts_with('#')).collect();
        assert_eq!(
            header,
            [
                "# Profile web, from 3 observations (1 of sessions left out)",
                "# INCOMPLETE since 1970-01-01T00:00:00Z: 3 events lost. Something that was done is missing here.",
                r"# left out: /x\n\xff: the name is not UTF-8",
            ]
        );
    }

    #[test]
    fn what_rule_sets_allow_is_not_repeated() {
        let text = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: learn\n  \
                    include: [shell, own]\n---\napiVersion: stockade.dev/v1alpha1\nkind: RuleSet\n\
                    metadata: { name: own }\nspec:\n  files:\n    - { path: /own, access: [write] }\n";
        let current = profile::parse("p.yaml", text).unwrap().profile;
        let exec = |path: &[u8]| Seen { operation: Operation::Exec, ..file(path) };
        let seen =
            [file(b"/etc/passwd"), file(b"/etc/shadow"), exec(b"/bin/sh"), exec(b"/bin/x"), file(b"/own")];
        let export = export("web", Mode::Enforce, Some(&current), &seen, None, How::default());
        assert!(export.yaml.contains("\n  include: [shell, own]\n"), "{}", export.yaml);
        assert!(!export.yaml.contains("/etc/passwd") && !export.yaml.contains("/bin/sh"), "{}", export.yaml);
        let parsed = profile::parse("export", &export.profile.standalone(&export.yaml)).unwrap().profile;
        assert_eq!(parsed, export.profile);
        assert_eq!(parsed.exec[0].path, "/bin/x");
        // The rule of the set stays what it is; what was seen beyond it is the profile's own.
        assert_eq!(parsed.files[..2], [FileRule::new("/etc/shadow", READ), FileRule::new("/own", READ)]);
    }

    #[test]
    fn capabilities_become_rules_and_facilities_remarks() {
        let power = |operation, name: &[u8]| Seen { operation, access: 0, ..file(name) };
        let seen = [
            power(Operation::Capability, b"chown"),
            power(Operation::Capability, b"63"),
            power(Operation::Facility, b"mount"),
            power(Operation::Facility, b"io_uring"),
        ];
        let export = export("web", Mode::Enforce, None, &seen, None, How::default());
        assert_eq!(export.profile.capabilities, ["chown"]);
        assert_eq!(export.profile.facilities, []);
        let remarks: Vec<&str> = export.yaml.lines().filter(|line| line.starts_with("# ")).skip(1).collect();
        assert_eq!(
            remarks,
            [
                "# left out: 63: this version has no name for it",
                "# facility mount was used and is denied: a person has to grant it, by facilities: [mount]",
            ]
        );
    }

    #[test]
    fn ports_are_joined() {
        let target = profile::PeerTarget::Net("10.0.0.1/32".parse().unwrap());
        let rule = |ports: &[u16]| PeerRule {
            ports: ports.iter().map(|port| PortRange::one(*port)).collect(),
            ..PeerRule::new(target.clone())
        };
        let mut peers = vec![rule(&[443])];
        add_peer(&mut peers, rule(&[80, 443]));
        assert_eq!(peers, [rule(&[80, 443])]);
        let wide = PortRange { first: 81, last: 500 };
        add_peer(&mut peers, PeerRule { ports: vec![wide], ..rule(&[]) });
        assert_eq!(peers, [PeerRule { ports: vec![PortRange::one(80), wide], ..rule(&[]) }]);
        add_peer(&mut peers, rule(&[]));
        assert_eq!(peers, [rule(&[])]);
        add_peer(&mut peers, rule(&[1]));
        assert_eq!(peers, [rule(&[])]);
    }
}
