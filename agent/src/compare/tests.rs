//! Comparing, against asking every short name.

use std::fmt::Write as _;

use stockade_abi::access::{CONNECT, CREATE, EXEC, MAP, READ, WRITE};
use stockade_abi::facility::Facility;
use stockade_abi::reason::Mode;

use super::cover::{Rules, without_covered};
use super::pattern::{patterns, subset};
use super::{Change, Difference, Who, compare, merge, word_changes};
use crate::compile::{Object, compile};
use crate::profile::{ExecRule, FileRule, PeerRule, Profile, parse_target};
use crate::testing::Xorshift;

/// Pseudo-random choices, the same in each run.
pub(super) struct Random(Xorshift);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xorshift::scattered(seed))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn glob(&mut self) -> String {
        let mut glob = String::new();
        for _ in 0..=self.below(3) {
            let part = ["a", "b", "*", "**", "?", "[ab]", "{a,b}", "a*", "{a,b/a}", "*b", "[!a]", "[.]"]
                [self.below(12)];
            write!(glob, "/{part}").unwrap();
        }
        glob
    }

    /// Few names and many overlaps.
    pub(super) fn profile(&mut self) -> Profile {
        let mut profile = Profile::new("test", Mode::Enforce);
        let access = |random: &mut Self| [READ, WRITE, READ | WRITE, CREATE, READ | MAP][random.below(5)];
        for _ in 0..self.below(5) {
            let access = access(self);
            profile.files.push(FileRule::new(self.glob(), access));
        }
        for _ in 0..self.below(3) {
            profile.exec.push(ExecRule::new(self.glob()));
        }
        for _ in 0..self.below(3) {
            let net = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "unix:/a/*", "unix:/a/b", "unix:@a*"]
                [self.below(6)];
            profile.peers.push(PeerRule::new(parse_target(net).unwrap()));
        }
        if self.below(3) == 0 {
            let access = access(self);
            profile.sessions.files.push(FileRule::new(self.glob(), access));
            profile.sessions.exec.push(self.glob());
        }
        profile
    }
}

/// Every path of up to three of these names.
pub(super) fn names() -> Vec<String> {
    let parts = ["a", "b", "c", "ab", ".a", "..."];
    let mut paths = vec!["/".to_owned()];
    let mut level = vec![String::new()];
    for _ in 0..3 {
        level = level.iter().flat_map(|dir| parts.map(|part| format!("{dir}/{part}"))).collect();
        paths.extend(level.iter().cloned());
    }
    paths
}

fn peers() -> Vec<Vec<u8>> {
    vec![
        b"4\x06\x0a\x01\0\x01\x01\xbb".to_vec(),
        b"4\x11\x0a\x02\0\x01\x01\xbb".to_vec(),
        b"4\x11\x0b\x02\0\x01\0\x01".to_vec(),
        b"u/a/b".to_vec(),
        b"u/a/c".to_vec(),
        b"aa".to_vec(),
        b"aab".to_vec(),
    ]
}

/// Accesses that `b` grants to one of the names and `a` does not: to the container, to sessions.
pub(super) fn gained(a: &Profile, b: &Profile) -> [u32; 2] {
    let [a, b] = [a, b].map(|profile| compile(profile, Mode::Enforce).unwrap());
    let mut gained = [0; 2];
    let (paths, peers) = (names(), peers());
    let paths = paths.iter().map(|path| (Object::Path(path.as_bytes()), READ | WRITE | CREATE | MAP | EXEC));
    for (object, all) in paths.chain(peers.iter().map(|peer| (Object::Peer(peer), CONNECT))) {
        for (session, gained) in [false, true].into_iter().zip(&mut gained) {
            let of = |policy: &crate::compile::Policy| all & !policy.decide(&object, all, session).missing;
            *gained |= of(&b) & !of(&a);
        }
    }
    gained
}

fn files(rules: &[(&str, u32)]) -> Profile {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files = rules.iter().map(|(path, access)| FileRule::new(*path, *access)).collect();
    profile
}

fn diff(a: &Profile, b: &Profile) -> Vec<String> {
    let sign = |change| if change == Change::Added { '+' } else { '-' };
    let line = |one: &Difference| {
        format!(
            "{} {} {} {}",
            sign(one.change),
            one.rule.text,
            one.example,
            if one.only_session { "session" } else { "" }
        )
        .trim_end()
        .to_owned()
    };
    compare(a, b, Who::All).unwrap().iter().map(line).collect()
}

#[test]
fn other_words_are_no_difference() {
    for (a, b) in [
        (&["/a/{b,c}"][..], &["/a/b", "/a/c"][..]),
        (&["/x/**"], &["/x/**", "/x/y"]),
        (&["/x/**"], &["/x/*", "/x/*/**"]),
        (&["/x/**"], &["/x/?*", "/x/**/*"]),
        (&["/a/[.]", "/a/b"], &["/a/b"]),
        (&["/proc/self/task/?/x"], &["/proc/self/task/?/x", "/proc/thread-self/x"]),
        (&["/proc/*/maps", "/proc/self/maps"], &["/proc/*/maps"]),
    ] {
        let [a, b] = [a, b].map(|globs| files(&globs.iter().map(|glob| (*glob, READ)).collect::<Vec<_>>()));
        assert_eq!(diff(&a, &b), [""; 0]);
    }
}

#[test]
fn examples_are_names_that_people_write() {
    for (a, b, example) in [
        ("/var/log/*.log", "/var/log/**", "+ /var/log/** /var/log/a"),
        ("/none", "/var/log/*.log", "+ /var/log/*.log /var/log/a.log"),
        ("/none", "/**", "+ /** /a"),
        (
            "/{none,proc/self/maps}",
            "/proc/self/{maps,status}",
            "+ /proc/self/{maps,status} /proc/self/status",
        ),
        ("/none", "/proc/thread-self/comm", "+ /proc/thread-self/comm /proc/thread-self/comm"),
        ("/none", "/dev/[0-9]", "+ /dev/[0-9] /dev/0"),
        ("/none", "/a/\\xff", "+ /a/\\xff /a/\\xff"),
        ("/none", "/a/é*", "+ /a/é* /a/é"),
    ] {
        let found = diff(&files(&[(a, READ)]), &files(&[(b, READ)]));
        assert_eq!(found[0], example);
    }
    let peer = |text: &str| {
        let mut profile = Profile::new("test", Mode::Enforce);
        profile.peers = vec![PeerRule::new(parse_target(text).unwrap())];
        profile
    };
    for (a, b, example) in [
        ("10.1.0.0/16", "10.0.0.0/8", "+ 10.0.0.0/8 10.0.0.1:443/tcp"),
        ("10.1.0.0/16", "fd00::/8", "+ fd00::/8 [fd00::1]:443/tcp"),
        ("10.1.0.0/16", "unix:/run/*.sock", "+ unix:/run/*.sock unix:/run/a.sock"),
        ("10.1.0.0/16", "unix:@*", "+ unix:@* unix:@a"),
    ] {
        assert_eq!(diff(&peer(a), &peer(b))[0], example);
    }
}

#[test]
fn rules_are_named_once_each() {
    let a = files(&[("/etc/**", READ)]);
    let mut b = files(&[("/etc/{passwd,group}", READ | WRITE), ("/srv/**", READ)]);
    b.sessions.exec = vec!["/bin/sh".to_owned()];
    let found = diff(&a, &b);
    assert_eq!(
        found,
        [
            "+ /etc/{passwd,group} /etc/group",
            "+ /srv/** /srv/a",
            "+ /bin/sh /bin/sh session",
            "- /etc/** /etc/a"
        ]
    );
    assert_eq!(compare(&a, &b, Who::All).unwrap()[0].access, WRITE);
}

#[test]
fn agrees_with_asking_every_name() {
    let mut random = Random::new(3);
    let mut same = 0;
    for _ in 0..250 {
        let a = random.profile();
        let mut b = if random.below(2) == 0 { a.clone() } else { random.profile() };
        if random.below(2) == 0 {
            b.files.reverse();
            b.files.truncate(3);
        }
        let found = compare(&a, &b, Who::All).unwrap();
        let of = |change, session: bool| {
            let ours = found.iter().filter(|one| one.change == change && (session || !one.only_session));
            ours.fold(0, |all, one| all | one.access) & !stockade_abi::access::APPEND
        };
        for (change, [container, session]) in
            [(Change::Added, gained(&a, &b)), (Change::Removed, gained(&b, &a))]
        {
            // Names outside of the list may differ too.
            assert_eq!(container & !of(change, false), 0, "{a:#?}\n{b:#?}\n{found:#?}");
            assert_eq!(session & !of(change, true), 0, "{a:#?}\n{b:#?}\n{found:#?}");
        }
        for one in &found {
            check_example(&a, &b, one);
        }
        same += usize::from(found.is_empty());
    }
    assert!(same > 20 && same < 230, "{same}");
}

/// The example is such a name indeed: one side grants all that is said of it, the other does not.
fn check_example(a: &Profile, b: &Profile, one: &Difference) {
    let [a, b] = [a, b].map(|profile| compile(profile, Mode::Enforce).unwrap());
    let missing = |policy: &crate::compile::Policy| {
        let peer = encoded(&one.example);
        let object = match &peer {
            Some(peer) => Object::Peer(peer),
            None => Object::Path(one.example.as_bytes()),
        };
        policy.decide(&object, one.access, one.only_session).missing
    };
    let (of, over) = if one.change == Change::Added { (&b, &a) } else { (&a, &b) };
    assert!(missing(over) & !missing(of) != 0, "{one:?}");
}

/// A peer as the kernel side encodes it.
fn encoded(shown: &str) -> Option<Vec<u8>> {
    if let Some(path) = shown.strip_prefix("unix:") {
        return Some(match path.strip_prefix('@') {
            Some(name) => [b"a", name.as_bytes()].concat(),
            None => [b"u", path.as_bytes()].concat(),
        });
    }
    let (address, protocol) = shown.rsplit_once('/')?;
    let address: std::net::SocketAddrV4 = address.parse().ok()?;
    let protocol = if protocol == "udp" { 0x11 } else { 6 };
    Some([b"4", &[protocol][..], &address.ip().octets(), &address.port().to_be_bytes()].concat())
}

#[test]
fn no_difference_means_the_same_everywhere() {
    let mut random = Random::new(77);
    let (mut same, mut other) = (0, 0);
    for round in 0..400 {
        let a = random.profile();
        // The same in another order, with a rule that adds nothing, with one less, or something else.
        let mut b = a.clone();
        b.files.reverse();
        b.exec.reverse();
        match random.below(4) {
            0 => b.files.extend(
                a.files
                    .first()
                    .map(|rule| FileRule::new(rule.path.clone(), READ & rule.access))
                    .filter(|rule| rule.access != 0),
            ),
            1 => drop(b.files.pop()),
            2 => b.deny.files.push(FileRule::new(random.glob(), READ)),
            3.. => {}
        }
        let found = compare(&a, &b, Who::All).unwrap();
        let gained = [gained(&a, &b), gained(&b, &a)];
        if found.is_empty() {
            assert_eq!(gained, [[0; 2]; 2], "{round}: {a:#?}\n{b:#?}");
            same += 1;
        } else {
            other += 1;
        }
        for one in &found {
            check_example(&a, &b, one);
        }
    }
    assert!(same > 50 && other > 50, "{same} {other}");
}

#[test]
fn a_rule_among_thousands() {
    let mut rules: Vec<(String, u32)> = (0..2000).map(|index| (format!("/**/name{index}"), READ)).collect();
    rules.extend((0..2000).map(|index| (format!("/srv/{index}/*.log"), READ | WRITE)));
    rules.extend((0..200).map(|index| (format!("/**/dir{index}/**"), READ)));
    let profile = |rules: &[(String, u32)]| {
        files(&rules.iter().map(|(path, access)| (path.as_str(), *access)).collect::<Vec<_>>())
    };
    let a = profile(&rules);
    rules[1234].1 = WRITE;
    rules[2345].0 = "/srv/345/*.txt".to_owned();
    rules[4100].0 = "/**/elsewhere/**".to_owned();
    let mut b = profile(&rules);
    let wanted = [
        "+ /**/name1234 /name1234",
        "+ /srv/345/*.txt /srv/345/a.txt",
        "+ /**/elsewhere/** /elsewhere/a",
        "- /**/name1234 /name1234",
        "- /srv/345/*.log /srv/345/a.log",
        "- /**/dir100/** /dir100/a",
    ];
    let start = std::time::Instant::now();
    assert_eq!(diff(&a, &b), wanted);
    // With a denial, no rule can be left out of the walk.
    b.deny.files.push(FileRule::new("/secret/**", READ));
    // Each rule with `/**/` is shorter by what is in /secret.
    assert_eq!(diff(&a, &b).len(), 2200 + 4);
    println!("{:?}", start.elapsed());
    assert!(start.elapsed() < std::time::Duration::from_secs(120));
}

#[test]
fn covered_rules_can_go() {
    let mut random = Random::new(8);
    let mut count = 0;
    for _ in 0..150 {
        let mut profile = random.profile();
        profile.files.extend(random.profile().files);
        let all = patterns(&profile);
        let gone = Rules::new(&all).unwrap().covered().unwrap();
        count += gone.len();
        for one in &gone {
            let rest = subset(&profile, &all, |index| index != *one);
            assert_eq!(compare(&profile, &rest, Who::All).unwrap(), [], "{one:?} of {profile:#?}");
        }
        let rest = without_covered(&profile).unwrap();
        assert_eq!(compare(&profile, &rest, Who::All).unwrap(), [], "{profile:#?}\n{rest:#?}");
    }
    assert!(count > 40, "{count}");
}

#[test]
fn what_covers_what() {
    let gone = |rules: &[(&str, u32)]| {
        let all = patterns(&files(rules));
        Rules::new(&all).unwrap().covered().unwrap()
    };
    assert_eq!(gone(&[("/a/**", READ), ("/a/b", READ)]), [1]);
    assert_eq!(gone(&[("/a/**", READ), ("/a/b", READ | WRITE)]), [0; 0]);
    assert_eq!(gone(&[("/a/b", READ), ("/a/{b,c}", WRITE), ("/a/?", READ)]), [0]);
    assert_eq!(gone(&[("/a/{b,c}", READ), ("/a/{c,b}", READ)]), [1]);
    assert_eq!(gone(&[("/a/b", READ), ("/a/c", READ), ("/a/{b,c}", READ)]), [2]);
    assert_eq!(gone(&[("/a/b", READ), ("/a/b", WRITE), ("/a/*", READ | WRITE)]), [0, 1]);
    assert_eq!(gone(&[("/a/[.]", READ), ("/b", READ)]), [0]);
}

/// What the rules of `b` add to `a`.
fn added(a: &Profile, b: &Profile) -> Vec<Difference> {
    let mut found = compare(a, b, Who::All).unwrap();
    found.retain(|one| one.change == Change::Added);
    found
}

#[test]
fn a_merge_grants_exactly_the_union() {
    let mut random = Random::new(21);
    for _ in 0..100 {
        let (a, b) = (random.profile(), random.profile());
        let merged = merge(&[a.clone(), b.clone()], None).unwrap();
        let swapped = merge(&[b.clone(), a.clone()], None).unwrap();
        assert_eq!(compare(&merged, &swapped, Who::All).unwrap(), []);
        assert_eq!(merge(&[merged.clone(), merged.clone()], None).unwrap(), merged);
        assert_eq!(
            compare(&merged, &merge(&[merged.clone(), a.clone()], None).unwrap(), Who::All).unwrap(),
            []
        );
        for part in [&a, &b] {
            assert_eq!(added(&merged, part), [], "{merged:#?}\n{part:#?}");
        }
        // All rules side by side, nothing joined and nothing dropped.
        let mut both = a.clone();
        both.exec.extend(b.exec.clone());
        both.files.extend(b.files.clone());
        both.peers.extend(b.peers.clone());
        both.sessions.exec.extend(b.sessions.exec.clone());
        both.sessions.files.extend(b.sessions.files.clone());
        assert_eq!(added(&both, &merged), []);
    }
}

#[test]
fn what_a_merge_keeps() {
    let mut a = files(&[("/a/**", READ), ("/b", READ)]);
    let mut b = files(&[("/b", WRITE), ("/a/x", READ)]);
    a.name = "first".to_owned();
    b.capabilities = vec!["chown".to_owned()];
    let merged = merge(&[a.clone(), b.clone()], None).unwrap();
    assert_eq!(merged.files, [FileRule::new("/a/**", READ), FileRule::new("/b", READ | WRITE)]);
    assert_eq!((merged.name.as_str(), merged.capabilities.len()), ("first", 1));
    b.mode = Mode::Audit;
    let error = merge(&[a.clone(), b.clone()], None).unwrap_err().to_string();
    assert!(error.contains("first") && error.contains("audit") && error.contains("--mode"), "{error}");
    assert_eq!(merge(&[a, b], Some(Mode::Audit)).unwrap().mode, Mode::Audit);
}

#[test]
fn powers_are_compared_by_what_they_come_to() {
    let (mut a, mut b) = (files(&[("/a", READ)]), files(&[("/a", READ)]));
    a.capabilities = vec!["chown".to_owned(), "kill".to_owned()];
    b.sessions.capabilities = vec!["kill".to_owned(), "chown".to_owned()];
    b.capabilities = vec!["chown".to_owned()];
    b.facilities = vec![Facility::IoUring, Facility::Bpf];
    b.deny.facilities = vec![Facility::Jit, Facility::Perf];
    let changes: Vec<String> = word_changes(&a, &b)
        .into_iter()
        .map(|one| format!("{:?} {} {}", one.change, one.kind, one.text))
        .collect();
    assert_eq!(changes, ["Added facility bpf", "Removed capability kill", "Removed facility jit"]);
    let error = merge(&[a.clone(), b.clone()], None).unwrap_err().to_string();
    assert!(error.contains("facility jit by deny.facilities[0] jit"), "{error}");
    b.deny.facilities.clear();
    let merged = merge(&[a, b], None).unwrap();
    assert_eq!(merged.facilities, [Facility::IoUring, Facility::Bpf]);
    assert_eq!(merged.sessions.capabilities.len(), 2);
}
