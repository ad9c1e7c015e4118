//! The allowlist that all enforcers of a comparison get: what the measured programs need, and as many
//! rules more as were asked for. Written once as the product's profile and once as AppArmor's.

use std::fmt::Write;

/// What an allowlist holds one of.
enum Rule {
    Exec(String),
    File(String, &'static [&'static str]),
    /// Any port of an IPv4 network.
    Peer(&'static str),
}

/// Everything that the actor and nginx do: ten rules.
fn needed() -> Vec<Rule> {
    let file = |path: &str, access| Rule::File(path.to_owned(), access);
    vec![
        Rule::Exec("/stockade/guest".to_owned()),
        Rule::Exec("/usr/bin/busybox".to_owned()),
        Rule::Exec("/usr/sbin/nginx".to_owned()),
        Rule::Peer("127.0.0.0/8"),
        file("/tmp/b/**", &["read", "write", "create", "delete", "rename"]),
        file("/usr/lib/**", &["read", "map"]),
        file("/etc/**", &["read"]),
        file("/srv/bench/**", &["read"]),
        file("/var/{lib,log}/nginx{,/**}", &["read", "write", "create", "attr"]),
        file("/{run/bench.pid,dev/null}", &["read", "write", "create", "delete"]),
    ]
}

/// A further rule, of the kinds that real profiles hold: mostly plain names, some patterns.
fn further(number: usize) -> Rule {
    let (group, member) = (number / 10, number % 10);
    match member {
        0 => Rule::File(format!("/etc/app-{group}/*.conf"), &["read"]),
        1 => Rule::File(format!("/var/lib/app-{group}/**"), &["read", "write", "create", "delete"]),
        2 => Rule::File(format!("/usr/lib/app-{group}/lib*.so"), &["read", "map"]),
        3 => Rule::Exec(format!("/usr/bin/app-{group}")),
        _ => Rule::File(format!("/srv/app-{group}/data/file-{number:05}.dat"), &["read"]),
    }
}

/// So many rules, or those that are needed if that is more.
fn rules(count: usize) -> Vec<Rule> {
    let mut rules = needed();
    let more = count.saturating_sub(rules.len());
    rules.extend((0..more).map(further));
    rules
}

/// The product's profile `bench-COUNT`; its list of files comes last, so that one can be added.
pub(super) fn stockade(count: usize) -> String {
    profile(&format!("bench-{count}"), &rules(count))
}

/// A profile of one rule, which costs next to nothing to compile.
pub(super) fn smallest() -> String {
    profile("bench-1", &[Rule::File("/srv/one".to_owned(), &["read"])])
}

fn profile(name: &str, rules: &[Rule]) -> String {
    let (mut exec, mut peers, mut files) = (String::new(), String::new(), String::new());
    for rule in rules {
        // Writing to a string cannot fail.
        let _ = match rule {
            Rule::Exec(path) => writeln!(exec, "    - path: {path}"),
            Rule::Peer(to) => writeln!(peers, "    - to: {to}"),
            Rule::File(path, access) => {
                writeln!(files, "    - path: \"{path}\"\n      access: [{}]", access.join(", "))
            }
        };
    }
    let section = |name: &str, list: &str| match list {
        "" => String::new(),
        list => format!("  {name}:\n{list}"),
    };
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: enforce\n  \
         capabilities: [chown, dac_override, setgid, setuid]\n  listen:\n    - ports: [8088]\n{}{}{}",
        section("exec", &exec),
        section("peers", &peers),
        section("files", &files),
    )
}

/// The same as a profile of AppArmor's. It knows no networks, and counts no capabilities among its paths.
pub(super) fn apparmor(count: usize) -> String {
    let mut text = format!("profile bench-{count} {{\n  capability,\n  network,\n  signal,\n  unix,\n");
    for rule in rules(count) {
        let line = match rule {
            Rule::Exec(path) => format!("  {path} mrix,\n"),
            Rule::Peer(_) => String::new(),
            Rule::File(path, access) => {
                let mut letters: Vec<char> = access.iter().map(|access| letter(access)).collect();
                letters.sort_unstable();
                letters.dedup();
                format!("  \"{path}\" {},\n", letters.into_iter().collect::<String>())
            }
        };
        text.push_str(&line);
    }
    text.push_str("}\n");
    text
}

/// AppArmor's letter; it has one for everything that changes a file or its name.
fn letter(access: &str) -> char {
    match access {
        "read" => 'r',
        "map" => 'm',
        _ => 'w',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_profiles_hold_as_many_rules_as_asked_for() {
        for count in [10, 100, 1000] {
            let stockade = stockade(count);
            let lines = stockade
                .lines()
                .filter(|line| line.starts_with("    - path: ") || line.starts_with("    - to: "));
            assert_eq!(lines.count(), count);
            let apparmor = apparmor(count);
            let paths = apparmor.lines().filter(|line| line.trim_start_matches([' ', '"']).starts_with('/'));
            assert_eq!(paths.count(), count - 1, "all but the peer");
        }
    }

    #[test]
    fn the_list_of_files_is_last() {
        assert!(stockade(100).trim_end().ends_with(']'));
        assert!(smallest().ends_with("    - path: \"/srv/one\"\n      access: [read]\n"));
    }
}
