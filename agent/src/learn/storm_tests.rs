//! Tests with a hundred thousand names: a storm of temporary files, numbered jobs, and a large site; and names without
//! any form, where they may be named together and where each must be named by itself.

use std::time::{Duration, Instant};

use stockade_abi::access::{AccessSet, CREATE, DELETE, READ, WRITE};
use stockade_abi::reason::{Mode, Operation};

use super::Seen;
use super::complete::{Baseline, LIMIT, complete};
use super::evidence::tests::Dice;
use super::evidence::{Evidence, Phase, Window, unit};
use super::export::{Proposal, export, propose};
use super::generalise::generalise;
use super::how::How;
use super::made_code::MadeCode;
use super::store::{Adding, Key};
use super::things::things;
use crate::profile::FileRule;
use crate::store::Store;
use crate::testing::TempDir;

const NAMES: u64 = 100_000;
/// As many as the agent writes at once.
const BATCH: usize = 2000;

fn mixed(n: u64, dice: &mut Dice) -> (String, AccessSet) {
    match n % 8 {
        0 | 1 | 4 | 5 => (format!("/var/cache/app/{:016x}.tmp", dice.next()), READ | WRITE | CREATE | DELETE),
        2 => (format!("/var/spool/app/job-{n}"), CREATE | DELETE),
        6 => (format!("/var/spool/app/job-{}/data", n - 4), READ | WRITE | CREATE),
        _ => (format!("/srv/site/{}/{}/page{}-{n}.html", n % 7, n % 90, dice.below(5)), READ),
    }
}

/// A word that looks like no other, of three to seven syllables.
fn word(n: u64) -> String {
    let mut dice = Dice(n);
    const SYLLABLES: [&str; 16] =
        ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "wy"];
    let mut word: String =
        (0..3 + dice.below(3)).map(|_| SYLLABLES[usize::try_from(dice.below(16)).unwrap()]).collect();
    // The number makes it different from all others, and is none any more.
    let mut rest = n;
    while rest > 0 {
        word.push_str(SYLLABLES[usize::try_from(rest % 16).unwrap()]);
        rest /= 16;
    }
    word
}

fn formless(n: u64, dice: &mut Dice) -> (String, AccessSet) {
    let word = word(n);
    match n % 4 {
        0 => (format!("/var/lib/app/blobs/{word}"), READ | WRITE | CREATE | DELETE),
        1 => (
            format!("/var/cache/app/{}/{word}", ["a", "b", "c"][usize::try_from(dice.below(3)).unwrap()]),
            WRITE | CREATE,
        ),
        2 => (format!("/srv/objects/{word}"), READ),
        _ if n % 8 == 3 => (format!("/var/spool/app/{word}"), CREATE | DELETE),
        _ => (format!("/var/spool/app/{}/data", self::word(n - 4)), READ | WRITE | CREATE),
    }
}

fn sensitive(n: u64, _: &mut Dice) -> (String, AccessSet) {
    let word = word(n);
    match n % 2 {
        0 => (format!("/etc/app/sites/{word}"), READ | WRITE | CREATE | DELETE),
        _ => (format!("/home/app/.config/{word}"), READ),
    }
}

type Naming = fn(u64, &mut Dice) -> (String, AccessSet);

fn observed(n: u64, naming: Naming, dice: &mut Dice) -> (Key, Evidence) {
    let (object, access) = naming(n, dice);
    let second = i64::try_from(n).unwrap() / i64::try_from(BATCH).unwrap();
    let key = Key {
        profile: "web".to_owned(),
        session: false,
        operation: Operation::File as u8,
        access,
        object: object.into_bytes(),
    };
    let evidence = Evidence {
        first: second,
        last: second,
        count: 1,
        windows: [unit(second * 1000, 1)].into_iter().collect(),
        runs: [1].into_iter().collect(),
        phases: Phase::Steady as u8,
        exe: Some("/usr/bin/app".to_owned()),
        parent: Some("/usr/bin/sh".to_owned()),
        ..Evidence::default()
    };
    (key, evidence)
}

fn recorded(dir: &TempDir, naming: Naming) -> Baseline {
    let mut store = Store::open(dir.path()).unwrap();
    let mut dice = Dice(23);
    let batches: Vec<u64> = (0..NAMES).collect();
    for (second, batch) in (0_i64..).zip(batches.chunks(BATCH)) {
        let all: Vec<(Key, Evidence)> = batch.iter().map(|n| observed(*n, naming, &mut dice)).collect();
        let full = store.observe(all.iter().map(|(key, evidence)| (key, evidence)), Adding::New).unwrap();
        if !full.is_empty() {
            store.mark_incomplete("web", "there are too many observations", second).unwrap();
        }
        let window = Window { node: "n".to_owned(), started_ms: second * 1000, length_ms: 1000, units: 1 };
        store.add_window("web", &window).unwrap();
    }
    Baseline::read(&store, "web").unwrap()
}

/// The same without a database.
fn seen(naming: Naming) -> Vec<Seen> {
    let mut dice = Dice(23);
    let one = |n| {
        let (Key { access, object, .. }, evidence) = observed(n, naming, &mut dice);
        Seen { operation: Operation::File, access, object, evidence }
    };
    (0..NAMES).map(one).collect()
}

#[test]
fn a_storm_is_kept_whole_and_becomes_a_few_rules() {
    let began = Instant::now();
    let baseline = recorded(&TempDir::new("storm"), mixed);
    assert_eq!((baseline.seen.len() as u64, &baseline.loss), (NAMES, &None));
    let found = complete(&baseline, None, LIMIT, How::default());
    assert!(found.rules <= 20, "{} rules", found.rules);
    // It takes a tenth of that without optimisation. Comparing all with all takes minutes.
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}

#[test]
fn names_without_form_become_one_rule_for_a_directory() {
    let began = Instant::now();
    let rules = generalise(&seen(formless), How::default()).files;
    let all = READ | WRITE | CREATE | DELETE;
    let wanted = [
        ("/srv/objects/*", READ),
        ("/var/cache/app/a/*", WRITE | CREATE),
        ("/var/cache/app/b/*", WRITE | CREATE),
        ("/var/cache/app/c/*", WRITE | CREATE),
        ("/var/lib/app/blobs/*", all),
        ("/var/spool/app/*", CREATE | DELETE),
        ("/var/spool/app/*/data", READ | WRITE | CREATE),
    ];
    assert_eq!(rules, wanted.map(|(path, access)| FileRule::new(path, access)));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn names_in_sensitive_places_are_as_many_rules_and_nothing_is_lost() {
    let began = Instant::now();
    let baseline = Baseline { name: "web".to_owned(), seen: seen(sensitive), ..Baseline::default() };
    let found = complete(&baseline, None, LIMIT, How::default());
    assert_eq!(found.rules as u64, NAMES);
    // What would be denied is new: with the rules, nothing is.
    let Proposal { profile, .. } = propose("web", Mode::Enforce, None, &baseline.seen, How::default());
    assert_eq!(things(&baseline, Some(&profile), &profile, &MadeCode::default()).len(), 0);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
#[ignore = "measures the memory of the process, in which no other test may run"]
fn a_storm_fits_into_memory() {
    fits(mixed);
}

#[test]
#[ignore = "measures the memory of the process, in which no other test may run"]
fn names_without_form_fit_into_memory() {
    fits(formless);
}

#[test]
#[ignore = "measures the memory of the process, in which no other test may run"]
fn names_in_sensitive_places_fit_into_memory() {
    fits(sensitive);
}

/// What `learn report` does.
fn fits(naming: Naming) {
    let dir = TempDir::new("storm");
    let began = Instant::now();
    let baseline = recorded(&dir, naming);
    let read = (began.elapsed(), peak_kib());
    let found = complete(&baseline, None, LIMIT, How::default());
    let measured = (began.elapsed(), peak_kib());
    let text = export("web", Mode::Enforce, None, &baseline.seen, None, How::default()).yaml;
    let done = (began.elapsed(), peak_kib());
    eprintln!(
        "{NAMES} names: time and KiB {read:?} until read again, {measured:?} until measured, {done:?} in all, \
         {} rules of {} KiB",
        found.rules,
        text.len() / 1024
    );
    assert!(done.1 < 150 * 1024, "{} KiB", done.1);
}

/// The most memory that the process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
