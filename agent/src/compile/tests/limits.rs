//! Sizes, work limits, damaged tables.

use std::time::{Duration, Instant};

use stockade_abi::access::READ;
use stockade_abi::reason::Mode;
use stockade_abi::table::{
    CLASSES, FORMAT, GRANT_WORDS, GRANTS, MAGIC, MEDIUM, PINS, PLAIN, RUN, SMALL, Table, USED, grant, high,
    low, pair, walk,
};

use super::reference::Random;
use super::{policy, readers, reads};
use crate::compile::{CompileError, TableError, check, compile, compile_table};
use crate::profile::{FileRule, Profile};

pub(super) fn literals(count: usize, len: usize) -> Profile {
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
    // Unoptimised test builds on a busy machine are slow.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(policy.words().len(), MEDIUM);
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
    let [a, b] = [Mode::Audit, Mode::Enforce].map(|mode| compile(&profile, mode).unwrap());
    assert_eq!(a.words(), b.words());
    assert_eq!(a.words(), compile_table(&profile).unwrap().words());
    profile.files.reverse();
    assert_eq!(a.words(), compile_table(&profile).unwrap().words());
}

#[test]
fn too_large_names_the_dearest_rules() {
    let mut profile = literals(15_000, 100);
    profile.files.push(FileRule::new(format!("/big/{}", "0123456789".repeat(300)), READ));
    let error = compile_table(&profile).unwrap_err();
    assert!(matches!(error, CompileError::TooLong { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("files[15000] /big/"), "{text}");
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
        wander(&words, &mut random);
    }
    assert!(refused > 1500, "{refused}");
}

/// Walks a table that was accepted; it must stay inside whatever it reads.
fn wander(words: &[u64], random: &mut Random) {
    let inside = Inside(words);
    for start in [2, 3].map(|word| words[word]) {
        for state in [low(start), high(start)] {
            let noise: Vec<u8> = (0..40).map(|_| random.byte()).collect();
            grant(&inside, walk(&inside, state, &noise));
            for end in 0..20 {
                grant(&inside, walk(&inside, state, &b"/etc/usr/lib/self.so"[..end]));
                grant(&inside, walk(&inside, state, &b"/usr/lib/libx.so.1"[..end.min(18)]));
            }
        }
    }
}

struct Inside<'a>(&'a [u64]);

impl Table for Inside<'_> {
    fn word(&self, index: u32) -> u64 {
        assert!(index < low(self.0[USED as usize]), "word {index} is outside");
        self.0[index as usize]
    }

    fn byte(&self, index: u32) -> u8 {
        self.word(index >> 3).to_le_bytes()[(index & 7) as usize]
    }

    fn half(&self, index: u32) -> u32 {
        assert_eq!(index & 3, 0);
        let word = self.word(index >> 3);
        if index & 4 == 0 { low(word) } else { high(word) }
    }
}

/// A table of any words: the first ones good, states that mostly lead to each other.
fn any_table(random: &mut Random) -> Vec<u64> {
    let (grants, states) = (GRANTS as usize, (GRANTS + GRANT_WORDS) as usize);
    let used = states + 1 + random.below(60);
    let state = |random: &mut Random| {
        let place = u32::try_from(grants + random.below(used - grants)).unwrap();
        match random.below(8) {
            0 => 0,
            1 | 2 => (place * 8 + u32::try_from(random.below(8)).unwrap()) | RUN,
            3 => place | PLAIN,
            4 => u32::try_from(random.word() >> 32).unwrap(),
            5.. => place,
        }
    };
    let mut words = vec![0; SMALL];
    words[0] = pair(MAGIC, FORMAT);
    words[1] = pair(u32::try_from(used).unwrap(), 1);
    words[2] = pair(state(random), state(random));
    words[3] = pair(state(random), 0);
    words[PINS as usize] = pair(u32::try_from(states).unwrap(), 0);
    let classes = 1 + random.below(3);
    for word in &mut words[CLASSES as usize..grants] {
        *word = u64::from_le_bytes([0; 8].map(|_: u8| u8::try_from(1 + random.below(classes)).unwrap()));
    }
    for word in words.iter_mut().take(used).skip(states) {
        *word = match random.below(6) {
            0 => pair(state(random), state(random)),
            1 => pair(0, state(random)),
            2 => u64::from_le_bytes([0; 8].map(|_: u8| random.byte() * u8::from(random.below(5) > 0))),
            3.. => 0,
        };
    }
    words
}

#[test]
fn any_words_are_refused_or_harmless() {
    let mut random = Random::new(21);
    let mut accepted = 0;
    for _ in 0..6000 {
        let mut words = any_table(&mut random);
        // What nothing leads to must be zero: clear it, as far as the check names it.
        for _ in 0..60 {
            match check(&words) {
                Err(TableError::NotZero(word)) => words[word] = 0,
                Err(_) => break,
                Ok(()) => {
                    accepted += 1;
                    wander(&words, &mut random);
                    break;
                }
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
    for _ in 0..100 {
        let words: Vec<u64> = (0..SMALL).map(|_| random.word()).collect();
        assert!(check(&words).is_err());
    }
}

#[test]
fn truncated_words_are_refused() {
    let policy = readers(&["/etc/**"]);
    for len in [0, 1, 35, 36, policy.used_words(), SMALL - 1] {
        assert_eq!(check(&policy.words()[..len]), Err(TableError::Size(len)));
    }
    let mut longer = policy.words().to_vec();
    longer.push(0);
    assert!(check(&longer).is_err());
    for cut in policy.used_words() - 4..policy.used_words() {
        let mut words = policy.words().to_vec();
        words[USED as usize] = words[USED as usize] & !0xffff_ffff | u64::try_from(cut).unwrap();
        assert!(check(&words).is_err(), "{cut}");
    }
}
