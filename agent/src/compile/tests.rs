//! The compiler against a matcher that is written to be obviously right, and its limits.

mod deny;
mod limits;
mod parents;
mod pins;
mod power;
mod random;
mod reference;
mod scale;

use stockade_abi::access::{APPEND, CONNECT, CREATE, EXEC, MAP, READ, WRITE};
use stockade_abi::peer;
use stockade_abi::reason::{Mode, Reason, Verdict};

use super::glob::{self, Kind};
use super::{Object, Policy, check, compile, escape};
use crate::profile::{FileRule, PeerRule, PeerTarget, PortRange, Profile, Protocol};
use reference::Random;

fn policy(profile: &Profile) -> Policy {
    let policy = compile(profile, Mode::Enforce).unwrap();
    check(policy.words()).unwrap();
    policy
}

fn readers(globs: &[&str]) -> Policy {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files = globs.iter().map(|glob| FileRule::new(*glob, READ)).collect();
    policy(&profile)
}

fn reads(policy: &Policy, path: &[u8]) -> bool {
    policy.decide(&Object::Path(path), READ, false).verdict == Verdict::Allowed
}

/// `glob | paths it matches | paths it does not`.
const CASES: &str = r"
/etc/passwd                  | /etc/passwd                               | /etc/passwd- /etc/passw /etc /
/                            | /                                         | /a
/a/*                         | /a/b /a/.b /a/                            | /a /a/b/c
/a/*.log                     | /a/x.log /a/.log                          | /a/x.logs /a/b/x.log
/a/**                        | /a/b /a/b/c /a/.b/c                       | /a /ab /ab/c
/**                          | /a /a/b/c                                 | /
/a/**/b                      | /a/b /a/x/b /a/x/y/b /a/b/b               | /a/xb /ab /a/b/c
/**/b                        | /b /a/b /a/a/b                            | /ab /a/bb
/a/**/**/b                   | /a/b /a/x/b /a/x/y/z/b                    | /a/xb
/a/**/b/**                   | /a/b/c /a/x/b/c /a/x/b/c/d                | /a/b /a/x/b
/a/?                         | /a/b /a/?                                 | /a/ /a/bc /a//
/a/[a-c_]x                   | /a/ax /a/_x                               | /a/dx /a/x /a/aax
/a/[!a-c]                    | /a/d /a/!                                 | /a/a /a// /a/
/a/[^a-c]                    | /a/d /a/^                                 | /a/a
/a/[a\]]                     | /a/a /a/]                                 | /a/\
/a/[-a]                      | /a/- /a/a                                 | /a/b
/a/[a-]                      | /a/- /a/a                                 | /a/b
/a[+-9]b                     | /a-b /a+b                                 | /a/b
/a/{b,c*}                    | /a/b /a/c /a/cc                           | /a/bb /a/d
/a/{b,c/{d,e}}/f             | /a/b/f /a/c/d/f /a/c/e/f                  | /a/c/f /a/d/f
/a{,/b}                      | /a /a/b                                   | /a/ /ab
/a/{**,x}/b                  | /a/b /a/q/r/b /a/x/b                      | /a/xb
/a/**{/b,/c}                 | /a/b /a/x/c                               | /a/x /a
{/a,/b}/c                    | /a/c /b/c                                 | /c
/a\*b                        | /a*b                                      | /aab /ab
/a\{b,c\}                    | /a{b,c}                                   | /ab
/a,b]                        | /a,b]                                     | /a
/a\x41                       | /aA                                       | /ax41
/proc/self/maps              | /proc/self/maps                           | /proc/1/maps /proc/thread-self/maps
/proc/*/stat                 | /proc/self/stat /proc/1/stat              | /proc/thread-self/stat /proc/self/x
/proc/[0-9]*/stat            | /proc/self/stat /proc/1/stat              | /proc/sys/stat
/proc/[0-9]/stat             | /proc/self/stat /proc/1/stat              | /proc/12/stat
/proc/1/stat                 | /proc/1/stat                              | /proc/self/stat
/proc/{1,2}/stat             | /proc/2/stat                              | /proc/self/stat
/proc/[a-r]*/stat            | /proc/a/stat                              | /proc/self/stat
/proc/thread-self/comm       | /proc/thread-self/comm                    | /proc/self/task/1/comm /proc/self/comm
/proc/self/task/*/comm       | /proc/thread-self/comm /proc/self/task/9/comm | /proc/self/comm
/proc/self/task/[0-9]*/comm  | /proc/thread-self/comm /proc/self/task/9/comm | /proc/1/task/9/comm
/proc/[0-9]*/task/[1-9]*/x   | /proc/thread-self/x /proc/3/task/4/x      | /proc/self/x
/proc/**                     | /proc/self /proc/self/x /proc/thread-self/x | /proc
/**/stat                     | /proc/self/stat /proc/thread-self/stat    | /proc/self/statm
/proc/self                   | /proc/self                                | /proc/self/x /proc/selfish
/proc/selfish/x              | /proc/selfish/x                           | /proc/self/x
";

#[test]
fn cases() {
    let mut count = 0;
    for line in CASES.lines().filter(|line| !line.is_empty()) {
        let [glob, yes, no] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let alone = readers(&[glob]);
        let among = readers(&["/a/**/q", "/z*", glob, "/proc/1/x", "/**/[!z]zz"]);
        for (paths, wanted) in [(yes, true), (no, false)] {
            for path in paths.split_whitespace() {
                assert_eq!(reads(&alone, path.as_bytes()), wanted, "{glob} on {path}");
                assert_eq!(reads(&among, path.as_bytes()), wanted, "{glob} among others on {path}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} cases ran");
}

/// `glob | part of the message`.
const BAD: &str = r"
etc/x        | absolute
*            | absolute
/a**         | glued
/**b/c       | glued
/a/***       | glued
/a/{x,**}b   | glued
/a/[bc       | not closed
/a/[b/c]     | never matches `/`
/a/[\/]      | never matches `/`
/a/[]        | empty
/a/[!]       | empty
/a/[z-a]     | reversed
/a/[[:alpha:]] | named classes
/a/[é]       | more than one byte
/a/../b      | `..`
/a/./b       | `.`
/a/.         | `.`
/a//b        | empty component
/a/          | without a slash
/a/{,b}      | without a slash
/a/{b        | not closed
/a/b}        | closes nothing
/a\          | escapes nothing
/a\x4        | two hexadecimal
/a\xzz       | two hexadecimal
/a\x00       | zero byte
";

#[test]
fn bad_globs_say_what_is_wrong() {
    for line in BAD.lines().filter(|line| !line.is_empty()) {
        let (glob, part) = line.split_once('|').unwrap();
        let error = glob::parse(glob.trim(), Kind::Path).unwrap_err().to_string();
        assert!(error.contains(part.trim()), "{glob}: {error}");
    }
    let many = format!("/{}", "{a,b}".repeat(30));
    assert!(glob::parse(&many, Kind::Path).unwrap_err().to_string().contains("alternatives"));
    let deep = format!("/{}a{}", "{".repeat(40), "}".repeat(40));
    assert!(glob::parse(&deep, Kind::Path).is_err());
}

#[test]
fn agrees_with_the_reference() {
    let mut random = Random::new(1);
    let (mut matched, mut total) = (0, 0);
    for _ in 0..2500 {
        let globs: Vec<String> = (0..=random.below(4)).map(|_| random.glob()).collect();
        let good: Vec<&str> =
            globs.iter().map(String::as_str).filter(|glob| glob::parse(glob, Kind::Path).is_ok()).collect();
        if good.is_empty() {
            continue;
        }
        let policy = readers(&good);
        for _ in 0..25 {
            let path = if random.below(2) == 0 { random.path() } else { random.path_like(good[0]) };
            let wanted = good.iter().any(|glob| reference::matches(glob.as_bytes(), &path));
            assert_eq!(reads(&policy, &path), wanted, "{good:?} on {}", path.escape_ascii());
            total += 1;
            matched += usize::from(wanted);
        }
    }
    // Neither answer may be rare, or the comparison would mean little.
    assert!(total > 30_000 && matched * 10 > total && matched * 10 < total * 9, "{matched} of {total}");
}

#[test]
fn deep_and_long_paths() {
    let policy = readers(&["/a/**/z", "/b/**"]);
    let deep = [b"/a".as_slice(), &b"/x".repeat(2000), b"/z"].concat();
    assert!(reads(&policy, &deep));
    let longest = [b"/b/".as_slice(), &[0xff; 4092]].concat();
    assert_eq!(longest.len(), 4095);
    assert!(reads(&policy, &longest));
    let too_long = policy.decide(&Object::Path(&[longest, vec![b'x']].concat()), READ, false);
    assert_eq!((too_long.verdict, too_long.reason), (Verdict::Denied, Reason::PathTooLong));
}

#[test]
fn escaped_paths_match_only_themselves() {
    let mut random = Random::new(5);
    for _ in 0..300 {
        let mut path = vec![b'/', b'n'];
        path.extend((0..random.below(20)).map(|_| random.byte()).filter(|byte| ![0, b'/'].contains(byte)));
        let glob = escape(&path);
        assert!(!glob.chars().any(char::is_control), "{glob:?}");
        let policy = readers(&[&glob]);
        assert!(reads(&policy, &path), "{glob}");
        let last = path.len() - 1;
        path[last] ^= 1;
        assert!(!reads(&policy, &path), "{glob}");
    }
}

#[test]
fn what_the_words_grant() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = vec![crate::profile::ExecRule::new("/bin/app")];
    profile.files = vec![
        FileRule::new("/data/*", WRITE | CREATE),
        FileRule::new("/data/log", APPEND),
        FileRule::new("/lib/*", READ | MAP),
    ];
    profile.sessions.exec = vec!["/bin/sh".to_owned()];
    profile.sessions.files = vec![FileRule::new("/data/*", READ)];
    let policy = policy(&profile);
    let ask = |path: &str, access, session| policy.decide(&Object::Path(path.as_bytes()), access, session);
    let rule = |path: &str, access, session| ask(path, access, session).rule.unwrap().to_string();

    assert_eq!(rule("/bin/app", EXEC, false), "exec[0] /bin/app");
    assert_eq!(rule("/bin/app", EXEC, true), "exec[0] /bin/app");
    assert_eq!(ask("/bin/app", READ, false).reason, Reason::NoRule);
    assert_eq!(ask("/bin/app", MAP, false).missing, MAP);
    assert_eq!(rule("/data/x", APPEND, false), "files[0] /data/*");
    assert_eq!(rule("/data/log", CREATE | APPEND, false), "files[0] /data/*");
    assert_eq!(ask("/data/x", READ | WRITE, false).missing, READ);
    assert_eq!(rule("/data/x", READ | WRITE, true), "files[0] /data/*");
    assert_eq!(rule("/data/x", READ, true), "sessions.files[0] /data/*");
    assert_eq!(rule("/bin/sh", EXEC, true), "sessions.exec[0] /bin/sh");
    assert_eq!(ask("/bin/sh", EXEC, false).verdict, Verdict::Denied);
    assert_eq!(rule("/lib/x", READ | MAP, false), "files[2] /lib/*");

    let audit = compile(&profile, Mode::Audit).unwrap();
    let decision = audit.decide(&Object::Path(b"/nowhere"), READ, false);
    assert_eq!((decision.verdict, decision.reason), (Verdict::WouldDeny, Reason::NoRule));
}

fn v4(protocol: u8, address: [u8; 4], port: u16) -> Vec<u8> {
    [&[peer::V4, protocol], &address[..], &port.to_be_bytes()].concat()
}

fn v6(protocol: u8, address: &str, port: u16) -> Vec<u8> {
    let address: std::net::Ipv6Addr = address.parse().unwrap();
    [&[peer::V6, protocol], &address.octets()[..], &port.to_be_bytes()].concat()
}

fn connects(rules: Vec<PeerRule>, peer: &[u8]) -> bool {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.peers = rules;
    policy(&profile).decide(&Object::Peer(peer), CONNECT, false).verdict == Verdict::Allowed
}

#[test]
fn every_port_of_every_range() {
    for (first, last) in
        [(443, 443), (8000, 8010), (250, 260), (255, 256), (1, 65535), (300, 1300), (512, 767)]
    {
        let mut profile = Profile::new("test", Mode::Enforce);
        profile.peers = vec![PeerRule {
            to: PeerTarget::Net("10.0.0.0/8".parse().unwrap()),
            ports: vec![PortRange { first, last }],
            protocol: Some(Protocol::Tcp),
        }];
        let policy = policy(&profile);
        for port in 0..=u16::MAX {
            let peer = v4(peer::TCP, [10, 1, 2, 3], port);
            let allowed = policy.decide(&Object::Peer(&peer), CONNECT, false).verdict == Verdict::Allowed;
            assert_eq!(allowed, (first..=last).contains(&port), "{port} in {first}-{last}");
        }
    }
}

#[test]
fn every_prefix_length() {
    let address = [0b1010_1010, 0b0101_0101, 0xff, 1];
    for prefix in 0..=32 {
        let net = ipnet::Ipv4Net::new(address.into(), prefix).unwrap().trunc();
        let mut profile = Profile::new("test", Mode::Enforce);
        profile.peers = vec![PeerRule::new(PeerTarget::Net(net.into()))];
        let policy = policy(&profile);
        for bit in 0..32 {
            let other = (u32::from_be_bytes(address) ^ (1 << bit)).to_be_bytes();
            let allowed = policy.decide(&Object::Peer(&v4(peer::UDP, other, 9)), CONNECT, false).missing == 0;
            assert_eq!(allowed, net.contains(&std::net::Ipv4Addr::from(other)), "bit {bit} of /{prefix}");
        }
    }
}

#[test]
fn peers_that_tell_all_bytes_apart() {
    let mut profile = Profile::new("test", Mode::Enforce);
    let peer = |last: u8| PeerRule::new(PeerTarget::Net(std::net::IpAddr::from([10, 0, 0, last]).into()));
    profile.peers = (0..=u8::MAX).filter(|last| last % 5 != 2).map(peer).collect();
    profile.files = vec![FileRule::new("/[!a]b/**", READ)];
    let policy = policy(&profile);
    for last in 0..=u8::MAX {
        let decision = policy.decide(&Object::Peer(&v4(peer::TCP, [10, 0, 0, last], 1)), CONNECT, false);
        assert_eq!(decision.missing == 0, last % 5 != 2, "{last}");
        let path = [b'/', last, b'b', b'/', last];
        assert_eq!(reads(&policy, &path), last != b'a' && last != b'/', "{last}");
    }
}

#[test]
fn peers() {
    let net = |text: &str| vec![PeerRule::new(PeerTarget::Net(text.parse().unwrap()))];
    assert!(connects(net("0.0.0.0/0"), &v4(peer::TCP, [9, 9, 9, 9], 0)));
    assert!(!connects(net("0.0.0.0/0"), &v4(1, [9, 9, 9, 9], 1)));
    assert!(!connects(net("0.0.0.0/0"), &v6(peer::TCP, "::1", 1)));
    assert!(connects(net("fd00:1::/32"), &v6(peer::UDP, "fd00:1:2::3", 53)));
    assert!(!connects(net("fd00:1::/32"), &v6(peer::UDP, "fd00:2::3", 53)));
    assert!(!connects(net("0.0.0.0/0"), b"/etc/passwd"));

    let unix = |glob: &str| vec![PeerRule::new(PeerTarget::Unix(glob.to_owned()))];
    assert!(connects(unix("/run/*.sock"), b"u/run/a.sock"));
    assert!(!connects(unix("/run/*.sock"), b"a/run/a.sock"));
    assert!(connects(unix("/run/app/**"), b"u/run/app/x/y"));
    assert!(connects(unix("/run/app/**"), b"u/run/app/..x/.y/..."));
    for elsewhere in
        ["/run/app/../db", "/run/app/x/..", "/run/app/./x", "/run/app//x", "/run/app/.", "/run/app/x/"]
    {
        let peer = [b"u", elsewhere.as_bytes()].concat();
        assert!(!connects(unix("/run/app/**"), &peer), "{elsewhere}");
        assert!(!connects(unix("/run/app/{*,*/*}"), &peer), "{elsewhere}");
    }
    let name = |glob: &str| vec![PeerRule::new(PeerTarget::Abstract(glob.to_owned()))];
    assert!(connects(name("dbus-*"), b"adbus-1"));
    assert!(!connects(name("dbus-*"), b"udbus-1"));
    assert!(connects(name("a//.."), b"aa//.."));
    // A rule for paths says nothing of peers, nor the other way round.
    assert!(!connects(unix("/etc/x"), b"/etc/x"));
    let mut files = Profile::new("test", Mode::Enforce);
    files.files = vec![FileRule::new("/**", READ)];
    assert!(policy(&files).decide(&Object::Peer(b"u/x"), CONNECT, false).missing != 0);
}
