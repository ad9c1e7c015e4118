//! Rule sets: found, nested, named in messages, kept in the canonical form.

use std::path::{Path, PathBuf};

use stockade_abi::access;
use stockade_abi::reason::Mode;

use super::{FileRule, Finding, Kind, Profile, SetFile, Shelf, parse, parse_any, parse_with};

const HEAD: &str =
    "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: enforce\n";

fn set(name: &str, spec: &str) -> String {
    format!("apiVersion: stockade.dev/v1alpha1\nkind: RuleSet\nmetadata: {{ name: {name} }}\nspec:\n{spec}")
}

fn shelf(sets: &[(&str, String)]) -> Shelf {
    let mut shelf = Shelf::of(Path::new("/p/include"));
    for (name, text) in sets {
        let path = PathBuf::from(format!("/p/include/{name}.yaml"));
        shelf.add(SetFile { path, text: Ok(text.clone().into_bytes()) });
    }
    shelf
}

fn file(path: &str) -> String {
    format!("    - {{ path: {path}, access: [read] }}\n")
}

fn nested() -> Shelf {
    shelf(&[
        ("a", set("a", &format!("  include: [b, c]\n  files:\n{}{}", file("/a0"), file("/a1")))),
        ("b", set("b", &format!("  include: [c]\n  files:\n{}  deny:\n    exec: [/b]\n", file("/b0")))),
        ("c", set("c", &format!("  files:\n{}  sessions:\n    exec: [/c]\n", file("/c0")))),
    ])
}

fn good(text: &str, shelf: &Shelf) -> Profile {
    parse_with("p.yaml", text, shelf).unwrap_or_else(|error| panic!("{error}")).profile
}

fn bad(text: &str, shelf: &Shelf) -> String {
    parse_with("p.yaml", text, shelf).expect_err(text).to_string()
}

fn paths(profile: &Profile) -> Vec<&str> {
    profile.files.iter().map(|rule| rule.path.as_str()).collect()
}

#[test]
fn own_rules_come_first_and_each_set_once() {
    let text = format!("{HEAD}  include: [a, c]\n  files:\n{}", file("/own"));
    let profile = good(&text, &nested());
    assert_eq!(paths(&profile), ["/own", "/a0", "/a1", "/b0", "/c0"]);
    assert_eq!(profile.origin("files", 0), None);
    assert_eq!(profile.origin("files", 2), Some(("a", 1)));
    assert_eq!(profile.origin("files", 3), Some(("b", 0)));
    assert_eq!(profile.origin("files", 4), Some(("c", 0)));
    assert_eq!(profile.origin("files", 5), None);
    assert_eq!(profile.origin("deny.exec", 0), Some(("b", 0)));
    assert_eq!(profile.origin("sessions.exec", 0), Some(("c", 0)));
    assert_eq!(profile.origin("nonsense", 0), None);
    assert_eq!(paths(&profile.included()), ["/a0", "/a1", "/b0", "/c0"]);
}

#[test]
fn rules_are_shown_where_they_stand() {
    let profile = good(&format!("{HEAD}  include: [a]\n"), &nested());
    let policy = crate::compile::compile(&profile, Mode::Enforce).unwrap();
    let shown: Vec<String> = policy.rules().map(|(rule, _)| profile.shown(rule)).collect();
    assert!(shown.contains(&"a:files[1] /a1".to_owned()), "{shown:?}");
    assert!(shown.contains(&"c:sessions.exec[0] /c".to_owned()), "{shown:?}");
}

#[test]
fn the_canonical_form_names_what_is_included() {
    let text = format!("{HEAD}  include: [a, c]\n  files:\n{}", file("/own"));
    let mut profile = good(&text, &nested());
    let yaml = profile.to_yaml();
    assert!(yaml.contains("  include: [a, c]\n") && !yaml.contains("/a0"), "{yaml}");
    assert_eq!(good(&yaml, &nested()), profile);
    // Rules that are added behind those of rule sets are the profile's own.
    profile.files.push(FileRule::new("/more", access::READ));
    assert!(profile.to_yaml().contains("/more"));
}

#[test]
fn standalone_text_needs_nothing_else() {
    let text = format!("{HEAD}  include: [a, dns-client]\n");
    let profile = good(&text, &nested());
    let standalone = profile.standalone(&text);
    // Not even when other sets of these names are there.
    let others = shelf(&[("a", set("a", "  exec: []\n")), ("dns-client", "nonsense".to_owned())]);
    assert_eq!(good(&standalone, &others), profile);
    assert_eq!(parse("p.yaml", &standalone).unwrap().profile.standalone(&standalone), standalone);
    // The canonical form is the text of those that include nothing.
    assert_eq!(Profile::new("a", Mode::Audit).standalone("as it is"), "as it is");
    // A set without rules is one, too.
    let empty = good(&format!("{HEAD}  include: [e]\n"), &shelf(&[("e", set("e", "  {}\n"))]));
    assert_eq!(parse("p.yaml", &empty.standalone("")).unwrap().profile, empty);
}

/// Text after [`HEAD`], parts of the message.
const BAD: &[(&str, &[&str])] = &[
    (
        "  include: [tls-clent]\n",
        &["p.yaml:6:13]", "there is no rule set `tls-clent`", "did you mean `tls-client`?"],
    ),
    ("  include: [zzzzzzzzz]\n", &["p.yaml:6:13]", "there are base, binary, c, ca,", "/p/include/NAME.yaml"]),
    ("  include: base\n", &["p.yaml:6:12]", "a list is needed"]),
    ("  include: [base, 1]\n", &["p.yaml:6:19]", "the number 1"]),
    (
        "  include: [base, circle]\n",
        &[
            "p.yaml:6:19]",
            "`circle` cannot be used",
            "/p/include/round.yaml:5:13]",
            "circle → round → circle",
        ],
    ),
    ("  include: [self]\n", &["self → self"]),
    ("  include: [faulty]\n", &["p.yaml:6:13]", "/p/include/faulty.yaml:6:15]", "absolute"]),
    ("  include: [missing]\n", &["/p/include/missing.yaml:5:13]", "no rule set `nowhere`"]),
    ("  include: [other]\n", &["/p/include/other.yaml:1:1]", "named `another`, not `other`"]),
    ("  include: [profile]\n", &["/p/include/profile.yaml:2:7]", "only `RuleSet`"]),
    ("  include: [mode]\n", &["/p/include/mode.yaml:5:3]", "unknown field `mode`"]),
    ("  include: [several]\n", &["/p/include/several.yaml:7:1]", "more than one document"]),
    (
        "  include: [unreadable]\n",
        &["p.yaml:6:13]", "cannot read the rule set /p/include/unreadable.yaml: gone"],
    ),
    ("  include: [binary]\n", &["p.yaml:6:13]", "not UTF-8"]),
    ("  include: [deep1]\n", &["more than 16 deep"]),
];

fn faulty() -> Shelf {
    let mut sets = vec![
        ("ca", set("ca", "  exec: []\n")),
        ("c", set("c", "  exec: []\n")),
        ("circle", set("circle", "  include: [round]\n")),
        ("round", set("round", "  include: [circle]\n")),
        ("self", set("self", "  include: [self]\n")),
        ("faulty", set("faulty", "  exec:\n    - { path: x }\n")),
        ("missing", set("missing", "  include: [nowhere]\n")),
        ("other", set("another", "  exec: []\n")),
        ("profile", HEAD.to_owned()),
        ("mode", set("mode", "  mode: audit\n")),
        ("several", set("several", "  exec: []\n---\na: b\n")),
    ];
    let deep: Vec<(String, String)> = (1..20)
        .map(|depth| {
            (
                format!("deep{depth}"),
                set(&format!("deep{depth}"), &format!("  include: [deep{}]\n", depth + 1)),
            )
        })
        .collect();
    sets.extend(deep.iter().map(|(name, text)| (name.as_str(), text.clone())));
    let mut shelf = shelf(&sets);
    shelf.add(SetFile { path: "/p/include/unreadable.yaml".into(), text: Err("gone".to_owned()) });
    shelf.add(SetFile { path: "/p/include/binary.yaml".into(), text: Ok(vec![0xff]) });
    shelf
}

#[test]
fn problems_name_the_way_and_the_place() {
    let shelf = faulty();
    for (text, parts) in BAD {
        let shown = bad(&format!("{HEAD}{text}"), &shelf);
        for part in *parts {
            assert!(shown.contains(part), "{part}\n{text}\n{shown}");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_read_hides_the_library_too() {
    let shelf = Shelf::unknown(Path::new("/p/include"), "Permission denied".to_owned());
    let shown = bad(&format!("{HEAD}  include: [base]\n"), &shelf);
    assert!(shown.contains("`base` in /p/include: Permission denied"), "{shown}");
    good(&format!("{HEAD}  exec: []\n"), &shelf);
}

#[test]
fn rule_sets_behind_the_profile() {
    let text = format!(
        "{HEAD}  include: [a]\n---\n{}---\n{}",
        set("a", "  include: [b]\n"),
        set("b", &format!("  files:\n{}", file("/b")))
    );
    // They come before those of the directory.
    assert_eq!(paths(&good(&text, &nested())), ["/b"]);
    for (behind, place, part) in [
        (set("z", "  exec: []\n"), "p.yaml:8:1]", "nothing includes the rule set `z`"),
        (set("a", "  exec: [x]\n"), "p.yaml:12:10]", "write `- path: x`"),
        (HEAD.to_owned(), "p.yaml:8:1]", "more than one document"),
        (
            format!("{}---\n{}", set("a", "  exec: []\n"), set("a", "  exec: []\n")),
            "p.yaml:14:1]",
            "stands here twice",
        ),
    ] {
        let shown = bad(&format!("{HEAD}  include: [a]\n---\n{behind}"), &nested());
        assert!(shown.contains(place) && shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn files_beside_a_profile() {
    let dir = crate::testing::TempDir::new("beside");
    let include = dir.path().join("include");
    std::fs::create_dir(&include).unwrap();
    std::fs::write(include.join("a.yaml"), set("a", "  exec: []\n")).unwrap();
    std::fs::write(include.join(".b.yaml"), "hidden").unwrap();
    std::fs::write(include.join("c.yml"), "another ending").unwrap();
    for file in ["p.yaml", "include/a.yaml", "-"] {
        let wanted: &[&str] = if file == "-" { &[] } else { &["a"] };
        let file = if file == "-" { PathBuf::from(file) } else { dir.path().join(file) };
        assert!(Shelf::beside(&file).names().eq(wanted.iter().copied()), "{}", file.display());
    }
    assert_eq!(Shelf::read(Path::new("/nonexistent/x")).get("a"), Ok(None));
}

#[test]
fn a_rule_set_can_be_checked_by_itself() {
    let lint = |text: &str| parse_any("s.yaml", text.as_bytes(), &nested());
    let parsed = lint(&set("x", "  include: [a, a]\n")).unwrap();
    let lines: Vec<String> = parsed.findings.iter().map(Finding::line).collect();
    assert_eq!((parsed.kind, lines), (Kind::RuleSet, vec!["s.yaml:5:16: `a` is included twice".to_owned()]));
    assert!(lint(&set("b", "  include: [a]\n")).unwrap_err().to_string().contains("b → a → b"));
    assert_eq!(lint(&format!("{HEAD}  exec: []\n")).unwrap().kind, Kind::Profile);
}

/// Text after [`HEAD`], place and part of each warning in order.
const FINDINGS: &[(&str, &[(&str, &str)])] = &[
    ("  include: [base]\n  exec:\n    - path: /usr/lib/libx.so\n", &[]),
    (
        "  include: [base]\n  files:\n    - { path: /etc/ld.so.cache, access: [read] }\n    - { path: \"/dev/{null,full}\", access: [read] }\n",
        &[
            ("8:7", "files[0] `/etc/ld.so.cache` adds nothing"),
            ("9:7", "files[1] repeats base:files[9], `/dev/{null,full}`"),
        ],
    ),
    ("  include: [base]\n  files:\n    - { path: \"/dev/{null,full}\", access: [append, create] }\n", &[]),
    ("  include: [base, python, jvm, dns-client]\n", &[]),
    (
        "  include: [redis]\n  exec:\n    - path: /data/run\n",
        &[(
            "8:7",
            "what redis:files[2] /{data,var/lib/redis}{,/**} lets a process write, exec[0] /data/run lets it start",
        )],
    ),
    (
        "  include: [make, start]\n",
        &[("6:12", "what make:files[0] /opt/x lets a process write, start:exec[0] /opt/* lets it start")],
    ),
];

#[test]
fn findings_stand_in_the_profile() {
    let shelf = shelf(&[
        ("make", set("make", "  files:\n    - { path: /opt/x, access: [write] }\n")),
        ("start", set("start", "  exec:\n    - path: /opt/*\n")),
    ]);
    for (text, wanted) in FINDINGS {
        let parsed =
            parse_with("p.yaml", &format!("{HEAD}{text}"), &shelf).unwrap_or_else(|error| panic!("{error}"));
        let lines: Vec<String> = parsed.findings.iter().map(Finding::line).collect();
        assert_eq!(lines.len(), wanted.len(), "{text}\n{lines:#?}");
        for ((place, part), line) in wanted.iter().zip(lines) {
            assert!(line.starts_with(&format!("p.yaml:{place}: ")) && line.contains(part), "{text}\n{line}");
        }
    }
}
