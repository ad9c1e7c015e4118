//! Policy tables: what passes the check may be walked in every way without leaving it.

use std::cell::Cell;

use stockade_abi::table::{self, MORE_STARTS, STARTS, Table, USED, high, low};

use super::mangle::Random;
use crate::compile::{check, compile_table};
use crate::profile::{Profile, Shelf, read_any};

/// A table that notices when something outside of its words in use is read.
struct Strict<'a> {
    words: &'a [u64],
    used: u32,
    outside: Cell<Option<u32>>,
}

impl Table for Strict<'_> {
    fn word(&self, index: u32) -> u64 {
        if index >= self.used {
            self.outside.set(Some(index));
        }
        self.words.word(index)
    }

    fn byte(&self, index: u32) -> u8 {
        self.word(index >> 3).to_le_bytes()[(index & 7) as usize]
    }

    fn half(&self, index: u32) -> u32 {
        let word = self.word(index >> 3);
        if index & 4 == 0 { low(word) } else { high(word) }
    }
}

/// The input is a profile, a zero byte, and a seed: the profile's table is damaged in ways that the seed
/// says. So the corpus outlives changes of the format. A profile that is none is replaced by a good one.
pub(super) fn read(input: &[u8]) -> bool {
    let (text, seed) = match input.iter().position(|byte| *byte == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &b""[..]),
    };
    let seed = seed
        .iter()
        .chain(text)
        .fold(7, |seed: u64, byte| seed.wrapping_mul(257).wrapping_add(u64::from(*byte)));
    let read = |text: &[u8]| read_any("p.yaml", text, &Shelf::default());
    let good = || read(include_bytes!("../../../tests/corpus/profile/whole.yaml")).unwrap();
    let profile = read(text).unwrap_or_else(|_| good());
    damage(&profile, &mut Random::new(seed)).is_some()
}

/// How many damaged tables passed the check; `None` when the profile has none.
fn damage(profile: &Profile, random: &mut Random) -> Option<usize> {
    let good = compile_table(profile).ok()?;
    assert_eq!(check(good.words()), Ok(()), "what the compiler makes passes");
    assert_eq!(walk(good.words(), random), None, "the walk leaves the table");
    let mut passed = 0;
    for _ in 0..60 {
        let mut words = good.words().to_vec();
        for _ in 0..=random.below(3) {
            change(&mut words, good.used_words(), random);
        }
        if check(&words).is_ok() {
            assert_eq!(walk(&words, random), None, "the walk leaves the table");
            passed += 1;
        }
    }
    Some(passed)
}

/// Changes one word among those in use, mostly to one that could stand there.
fn change(words: &mut Vec<u64>, used: usize, random: &mut Random) {
    // An earlier change may have cut it short.
    let used = used.min(words.len());
    let at = random.below(used + 2).min(words.len() - 1);
    let other = words[random.below(used)];
    let near = u64::try_from(used).unwrap_or(0);
    words[at] = match random.below(8) {
        0 => other,
        1 => words[at] ^ 1 << random.below(64),
        2 => words[at].rotate_left(32),
        3 => table::pair(low(words[at]), high(other)),
        4 => table::pair(low(other), high(words[at])),
        5 => words[at].wrapping_add(1),
        6 => near.wrapping_sub(1) | near << 32,
        _ => random.next(),
    };
    if random.below(200) == 0 {
        words.truncate(1 + random.below(used));
    }
}

/// Walks names made of bytes that lead on, and random ones, from every start. The word outside of those in
/// use that was read, if one was.
fn walk(words: &[u64], random: &mut Random) -> Option<u32> {
    let strict = Strict { words, used: low(words.word(USED)), outside: Cell::new(None) };
    for start in
        [STARTS, MORE_STARTS].map(|at| words.word(at)).into_iter().flat_map(|both| [low(both), high(both)])
    {
        for _ in 0..4 {
            let mut state = start;
            for _ in 0..200 {
                let first = random.next().to_le_bytes()[0];
                let mut bytes = (0..=u8::MAX).map(|byte| byte.wrapping_add(first));
                let alive = |byte: &u8| table::step(&strict, state, *byte) != table::DEAD;
                let byte = if random.below(8) == 0 { first } else { bytes.find(alive).unwrap_or(first) };
                state = table::step(&strict, state, byte);
                let _ = table::grant(&strict, state);
                if state == table::DEAD {
                    break;
                }
            }
        }
    }
    strict.outside.get()
}

/// The walks do find what the check is there for, and the check does not refuse everything.
#[test]
fn damage_is_found() {
    let mut profile = Profile::new("test", stockade_abi::reason::Mode::Enforce);
    for path in ["/a/*.log", "/abcdefgh/ijkl", "/**/x", "/srv/[a-f]/*"] {
        profile.files.push(crate::profile::FileRule::new(path, stockade_abi::access::READ));
    }
    let random = &mut Random::new(5);
    assert!(damage(&profile, random).is_some_and(|passed| passed > 0));
    let good = compile_table(&profile).unwrap();
    let mut left = 0;
    for _ in 0..2000 {
        let mut words = good.words().to_vec();
        change(&mut words, good.used_words(), random);
        let outside = words.len() == good.words().len() && walk(&words, random).is_some();
        assert!(!outside || check(&words).is_err());
        left += usize::from(outside);
    }
    assert!(left > 10, "{left}");
}
