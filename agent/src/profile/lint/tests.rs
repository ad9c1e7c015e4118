//! Findings that need the automaton.

use std::time::{Duration, Instant};

use crate::profile::{Weight, parse};

fn lines(spec: &str) -> Vec<String> {
    let head =
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n  mode: enforce\n";
    let parsed = parse("p.yaml", &format!("{head}{spec}")).unwrap_or_else(|error| panic!("{error}"));
    let lines =
        parsed.findings.iter().map(|finding| (finding.problem().weight == Weight::Note, finding.line()));
    lines.map(|(note, line)| if note { format!("note {line}") } else { line }).collect()
}

fn warnings(spec: &str) -> Vec<String> {
    let mut found = lines(spec);
    found.retain(|line| !line.starts_with("note "));
    found
}

fn files(rules: &[(&str, &str)]) -> String {
    let rule = |(path, access): &(&str, &str)| format!("    - {{path: '{path}', access: [{access}]}}\n");
    format!("  files:\n{}", rules.iter().map(rule).collect::<String>())
}

#[test]
fn rules_that_add_nothing() {
    let found =
        warnings(&files(&[("/etc/**", "read"), ("/etc/passwd", "read"), ("/etc/group", "read, write")]));
    assert_eq!(found, ["p.yaml:8:7: files[1] `/etc/passwd` adds nothing: files[0] /etc/** grants all of it"]);
    let found = warnings(&files(&[("/a/[ab]", "read"), ("/a/{b,c}", "read"), ("/a/{a,c}", "read")]));
    assert_eq!(found, ["p.yaml:9:7: files[2] `/a/{a,c}` adds nothing: other rules grant all of it"]);
    let found = warnings(&format!(
        "{}  sessions: {{files: [{{path: /etc/x, access: [read]}}]}}\n",
        files(&[("/etc/*", "read")])
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    let pinned = "  exec:\n    - {path: /bin/*, args: [a]}\n    - {path: /bin/a}\n";
    let found = warnings(pinned);
    assert!(found.iter().all(|line| line.contains("`args`")), "{found:?}");
}

#[test]
fn the_same_in_another_order() {
    let found = lines(&files(&[("/a/{b,c}", "read"), ("/a/{c,b}", "map")]));
    assert_eq!(found, ["p.yaml:8:7: files[1] repeats files[0], `/a/{c,b}`"]);
}

#[test]
fn rules_that_match_no_path() {
    for path in ["/a/[.]", "/a/[.][.]/b", "/dev/null/*"] {
        let found = lines(&files(&[(path, "read")]));
        assert!(found.len() == 1 && found[0].contains("can never match"), "{path}: {found:?}");
    }
    assert_eq!(lines(&files(&[("/a/[.]*", "read"), ("/a/{[.],b}", "map")])), [""; 0]);
}

#[test]
fn files_to_write_and_to_run() {
    let exec = "  exec: [{path: '/opt/*/bin/app'}]\n";
    let found = lines(&format!("{exec}{}", files(&[("/opt/**", "read, create")])));
    assert_eq!(
        found,
        [
            "p.yaml:8:7: what files[0] /opt/** lets a process write, exec[0] /opt/*/bin/app lets it start, for example /opt/a/bin/app"
        ]
    );
    let found = lines(&files(&[("/usr/lib/*.so", "read, map"), ("/usr/lib/[xy]*", "write")]));
    assert!(found.len() == 1 && found[0].ends_with("lets it map, for example /usr/lib/x.so"), "{found:?}");
    let found = lines(&format!("{exec}{}", files(&[("/opt/*", "create, rename")])));
    let swap =
        "p.yaml:8:7: files[0] /opt/* lets a process replace a directory, and /opt/a/bin/app in it can be run";
    assert!(found.iter().any(|line| line == swap), "{found:?}");
    let found = lines(&format!("{exec}{}", files(&[("/opt/*", "create"), ("/srv/**", "write")])));
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_thousand_rules() {
    let mut spec = String::from("  files:\n    - {path: '/srv/**', access: [read, write]}\n");
    for index in 0..1000 {
        let path = format!("/srv/data/{index}/some/long/name/of/a/file*");
        spec.push_str(&format!("    - {{path: '{path}', access: [read, map]}}\n"));
    }
    let start = Instant::now();
    let found = lines(&spec);
    // Far more than an unoptimised test build needs on a busy machine.
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
    assert_eq!(found.len(), 2000, "{found:#?}");
}

#[test]
fn every_covered_rule_is_found() {
    // Each by the one before it, by several together, by one with more accesses, and by a wide one.
    let mut rules = vec![("/srv/**".to_owned(), "read"), ("/opt/[a-m]*".to_owned(), "read, write")];
    rules.push(("/opt/[n-z]*".to_owned(), "read"));
    let fixed = rules.len();
    for index in 0..30 {
        rules.push((format!("/srv/{index}/**"), "read"));
        rules.push((format!("/srv/x{index}"), "read, write"));
        rules.push((format!("/opt/{{a,z}}{index}"), "read"));
    }
    let rules: Vec<(&str, &str)> = rules.iter().map(|(path, access)| (path.as_str(), *access)).collect();
    let found = warnings(&files(&rules));
    for (index, (path, access)) in rules.iter().enumerate() {
        let said =
            found.iter().filter(|line| line.contains(&format!("files[{index}] `{path}` adds nothing")));
        let covered = index >= fixed && *access == "read";
        assert_eq!(said.count(), usize::from(covered), "{path}: {found:#?}");
    }
    assert_eq!(found.len(), 60, "{found:#?}");
}

#[test]
fn deny_rules_without_effect() {
    let deny =
        |rules: &str| format!("{}  deny:\n{rules}", files(&[("/srv/**", "read, write"), ("/etc/*", "read")]));
    let found = lines(&deny("    files:\n      - {path: /opt/**, access: [read]}\n"));
    assert_eq!(found, ["note p.yaml:11:9: deny.files[0] `/opt/**` denies nothing that any rule grants"]);
    let found = lines(&deny("    files:\n      - {path: /etc/*, access: [write]}\n"));
    assert_eq!(found, ["note p.yaml:11:9: deny.files[0] `/etc/*` denies nothing that any rule grants"]);
    assert_eq!(lines(&deny("    files:\n      - {path: /srv/x/*, access: [append]}\n")), [""; 0]);
    let found = lines(&deny(
        "    files:\n      - {path: /srv/x/**, access: [read]}\n      - {path: /srv/x/y, access: [read]}\n",
    ));
    assert_eq!(
        found,
        ["p.yaml:12:9: deny.files[1] `/srv/x/y` adds nothing: deny.files[0] /srv/x/** denies all of it"]
    );
    let found = lines(&deny("    files:\n      - {path: '/etc/{a*,[!a]*}', access: [read]}\n"));
    assert_eq!(found, ["p.yaml:8:7: files[1] `/etc/*` grants nothing: deny rules take all of it"]);
}

#[test]
fn rules_that_overlap() {
    let found = lines(&files(&[("/a/*b", "read"), ("/a/b*", "read, write"), ("/a/c", "read")]));
    assert_eq!(
        found,
        ["note p.yaml:8:7: files[0] /a/*b and files[1] /a/b* overlap: both grant read, for example to /a/b"]
    );
    assert_eq!(lines(&files(&[("/a/*b", "read"), ("/a/b*", "write")])), [""; 0]);
}

#[test]
fn ten_thousand_rules() {
    let rule = |index: usize| match index % 5 {
        0 => (format!("/srv/{index}/*.log"), "read"),
        1 => (format!("/opt/app{index}/**"), "read, create, delete"),
        2 => (format!("/var/lib/{{db,cache}}-{index}/*/data"), "read, write"),
        3 => (format!("/**/name{index}"), "read"),
        _ => (format!("/usr/lib/pkg{index}/lib?.so"), "read, map"),
    };
    let rules: Vec<(String, &str)> = (0..10_000).map(rule).collect();
    let rules: Vec<(&str, &str)> = rules.iter().map(|(path, access)| (path.as_str(), *access)).collect();
    let start = Instant::now();
    let found = warnings(&files(&rules));
    println!("{:?}", start.elapsed());
    // A release build takes two seconds at most.
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
    assert_eq!(found, [""; 0]);
}
