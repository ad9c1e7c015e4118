//! Messages with their places.

use super::canonical_tests::Random;
use super::{Shelf, parse, parse_any, parse_with};
use crate::compile::{check, compile};

pub(super) const HEAD: &str =
    "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: enforce\n";

/// Text after [`HEAD`], the place of the first problem, part of the message.
pub(super) const BAD: &[(&str, &str, &str)] = &[
    ("  file: []\n", "6:3", "did you mean `files`"),
    ("  zzzzzzz: []\n", "6:3", "known here: mode, match"),
    ("  files:\n    - path: etc/x\n      access: [read]\n", "7:13", "absolute"),
    ("  files:\n    - path: /a/b**\n      access: [read]\n", "7:13", "glued"),
    ("  files:\n    - path: /a/[b\n      access: [read]\n", "7:13", "not closed"),
    ("  files:\n    - path: /a/[]\n      access: [read]\n", "7:13", "empty"),
    ("  files:\n    - path: /a/../b\n      access: [read]\n", "7:13", "`..`"),
    ("  files:\n    - path: /a/\n      access: [read]\n", "7:13", "without a slash"),
    ("  files:\n    - path: /a/{b,c\n      access: [read]\n", "7:13", "not closed"),
    ("  files:\n    - path: \"/a/b\\0\"\n      access: [read]\n", "7:13", "zero byte"),
    ("  files:\n    - path: /a\n      access: [read, wirte]\n", "8:22", "did you mean `write`"),
    ("  files:\n    - path: /a\n      access: [exec]\n", "8:16", "listed under `exec`"),
    ("  files:\n    - path: /a\n      access: read\n", "8:15", "a list is needed"),
    ("  files:\n    - path: /a\n      access: []\n", "8:15", "empty list"),
    ("  files:\n    - path: /a\n", "7:7", "has no `access`"),
    ("  files:\n    - access: [read]\n", "7:7", "has no `path`"),
    ("  files:\n    - path: 1\n      access: [read]\n", "7:13", "the number 1"),
    ("  files:\n    - path: true\n      access: [read]\n", "7:13", "in quotes: \"true\""),
    ("  files:\n    - path: /a\n      path: /b\n      access: [read]\n", "8:7", "stands twice"),
    ("  files: {}\n", "6:10", "a list is needed"),
    ("  exec: [/bin/sh]\n", "6:10", "write `- path: /bin/sh`"),
    ("  exec:\n    - path: /bin/sh\n      sha256: [abc]\n", "8:16", "64 hexadecimal"),
    ("  exec:\n    - path: /bin/sh\n      parents: [sh]\n", "8:17", "absolute"),
    ("  peers:\n    - to: 10.0.0.0/33\n", "7:11", "is no peer"),
    ("  peers:\n    - to: 10.0.0.1/8\n", "7:11", "10.0.0.0/8"),
    ("  peers:\n    - to: ::ffff:10.0.0.1\n", "7:11", "10.0.0.1/32"),
    ("  peers:\n    - to: 0.0.0.0\n", "7:11", "127.0.0.1"),
    ("  peers:\n    - to: dns:api.example.com\n", "7:11", "not yet supported"),
    ("  peers:\n    - to: unix:run/x\n", "7:11", "absolute"),
    ("  peers:\n    - to: 'unix:@'\n", "7:11", "empty"),
    ("  peers:\n    - to: unix:/run/x\n      ports: [1]\n", "8:14", "no ports"),
    ("  peers:\n    - to: 10.0.0.1\n      ports: [0-70000]\n", "8:15", "0 to 65535"),
    ("  peers:\n    - to: 10.0.0.1\n      ports: [65536]\n", "8:15", "0 to 65535"),
    ("  peers:\n    - to: 10.0.0.1\n      ports: [-1]\n", "8:15", "0 to 65535"),
    ("  peers:\n    - to: 10.0.0.1\n      ports: [1, 90-80]\n", "8:18", "reversed"),
    ("  peers:\n    - to: 10.0.0.1\n      ports: 80\n", "8:14", "a list is needed"),
    ("  peers:\n    - to: 10.0.0.1\n      protocol: icmp\n", "8:17", "tcp and udp"),
    ("  listen:\n    - protocol: tcp\n", "7:7", "has no `ports`"),
    ("  capabilities: [net_bind_servic]\n", "6:18", "did you mean `net_bind_service`"),
    ("  capabilities: [CAP_CHOWN]\n", "6:18", "did you mean `chown`"),
    ("  sessions:\n    exec:\n      - path: /bin/sh\n", "8:9", "plain path"),
    ("  deny:\n    exec:\n      - path: /bin/sh\n", "8:9", "plain path"),
    ("  deny: { listen: [] }\n", "6:11", "known here: exec, files, peers"),
    ("  deny:\n    files:\n      - path: /a\n        access: [wirte]\n", "9:18", "did you mean `write`"),
    ("  deny:\n    peers: [{to: 10.0.0.0/33}]\n", "7:18", "is no peer"),
    ("  deny: [/bin/sh]\n", "6:9", "a mapping is needed"),
    ("  sessions: { peers: [] }\n", "6:15", "known here: exec, files"),
    ("  exec:\n\t- path: /a\n", "7:1", "not YAML"),
    ("  exec: [\n", "7:1", "not YAML"),
    ("  mode: audit\n", "6:3", "stands twice"),
    ("---\na: b\n", "7:1", "more than one document"),
    ("  match: { label: {} }\n", "6:12", "did you mean `labels`"),
    ("  exec: !tag [a]\n", "6:9", ""),
];

#[test]
fn problems_have_their_place() {
    for (text, place, part) in BAD {
        let text = format!("{HEAD}{text}");
        let error = parse("dir/web.yaml", &text).expect_err(&text);
        let shown = error.to_string();
        assert!(shown.contains(part), "{text}\n{shown}");
        assert!(shown.contains(&format!("dir/web.yaml:{place}]")), "{place}\n{text}\n{shown}");
        assert!(shown.lines().count() < 20, "{shown}");
    }
}

#[test]
fn whole_documents() {
    let whole: &[(&str, &str)] = &[
        ("", "holds no profile"),
        ("\n\n", "holds no profile"),
        ("# only\n# comments\n", "holds no profile"),
        ("---\n", "holds no profile"),
        ("null\n", "a mapping is needed"),
        ("[]\n", "the profile is a list"),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Pod\nmetadata: {name: a}\nspec: {mode: audit}\n",
            "only `Profile`",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: a}\nspec: {}\n",
            "rule sets stand in the directory `include`",
        ),
        (
            "apiVersion: v1\nkind: Profile\nmetadata: {name: a}\nspec: {mode: audit}\n",
            "stockade.dev/v1alpha1",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {}\nspec: {mode: audit}\n",
            "has no `name`",
        ),
        ("apiVersion: stockade.dev/v1alpha1\nkind: Profile\nspec: {mode: audit}\n", "has no `metadata`"),
        ("apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\n", "has no `spec`"),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec: {}\n",
            "has no `mode`",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: A_b}\nspec: {mode: audit}\n",
            "cannot be",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a-}\nspec: {mode: audit}\n",
            "cannot be",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: 1}\nspec: {mode: audit}\n",
            "in quotes",
        ),
        (
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec: {mode: block}\n",
            "no mode",
        ),
        ("a: &a [x]\nb: [*a, *c]\n", "not YAML"),
        ("a: \u{1}\n", "not YAML"),
    ];
    for (text, part) in whole {
        let shown = parse("p.yaml", text).expect_err(text).to_string();
        assert!(shown.contains(part) && shown.contains("p.yaml"), "{text:?}\n{shown}");
    }
    let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        format!("{text}a{}: &a{} [*a{n}, *a{n}, *a{n}]\n", n + 1, n + 1)
    });
    assert!(parse("p.yaml", &bomb).is_err());
    assert!(parse("p.yaml", &"[".repeat(100_000)).is_err());
    let shown = parse_any("p.yaml", b"apiVersion: x\nkind: \xff\n", &Shelf::default())
        .expect_err("not UTF-8")
        .to_string();
    assert!(shown.contains("p.yaml:2:7]") && shown.contains("UTF-8"), "{shown}");
}

#[test]
fn several_problems_are_shown_together() {
    let text = format!(
        "{HEAD}  exec:\n    - path: a\n    - path: b\n  files:\n    - path: /c/\n      access: [fly]\n"
    );
    let error = parse("p.yaml", &text).expect_err("four problems");
    assert_eq!(error.problems().count(), 4);
    let lines: Vec<usize> = error.problems().map(|(_, problem)| problem.place.unwrap().line).collect();
    assert_eq!(lines, [7, 8, 10, 11]);
}

/// Text after [`HEAD`], place, part of each warning in order.
const FINDINGS: &[(&str, &[(&str, &str)])] = &[
    ("", &[("5:3", "denies everything")]),
    ("  exec:\n    - path: /proc/1/x\n", &[("7:13", "never match")]),
    ("  files:\n    - {path: /proc/self/fd/3, access: [read]}\n", &[("7:14", "symbolic link")]),
    ("  files:\n    - {path: /proc/1/stat, access: [read]}\n", &[("7:14", "by its number")]),
    (
        "  files:\n    - {path: /a, access: [read]}\n    - {path: /a, access: [map]}\n",
        &[("8:7", "files[1] repeats files[0]")],
    ),
    ("  peers: [{to: 10.0.0.1}, {to: 10.0.0.1/32}]\n", &[("6:27", "repeats")]),
    (
        "  peers: [{to: 10.0.0.1}]\n  facilities: [bpf, perf, bpf]\n",
        &[("7:27", "facilities[2] repeats facilities[0]")],
    ),
    (
        "  exec:\n    - path: /opt/*\n  files:\n    - {path: /opt/x, access: [write]}\n",
        &[("9:7", "exec[0] /opt/* lets it start")],
    ),
    (
        "  exec:\n    - path: /bin/a\n      args: [x]\n      parents: [/b]\n  capabilities: [chown]\n",
        &[("8:13", "`args` is for the reader only")],
    ),
    ("  files:\n    - {path: /a, access: [create, delete, rename, link, attr]}\n", &[]),
    ("  files:\n    - {path: /proc/self/fd, access: [read]}\n", &[]),
    (
        "  exec: [{path: /a}]\n  deny:\n    exec: [/proc/1/x, /b, /b]\n    files:\n      - {path: /dev/stdout, access: [write]}\n    peers: [{to: 10.0.0.1}, {to: 10.0.0.1/32}]\n",
        &[
            ("8:12", "never match"),
            ("8:27", "deny.exec[2] repeats deny.exec[1]"),
            ("10:16", "symbolic link"),
            ("11:29", "deny.peers[1] repeats deny.peers[0]"),
        ],
    ),
    ("  match: {containers: [a]}\n  exec: [{path: /a}]\n", &[("6:23", "match.containers is not enforced")]),
    ("  listen: [{ports: [80]}]\n  exec: [{path: /a}]\n", &[]),
    ("  exec:\n  files:\n  peers: [{to: '10.0.0.0/8'}]\n", &[]),
];

fn warnings(parsed: &super::Parsed) -> Vec<String> {
    let warnings = parsed.findings.iter().filter(|finding| finding.problem().weight != super::Weight::Note);
    warnings.map(super::Finding::line).collect()
}

#[test]
fn findings_have_their_place() {
    for (text, wanted) in FINDINGS {
        let text = format!("{HEAD}{text}");
        let parsed = parse("p.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
        let lines = warnings(&parsed);
        assert_eq!(lines.len(), wanted.len(), "{text}\n{lines:#?}");
        for ((place, part), line) in wanted.iter().zip(lines) {
            assert!(line.starts_with(&format!("p.yaml:{place}: ")) && line.contains(part), "{text}\n{line}");
        }
    }
}

#[test]
fn the_shipped_profiles_are_clean() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let shelf = Shelf::beside(&path);
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let parsed =
            parse_with(&path.display().to_string(), &text, &shelf).unwrap_or_else(|error| panic!("{error}"));
        let lines = warnings(&parsed);
        assert!(lines.is_empty(), "{lines:#?}");
        check(compile(&parsed.profile, parsed.profile.mode).unwrap().words()).unwrap();
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn the_documented_examples_are_good() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROFILE.md")).unwrap();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("yaml\n"));
    let mut count = 0;
    for block in blocks.filter(|block| block.starts_with("apiVersion:")) {
        parse_any("PROFILE.md", block.as_bytes(), &Shelf::default())
            .unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert_eq!(count, 2);
}

#[test]
fn mangled_text_gives_a_message() {
    let good =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles/base.yaml")).unwrap();
    // One small rule set is enough, and soon compiled.
    let good = good.replace("[base, dns-client, tls-client]", "[tls-client]").into_bytes();
    let mut random = Random::new(3);
    for _ in 0..1500 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes.truncate(at + 1),
                1 => bytes[at] = b"{}[]*&!:-#\n\t \"'|%@\\\xff\0"[random.below(20)],
                2 => drop(bytes.remove(at)),
                3.. => bytes.insert(at, b"{}[]*&!:-#\n\t \"'|%@\\\xff\0"[random.below(20)]),
            }
        }
        match parse_any("p.yaml", &bytes, &Shelf::default()) {
            Ok(parsed) => parsed.findings.iter().for_each(|finding| assert!(!finding.to_string().is_empty())),
            Err(error) => assert!(error.to_string().contains("p.yaml"), "{}", bytes.escape_ascii()),
        }
    }
}

#[test]
fn a_long_list_is_read_quickly() {
    let mut text = HEAD.to_owned() + "  files:\n";
    for index in 0..5000 {
        text += &format!("    - path: /usr/share/{index}\n      access: [read, delete]\n");
    }
    let start = std::time::Instant::now();
    assert!(parse("p.yaml", &text).unwrap().findings.is_empty());
    assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
}
