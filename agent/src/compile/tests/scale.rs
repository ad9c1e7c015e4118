//! Large profiles: how long they take, how large they are, and how those that are too much end.

use std::time::{Duration, Instant};

use stockade_abi::access::{APPEND, CREATE, READ, WRITE};
use stockade_abi::reason::Mode;
use stockade_abi::table::{LARGE, SMALL};

use super::limits::literals;
use super::reference::Random;
use crate::compile::{CompileError, PolicyTable, compile, compile_table};
use crate::profile::{ExecRule, FileRule, Profile};

/// A release build takes less than a second of it; a test build on a busy machine, twenty.
const LONG: Duration = Duration::from_secs(90);

fn table(name: &str, profile: &Profile) -> PolicyTable {
    let start = Instant::now();
    let table = compile_table(profile).unwrap();
    let compiled = start.elapsed();
    println!("{name}: {compiled:?}, {} words, {} states", table.used_words(), table.states());
    assert!(compiled < LONG, "{name}: {compiled:?}");
    table
}

fn refused(name: &str, globs: &[String]) -> CompileError {
    let start = Instant::now();
    let error = compile_table(&files(globs.iter().cloned())).unwrap_err();
    let elapsed = start.elapsed();
    println!("{name}: {elapsed:?}, {error}");
    assert!(elapsed < LONG, "{name}: {elapsed:?}");
    error
}

fn files(globs: impl Iterator<Item = String>) -> Profile {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files = globs.map(|glob| FileRule::new(glob, READ)).collect();
    profile
}

/// Rules as large profiles have them: a third of them literal.
fn mix(count: usize) -> Profile {
    let mut profile = literals(count / 3, 60);
    let accesses = [READ, READ | WRITE, CREATE | APPEND, READ | CREATE];
    for index in 0..count - count / 3 {
        let access = accesses[index % accesses.len()];
        let glob = match index % 8 {
            0 => format!("/opt/app{index}/**"),
            1 => format!("/srv/{index}/*.log"),
            2 => format!("/var/lib/{{db,cache}}-{index}/*/data.[0-9]*"),
            3 => format!("/home/user{index}/**/config.yaml"),
            4 => format!("/tmp/session-{index}-*"),
            5 => format!("/usr/share/pkg{index}/{{locale,doc/{{html,txt}}}}/*.[a-z][a-z]"),
            6 => format!("/run/user/{index}/[!.]*.sock"),
            7.. => format!("/var/log/service{index}/*/*.log.?"),
        };
        if index % 100 == 7 {
            profile.exec.push(ExecRule::new(format!("/opt/app{index}/bin/*")));
        }
        profile.files.push(FileRule::new(glob, access));
    }
    profile
}

#[test]
fn ten_thousand_literals() {
    let table = table("ten thousand literals", &literals(10_000, 60));
    assert_eq!(table.words().len(), LARGE);
}

#[test]
fn ten_thousand_of_all_kinds() {
    let table = table("ten thousand of all kinds", &mix(10_000));
    assert!(table.used_words() < LARGE / 2, "{}", table.used_words());
    let start = Instant::now();
    assert_eq!(compile(&mix(10_000), Mode::Audit).unwrap().words(), table.words());
    println!("the same with names of rules: {:?}", start.elapsed());
}

#[test]
fn a_hundred_of_all_kinds() {
    assert!(table("a hundred of all kinds", &mix(100)).used_words() < 2 * SMALL);
}

#[test]
fn names_anywhere_share_their_loop() {
    let mut random = Random::new(3);
    let names = (0..10_000).map(|_| format!("/**/{:x}", random.word()));
    let table = table("ten thousand names anywhere", &files(names));
    assert!(table.used_words() < LARGE, "{}", table.used_words());
    let few = files((0..200).map(|index| format!("/**/name{index}")));
    assert!(compile_table(&few).unwrap().words().len() == SMALL);
    let trees = files((0..40).map(|index| format!("/**/dir{index}/**")));
    assert!(compile_table(&trees).unwrap().words().len() == SMALL);
}

#[test]
fn what_explodes_is_refused_soon_and_by_name() {
    let error = refused("a window", &["/harmless".to_owned(), format!("/x/*a{}", "?".repeat(24))]);
    assert!(matches!(&error, CompileError::TooComplex { worst } if worst[0].at.index == 1), "{error}");
    let globs: Vec<String> = (0..400).map(|index| format!("/**/x{index}/**/y{index}")).collect();
    assert!(refused("many trees", &globs).to_string().contains("fewer `*`"));
    let ways = format!("/{}/x*y", "{a,b,c,d}".repeat(6));
    assert!(compile_table(&files(std::iter::once(ways))).unwrap().states() < 20);
}

#[test]
fn what_rules_share_is_the_cost_of_each() {
    let window = |width: usize| format!("/**/*a{}b", "?".repeat(width));
    let globs = [window(18), window(20), "/etc/hosts".to_owned(), window(22), "/**/*.conf".to_owned()];
    let error = refused("three windows", &globs);
    let mut named: Vec<_> = error.rules().iter().map(|rule| rule.at.index).collect();
    named.sort_unstable();
    assert_eq!(named, [0, 1, 3], "{error}");
}

#[test]
fn rules_that_explode_are_told_from_the_others() {
    let mut profile = mix(2000);
    let harmless = profile.files.len();
    for index in 0..12 {
        let glob = format!("/**/a{index}*b*c*{index}/**/d*e*{index}");
        profile.files.push(FileRule::new(glob, [READ, WRITE, CREATE][index % 3]));
    }
    let error = compile_table(&profile).unwrap_err();
    println!("{error}");
    assert_eq!(error.rules().len(), 3);
    assert!(error.rules().iter().all(|rule| rule.at.index >= harmless), "{error}");
    // In a rule set, it is found by the set's name and its place there.
    let mut set = Profile::new("wild", Mode::Audit);
    set.files = profile.files.split_off(harmless);
    profile.change_own(|own| own.absorb(set));
    let text = compile_table(&profile).unwrap_err().to_string();
    assert!(text.contains("\n  wild:files[") && text.contains("fewer `*` and `**`"), "{text}");
}
