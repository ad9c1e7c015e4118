//! The canonical form: what is written of a profile is read as the same profile.

use std::collections::BTreeMap;

use stockade_abi::access;
use stockade_abi::reason::Mode;

use super::{
    ExecRule, FileRule, ListenRule, PeerRule, PortRange, Profile, Protocol, Provenance, parse, parse_target,
};
use crate::compile::escape;
use crate::testing::Xorshift;

/// Profiles of every kind, each time the same ones.
pub(super) struct Random(Xorshift);

impl Random {
    pub(super) fn new(state: u64) -> Self {
        Self(Xorshift(state))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn text(&mut self) -> String {
        let parts = [
            "a",
            "no",
            "1",
            "true",
            " ",
            ": ",
            "#",
            "- ",
            "\"",
            "'",
            "\\",
            "\n",
            "\t",
            "é",
            "\u{85}",
            "\u{feff}",
            "\u{1f980}",
            "{",
            "[",
            "]",
            "}",
            ",",
            "&",
            "*",
            "!",
            "|",
            ">",
            "%",
            "@",
            "~",
            "null",
            "\u{7f}",
            "\u{2028}",
        ];
        (0..self.below(5)).map(|_| parts[self.below(parts.len())]).collect()
    }

    fn path(&mut self) -> String {
        let bytes: Vec<u8> = (0..self.below(8)).map(|_| u8::try_from(self.below(255) + 1).unwrap()).collect();
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'/').collect();
        let glob = ["", "*", "[a-z]", "{a,b}", "?"][self.below(5)];
        format!("/x{}{glob}", escape(&bytes))
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| one(self)).collect()
    }

    fn map(&mut self) -> BTreeMap<String, String> {
        self.many(|random| (random.text(), random.text())).into_iter().collect()
    }

    fn files(&mut self) -> Vec<FileRule> {
        self.many(|random| {
            let bits = u32::try_from(random.below(511) + 1).unwrap();
            FileRule::new(random.path(), bits & super::FILE_ACCESS)
        })
    }

    fn ports(&mut self) -> Vec<PortRange> {
        self.many(|random| {
            let first = u16::try_from(random.below(65_000) + 1).unwrap();
            PortRange { first, last: first + u16::try_from(random.below(3)).unwrap() }
        })
    }

    fn protocol(&mut self) -> Option<Protocol> {
        [None, Some(Protocol::Tcp), Some(Protocol::Udp)][self.below(3)]
    }

    fn peer(&mut self) -> PeerRule {
        let to = ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "unix:/run/*", "unix:@a b", "::1"];
        let mut rule = PeerRule::new(parse_target(to[self.below(to.len())]).unwrap());
        if matches!(rule.to, super::PeerTarget::Net(_)) {
            rule.ports = self.ports();
            rule.protocol = self.protocol();
        }
        rule
    }

    fn profile(&mut self) -> Profile {
        let mode = [Mode::Learn, Mode::Audit, Mode::Enforce][self.below(3)];
        let mut profile = Profile::new(["web", "no", "1", "a.b-c", "1e3", "null"][self.below(6)], mode);
        profile.labels = self.map();
        profile.annotations = self.map();
        profile.matches.images = self.many(Self::text);
        profile.matches.labels = self.map();
        profile.matches.containers = self.many(Self::text);
        profile.exec = self.many(|random| {
            let parents = random.many(Self::path);
            let anywhere = parents.is_empty() && random.below(2) == 0;
            ExecRule {
                path: random.path(),
                from: if anywhere { Provenance::Any } else { Provenance::Image },
                sha256: random.many(|_| "ab".repeat(32)),
                args: (random.below(2) == 0).then(|| random.many(Self::text)),
                parents,
            }
        });
        profile.files = self.files();
        profile.peers = self.many(Self::peer);
        profile.listen = self.many(|random| ListenRule {
            ports: [random.ports(), vec![PortRange::one(80)]].concat(),
            protocol: random.protocol(),
        });
        profile.capabilities = self.many(|_| "net_bind_service".to_owned());
        profile.deny.exec = self.many(Self::path);
        profile.deny.files = self.files();
        profile.deny.peers = self.many(Self::peer);
        profile.sessions.exec = self.many(Self::path);
        profile.sessions.files = self.files();
        profile
    }
}

#[test]
fn the_canonical_form_comes_back_the_same() {
    let mut random = Random::new(77);
    for _ in 0..500 {
        let profile = random.profile();
        let yaml = profile.to_yaml();
        let parsed = parse("p.yaml", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(parsed.profile, profile, "{yaml}");
        assert_eq!(parsed.profile.to_yaml(), yaml);
    }
}

#[test]
fn the_canonical_form_is_easy_to_read() {
    let mut profile = Profile::new("web", Mode::Enforce);
    profile.exec = vec![ExecRule::new("/usr/sbin/nginx")];
    profile.files =
        vec![FileRule::new("/etc/nginx/**", access::READ), FileRule::new("/a b", access::READ | access::MAP)];
    profile.peers = vec![PeerRule {
        to: parse_target("10.0.0.0/8").unwrap(),
        ports: vec![PortRange::one(443), PortRange { first: 8000, last: 8010 }],
        protocol: Some(Protocol::Tcp),
    }];
    let wanted = "\
apiVersion: stockade.dev/v1alpha1
kind: Profile
metadata:
  name: web
spec:
  mode: enforce
  exec:
    - path: /usr/sbin/nginx
  files:
    - path: /etc/nginx/**
      access: [read]
    - path: \"/a b\"
      access: [read, map]
  peers:
    - to: 10.0.0.0/8
      ports: [443, 8000-8010]
      protocol: tcp
";
    assert_eq!(profile.to_yaml(), wanted);
}
