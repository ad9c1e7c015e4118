//! Names with a random part, as `mkstemp`, hashes and UUIDs make them.

use super::identifier::{is_hexadecimal, is_identifier};
use super::pattern::{Pattern, Piece, random};

/// Names needed before a random part is believed.
const SIBLINGS: usize = 3;
/// Shortest random part: the six of `mkstemp`.
const SHORTEST: usize = 6;
/// Names of one directory that are looked at; comparing is quadratic.
const LOOKED_AT: usize = 512;

/// Patterns for groups of names of equal length that differ in one stretch, and there in most places.
pub(super) fn random_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<Pattern> {
    let all: Vec<&[u8]> = names.collect();
    // Names come in order, and the first ones begin alike.
    let mut left: Vec<&[u8]> = all.iter().step_by(all.len().div_ceil(LOOKED_AT).max(1)).copied().collect();
    left.sort_by_key(|name| name.len());
    let mut patterns = Vec::new();
    for group in left.chunk_by(|a, b| a.len() == b.len()) {
        let mut group = group.to_vec();
        while let Some((first, rest)) = group.split_first() {
            let (mut alike, other): (Vec<&[u8]>, Vec<&[u8]>) =
                rest.iter().partition(|name| window(&[first, name]).is_some());
            alike.push(first);
            if alike.len() >= SIBLINGS
                && let Some((start, end)) = window(&alike)
            {
                let mut pattern = Pattern::literal(first.get(..start).unwrap_or(b""));
                pattern.push(Piece::Any(end - start));
                pattern.push_literal(first.get(end..).unwrap_or(b""));
                patterns.push(pattern);
            }
            group = other;
        }
    }
    patterns
}

/// The stretch in which the names differ, when it looks random: long enough, made of the letters that
/// such names are made of, not a mere number, and different in at least half of its places.
fn window(names: &[&[u8]]) -> Option<(usize, usize)> {
    let (first, rest) = names.split_first()?;
    let len = first.len();
    let differs = |at: usize| rest.iter().any(|name| name.get(at) != first.get(at));
    let mut start = (0..len).find(|at| differs(*at))?;
    let end = (0..len).rev().find(|at| differs(*at))? + 1;
    // Two random strings may begin alike by chance.
    while end - start < SHORTEST && start > 0 && random(first.get(start - 1)?) {
        start -= 1;
    }
    let width = end - start;
    let parts: Option<Vec<&[u8]>> = names.iter().map(|name| name.get(start..end)).collect();
    let parts = parts?;
    let different = (start..end).filter(|at| differs(*at)).count();
    let is_random = width >= SHORTEST
        && different * 2 >= width
        && parts.iter().all(|part| part.iter().all(random))
        && !parts.iter().all(|part| part.iter().all(u8::is_ascii_digit))
        && parts.iter().filter(|part| is_word(part)).count() * 2 <= parts.len();
    is_random.then(|| whole(names, start, end))
}

/// The stretch from `start` to `end` without cutting anything in two. What is made from the time begins alike in all names of
/// an hour or a day, and in none of the next.
fn whole(names: &[&[u8]], start: usize, end: usize) -> (usize, usize) {
    let Some((first, _)) = names.split_first() else { return (start, end) };
    // Beside the stretch, all are alike.
    let before = |of: fn(&u8) -> bool| {
        let kept = first.get(..start).unwrap_or(b"").iter().rev().take_while(|byte| of(byte)).count();
        start - kept
    };
    let behind = |of: fn(&u8) -> bool| {
        end + first.get(end..).unwrap_or(b"").iter().take_while(|byte| of(byte)).count()
    };
    let (from, to) = (before(u8::is_ascii_alphanumeric), behind(u8::is_ascii_alphanumeric));
    let runs = || names.iter().filter_map(|name| name.get(from..to));
    let identifiers = runs().filter(|run| is_identifier(run)).count();
    let made_up =
        [from..start, end..to].into_iter().filter_map(|part| first.get(part)).any(begins_with_digit);
    if made_up && (runs().all(is_hexadecimal) || identifiers * 2 >= names.len()) {
        return (from, to);
    }
    let all = |at: Option<usize>| {
        names.iter().all(|name| at.and_then(|at| name.get(at)).is_some_and(u8::is_ascii_digit))
    };
    let from = if all(Some(start)) { before(u8::is_ascii_digit) } else { start };
    let to = if all(end.checked_sub(1)) { behind(u8::is_ascii_digit) } else { end };
    (from, to)
}

/// Whether it is part of what was made up: in a word that somebody chose, as in `php8`, the number comes last.
fn begins_with_digit(part: &[u8]) -> bool {
    part.first().is_some_and(u8::is_ascii_digit)
}

/// Whether this could be a word: letters, small or capital but not both in turns.
fn is_word(part: &[u8]) -> bool {
    let Some((_, rest)) = part.split_first() else { return false };
    let all = |small: bool| {
        rest.iter().all(|byte| byte.is_ascii_punctuation() || byte.is_ascii_lowercase() == small)
    };
    !part.iter().any(u8::is_ascii_digit) && (all(true) || all(false))
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::Dice;
    use super::*;

    fn globs(names: &[&str]) -> Vec<String> {
        random_names(names.iter().map(|name| name.as_bytes())).iter().filter_map(Pattern::glob).collect()
    }

    #[test]
    fn mkstemp() {
        assert_eq!(globs(&["tmp.aB3xYz", "tmp.Qw9Rt2", "tmp.k0LmN8", "other"]), ["tmp.??????"]);
        assert_eq!(globs(&["tmp.aB3xYz", "tmp.Qw9Rt2"]), [] as [String; 0]);
    }

    #[test]
    fn of_many_names_some_of_everywhere_are_looked_at() {
        let mut dice = Dice(3);
        let mut names: Vec<String> = (0..5000).map(|_| format!("{:016x}.tmp", dice.next())).collect();
        names.sort();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(globs(&names), ["????????????????.tmp"]);
    }

    #[test]
    fn what_begins_with_the_time() {
        // Seconds and microseconds in hexadecimal, digits and letters of both cases, and decimal digits.
        for (names, glob) in [
            (["6b10d3a1c4f2e.bin", "6b10d3b20917a.bin", "6b10d3ff00d1c.bin"], "?????????????.bin"),
            (["65A1B27F3D4100DE", "65A1B2C930E200DE", "65A1C0D319AF00DE"], "????????????????"),
            (
                ["u-01KBX2V7Q0M4Z8T1.up", "u-01KBX2W1H9B3D6F2.up", "u-01KBX9A4J7N5K0S8.up"],
                "u-????????????????.up",
            ),
            (
                ["job-1764655631-aB3xYz", "job-1764655744-Qw9Rt2", "job-1764655802-k0LmN8"],
                "job-?????????????????",
            ),
        ] {
            assert_eq!(globs(&names), [glob]);
        }
        assert_eq!(globs(&["php8aB3xYz", "php8Qw9Rt2", "php8k0LmN8"]), ["php8??????"]);
        assert_eq!(globs(&["run7_aB3xYz", "run7_Qw9Rt2", "run7_k0LmN8"]), ["run7_??????"]);
    }

    #[test]
    fn uuid_with_suffix() {
        let names = [
            "f47ac10b-58cc-4372-a567-0e02b2c3d479.json",
            "0c6f1e9a-1b7d-4d0e-9f3c-8a2b5c7d9e10.json",
            "9b2d7e44-aaaa-4b1c-8d2e-5f6a7b8c9d0e.json",
        ];
        let globs = globs(&names);
        assert_eq!(globs.len(), 1);
        assert!(globs[0].ends_with("?.json") && globs[0].starts_with("????????"), "{globs:?}");
    }

    #[test]
    fn words_and_numbers_are_not_random() {
        assert_eq!(globs(&["report-a", "report-b", "report-c"]), [] as [String; 0]);
        assert_eq!(globs(&["discard", "rewrite", "virtual", "tlsproxy"]), [] as [String; 0]);
        assert_eq!(globs(&["LICENSE", "VERSION", "CHANGES"]), [] as [String; 0]);
        assert_eq!(globs(&["qwzkvlpa", "x7_b2q9d", "k3m5zzat", "opqlrmnb"]), ["????????"]);
        assert_eq!(globs(&["0000000001", "0000000002", "0000000003"]), [] as [String; 0]);
        assert_eq!(globs(&["1834921111", "2093847522", "9182736455"]), [] as [String; 0]);
    }
}
