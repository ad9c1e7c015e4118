//! Sizes, work limits, damaged tables.

use std::time::{Duration, Instant};

use stockade_abi::access::READ;
use stockade_abi::reason::Mode;
use stockade_abi::table::{LARGE, SMALL, USED, Words, walk};

use super::reference::Random;
use super::{policy, readers, reads};
use crate::compile::{CompileError, TableError, check, compile};
use crate::profile::{FileRule, Profile};

fn literals(count: usize, len: usize) -> Profile {
    let mut profile = Profile::new("test", Mode::Enforce);
    let mut random = Random::new(9);
    for index in 0..count {
        let mut path = format!("/usr/lib/{index}-");
        while path.len() < len {
            path.push(char::from(b'a' + random.byte() % 26));
        }
        profile.files.push(FileRule::new(path, READ));
    }
    profile
}

#[test]
fn an_empty_profile_is_small_and_grants_nothing() {
    let policy = policy(&Profile::new("test", Mode::Enforce));
    assert_eq!(policy.words().len(), SMALL);
    assert!(!reads(&policy, b"/"));
    assert!(!reads(&policy, b""));
}

#[test]
fn two_thousand_long_literals() {
    let profile = literals(2000, 60);
    let start = Instant::now();
    let policy = policy(&profile);
    // Unoptimised test builds are allowed ten times what the release build needs at most.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(policy.words().len(), LARGE);
    for (index, rule) in profile.files.iter().enumerate().step_by(97) {
        let decision = policy.decide(&super::Object::Path(rule.path.as_bytes()), READ, false);
        assert_eq!(decision.rule.unwrap().index, index);
        assert!(!reads(&policy, &rule.path.as_bytes()[..59]));
    }
}

#[test]
fn the_same_profile_gives_the_same_words() {
    let mut profile = literals(300, 30);
    profile.files.push(FileRule::new("/**/x*y[a-f]{q,r}", READ));
    let [a, b] = [3, 3].map(|generation| compile(&profile, Mode::Audit, generation).unwrap());
    assert_eq!(a.words(), b.words());
}

#[test]
fn too_large_names_the_dearest_rules() {
    let mut profile = literals(6000, 60);
    profile.files.push(FileRule::new(format!("/big/{}", "0123456789".repeat(300)), READ));
    let error = compile(&profile, Mode::Enforce, 1).unwrap_err();
    assert!(matches!(error, CompileError::TooLarge { .. } | CompileError::TooComplex { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("files[6000] /big/"), "{text}");
}

#[test]
fn a_blow_up_ends_in_a_named_error() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files.push(FileRule::new("/harmless", READ));
    profile.files.push(FileRule::new(format!("/x/*a{}", "?".repeat(24)), READ));
    let start = Instant::now();
    let error = compile(&profile, Mode::Enforce, 1).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let text = error.to_string();
    assert!(text.contains("files[1] /x/*a") && !text.contains("harmless\n  files"), "{text}");
}

#[test]
fn endless_rules_do_not_multiply() {
    let globs: Vec<String> = (0..40).map(|index| format!("/**/dir{index}/**")).collect();
    let globs: Vec<&str> = globs.iter().map(String::as_str).collect();
    let policy = readers(&globs);
    assert!(policy.states() < 1000, "{}", policy.states());
    assert!(reads(&policy, b"/x/dir3/dir7/y"));
    assert!(!reads(&policy, b"/x/dir3"));
}

#[test]
fn damaged_words_are_refused_or_harmless() {
    let policy = readers(&["/etc/**", "/usr/lib/*.so*", "/proc/self/[a-m]*", "/a/{b,c}/d"]);
    let used = policy.used_words();
    let mut random = Random::new(11);
    let mut refused = 0;
    for round in 0..6000 {
        let mut words = policy.words().to_vec();
        let at = if round % 2 == 0 { random.below(64) } else { random.below(used + 8) };
        words[at] ^= 1 << random.below(64);
        if check(&words).is_err() {
            refused += 1;
            continue;
        }
        // What passes must stay inside whatever it reads.
        let inside = Inside(&words);
        for start in [4, 5].map(|word| words[word]) {
            for state in [u32::try_from(start & 0xffff_ffff).unwrap(), u32::try_from(start >> 32).unwrap()] {
                let noise: Vec<u8> = (0..40).map(|_| random.byte()).collect();
                walk(&inside, state, &noise);
                walk(&inside, state, b"/etc/usr/lib/self.so");
            }
        }
    }
    assert!(refused > 1500, "{refused}");
}

struct Inside<'a>(&'a [u64]);

impl Words for Inside<'_> {
    fn word(&self, index: u32) -> u64 {
        assert!(u64::from(index) < self.0[USED as usize], "word {index} is outside");
        self.0[index as usize]
    }
}

#[test]
fn truncated_words_are_refused() {
    let policy = readers(&["/etc/**"]);
    for len in [0, 1, 39, 40, policy.used_words(), SMALL - 1] {
        assert_eq!(check(&policy.words()[..len]), Err(TableError::Size(len)));
    }
    let mut longer = policy.words().to_vec();
    longer.push(0);
    assert!(check(&longer).is_err());
    for cut in policy.used_words() - 4..policy.used_words() {
        let mut words = policy.words().to_vec();
        words[USED as usize] = u64::try_from(cut).unwrap();
        assert!(check(&words).is_err(), "{cut}");
    }
}
