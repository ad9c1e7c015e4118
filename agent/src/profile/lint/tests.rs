//! Findings that need the automaton.

use std::time::{Duration, Instant};

use crate::profile::parse;

fn lines(spec: &str) -> Vec<String> {
    let head =
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n  mode: enforce\n";
    let parsed = parse("p.yaml", &format!("{head}{spec}")).unwrap_or_else(|error| panic!("{error}"));
    parsed.findings.iter().map(crate::profile::Finding::line).collect()
}

fn files(rules: &[(&str, &str)]) -> String {
    let rule = |(path, access): &(&str, &str)| format!("    - {{path: '{path}', access: [{access}]}}\n");
    format!("  files:\n{}", rules.iter().map(rule).collect::<String>())
}

#[test]
fn rules_that_add_nothing() {
    let found = lines(&files(&[("/etc/**", "read"), ("/etc/passwd", "read"), ("/etc/group", "read, write")]));
    assert_eq!(found, ["p.yaml:8:7: files[1] `/etc/passwd` adds nothing: files[0] /etc/** grants all of it"]);
    let found = lines(&files(&[("/a/[ab]", "read"), ("/a/{b,c}", "read"), ("/a/{a,c}", "read")]));
    assert_eq!(found, ["p.yaml:9:7: files[2] `/a/{a,c}` adds nothing: other rules grant all of it"]);
    let found = lines(&format!(
        "{}  sessions: {{files: [{{path: /etc/x, access: [read]}}]}}\n",
        files(&[("/etc/*", "read")])
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    let pinned = "  exec:\n    - {path: /bin/*, args: [a]}\n    - {path: /bin/a}\n";
    let found = lines(pinned);
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
    // Unoptimised test builds are allowed ten times what the release build needs at most.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(found.len() <= 22, "{found:#?}");
    assert!(found.iter().any(|line| line.contains("more pairs")), "{found:#?}");
}
