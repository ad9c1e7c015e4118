//! What rules were made from, as remarks in a learned profile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Seen;
use super::glob::Origin;
use super::literal::Parted;
use crate::compile::Section;
use crate::profile::{PeerRule, PeerTarget, Profile};

/// Remarks by the list that a rule stands in and its position there.
pub(super) type Remarks = BTreeMap<(Section, usize), String>;

/// What rules for files were made from that is not told by what was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The packages behind globs.
    pub(super) packages: BTreeMap<String, Origin>,
    /// Rules in which a directory counts by another of its names, too, with that name.
    pub(super) aligned: BTreeMap<String, String>,
}

/// What each rule for several files or peers was made from.
pub(super) fn remarks(profile: &Profile, seen: &[Seen], evidence: &Evidence) -> Remarks {
    let covered = covered(profile, seen);
    let count = |section, at| covered.get(&(section, at)).copied().filter(|count| *count > 1);
    let files = profile.files.iter().enumerate().filter_map(|(at, rule)| {
        let own = match evidence.packages.get(&rule.path) {
            Some(Origin { package, files, seen }) => {
                let (package, s) = (one_line(package), if *files == 1 { "" } else { "s" });
                Some(format!("from {seen} of {files} file{s} of package {package}"))
            }
            None => count(Section::Files, at).map(|count| format!("from {count} files")),
        };
        let aligned = evidence.aligned.get(&rule.path);
        let aligned = aligned.map(|other| format!("the same below {}, which is renamed", one_line(other)));
        let remark: Vec<String> = own.into_iter().chain(aligned).collect();
        (!remark.is_empty()).then(|| ((Section::Files, at), remark.join("; ")))
    });
    let wide = profile.peers.iter().enumerate().filter(|(_, rule)| is_wide(rule));
    let peers = wide.filter_map(|(at, _)| {
        Some(((Section::Peers, at), format!("from {} peers", count(Section::Peers, at)?)))
    });
    files.chain(peers).collect()
}

/// Whether the rule may reach further than what it says one by one: an address with a list of ports.
fn is_wide(rule: &PeerRule) -> bool {
    let several = match &rule.to {
        PeerTarget::Net(network) => network.prefix_len() < network.max_prefix_len(),
        PeerTarget::Unix(_) | PeerTarget::Abstract(_) => true,
    };
    several || rule.ports.iter().any(|range| range.first < range.last)
}

/// How many of the objects that were seen each rule covers that may cover several.
fn covered(profile: &Profile, seen: &[Seen]) -> BTreeMap<(Section, usize), usize> {
    let mut objects: BTreeMap<(Section, usize), BTreeSet<&[u8]>> = BTreeMap::new();
    let parted = Parted::of(profile);
    // Without a table there is nothing to say.
    let Some(policy) = parted.policy() else { return BTreeMap::new() };
    for one in seen {
        let Some((object, _)) = one.question() else { continue };
        for (rule, _) in policy.matching(&object, false) {
            if let Some(at) = parted.position(rule) {
                objects.entry((rule.section, at)).or_default().insert(&one.object);
            }
        }
    }
    objects.into_iter().map(|(rule, objects)| (rule, objects.len())).collect()
}

/// The document with a remark at each rule that has one, behind what is in `out`.
pub(super) fn with_evidence(yaml: &str, remarks: &Remarks, out: &mut String) {
    out.reserve(yaml.len());
    let (mut section, mut rule) = (None, 0);
    for line in yaml.lines() {
        out.push_str(line);
        if line.starts_with("  ") && !line.starts_with("   ") {
            rule = 0;
            section = [("  files:", Section::Files), ("  peers:", Section::Peers)]
                .into_iter()
                .find_map(|(heading, section)| (line == heading).then_some(section));
        }
        if let Some(section) = section.filter(|_| line.starts_with("    - ")) {
            if let Some(remark) = remarks.get(&(section, rule)) {
                // Writing to a string cannot fail.
                let _ = write!(out, " # {remark}");
            }
            rule += 1;
        }
        out.push('\n');
    }
}

/// A name must not end its comment: readers of YAML may take the separators of Unicode for the end of a line, too.
pub(super) fn one_line(text: &str) -> String {
    let ends = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().flat_map(|c| if ends(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{AccessSet, CONNECT, CREATE, READ, RENAME, WRITE};
    use stockade_abi::peer;
    use stockade_abi::reason::{Mode, Operation};

    use super::super::export::export;
    use super::super::how::How;
    use super::*;
    use crate::image::Packages;
    use crate::profile::{self, FileRule};

    fn seen(operation: Operation, access: AccessSet, object: Vec<u8>) -> Seen {
        Seen::bare(operation, access, object)
    }

    fn file(path: &[u8]) -> Seen {
        seen(Operation::File, READ, path.to_vec())
    }

    #[test]
    fn a_rule_says_what_it_was_made_from() {
        let seen: Vec<Seen> = (1..=12).map(|n| file(format!("/srv/part{n}.dat").as_bytes())).collect();
        let mut current = Profile::new("web", Mode::Learn);
        current.sessions.files.push(FileRule::new("/srv/part*.dat", READ));
        current.files.push(FileRule::new("/one: #", READ));
        let export = export("web", Mode::Enforce, Some(&current), &seen, None, How::default());
        assert_eq!(export.yaml.matches("# from").count(), 1, "{}", export.yaml);
        assert!(export.yaml.contains(" # from 12 files\n      access: [read]"), "{}", export.yaml);
        assert_eq!(profile::parse("export", &export.yaml).unwrap().profile, export.profile);
    }

    #[test]
    fn a_rule_says_that_its_directory_has_two_names() {
        let made = CREATE | WRITE;
        let all = [
            ("/srv/wal.tmp", CREATE | RENAME),
            ("/srv/wal.tmp/0", made),
            ("/srv/wal", CREATE),
            ("/srv/wal/1", made),
        ];
        let seen: Vec<Seen> = all
            .iter()
            .map(|(path, access)| seen(Operation::File, *access, path.as_bytes().to_vec()))
            .collect();
        let export = export("db", Mode::Enforce, None, &seen, None, How::default());
        for (path, other) in [("wal.tmp/1", "wal"), ("wal/0", "wal.tmp")] {
            let rule = format!("- path: /srv/{path} # the same below /srv/{other}, which is renamed\n");
            assert!(export.yaml.contains(&rule), "{}", export.yaml);
        }
        assert_eq!(export.yaml.matches(" # ").count(), 2, "{}", export.yaml);
    }

    #[test]
    fn a_rule_says_which_package_it_stands_for() {
        let zones: Vec<String> = (0..40).map(|n| format!("/usr/share/zoneinfo/Area/Zone{n}")).collect();
        let files: Vec<_> = zones.iter().map(|zone| (zone.as_str(), Some("tzdata\u{85}\u{2028}x"))).collect();
        let packages = Packages::of(&files);
        let seen: Vec<Seen> = zones[..9].iter().map(|zone| file(zone.as_bytes())).collect();
        let how = How { packages: Some(&packages), ..How::default() };
        let export = export("web", Mode::Enforce, None, &seen, None, how);
        let remark = "{,/**}\" # from 9 of 40 files of package tzdata\\u{85}\\u{2028}x\n      access: [read]";
        assert!(export.yaml.contains(remark), "{}", export.yaml);
        assert_eq!(profile::parse("export", &export.yaml).unwrap().profile, export.profile);
    }

    #[test]
    fn a_rule_for_sockets_says_how_many_there_were() {
        let to = |name: &str| seen(Operation::Connect, CONNECT, name.as_bytes().to_vec());
        let all: Vec<Seen> =
            (1..=4).map(|n| to(&format!("u/run/app/{n}.sock"))).chain([to("u/run/log")]).collect();
        let export = export("app", Mode::Enforce, None, &all, None, How::default());
        let rules = "    - to: \"unix:/run/app/[0-9]*.sock\" # from 4 peers\n    - to: unix:/run/log\n";
        assert!(export.yaml.contains(rules), "{}", export.yaml);
        assert_eq!(profile::parse("export", &export.yaml).unwrap().profile, export.profile);
    }

    #[test]
    fn a_rule_for_clients_says_how_many_there_were() {
        let to = |port: u16| {
            let object = [&[peer::V4, peer::UDP, 10, 0, 0, 1][..], &port.to_be_bytes()].concat();
            seen(Operation::Connect, CONNECT, object)
        };
        let mut all: Vec<Seen> = (0..5).map(|n| to(5000 + 100 * n)).chain([to(53)]).collect();
        all.push(seen(Operation::Listen, 0, [&[b'l', peer::UDP][..], &53_u16.to_be_bytes()].concat()));
        let export = export("dns", Mode::Enforce, None, &all, None, How::default());
        let rule = "    - to: 10.0.0.1 # from 6 peers\n      ports: [53, 1024-65535]\n";
        assert!(export.yaml.contains(rule), "{}", export.yaml);
        assert_eq!(profile::parse("export", &export.yaml).unwrap().profile, export.profile);
    }
}
