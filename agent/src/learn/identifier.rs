//! Names that hold an identifier: one is enough to tell that there will be others.
//!
//! Sessions, uploads, replicas and objects are named by hashes, UUIDs and random letters. What is seen first in production
//! need not be seen three times: a mixture of letters and digits that changes all the time is nobody's choice of a
//! name.

use std::ops::Range;

use super::pattern::{Case, Pattern, Piece, numbers, runs};

/// Shortest identifier: a random part of a pod's name.
const SHORTEST: usize = 10;
/// From here on it is long: by chance, fewer changes are seen in proportion.
const LONG: usize = 16;
/// So often letters and digits take turns at least.
const TURNS: usize = 4;
/// Hexadecimal digits of 32 bits, as checksums and times are written, and how often digits and letters take turns in them:
/// in nine of ten that are made up by chance.
const WORD: usize = 8;
const TURNS_OF_WORD: usize = 2;
/// Lengths of a UUID's parts.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

/// The name with its identifiers left open, and those runs of digits beside them that `is_number`; `None` where it holds none.
pub(super) fn with_identifiers(name: &[u8], is_number: impl Fn(usize, &[u8]) -> bool) -> Option<Pattern> {
    let found = identifiers(name);
    if found.is_empty() {
        return None;
    }
    let mut pattern = Pattern::default();
    let mut at = 0;
    let plain = |range: Range<usize>, pattern: &mut Pattern| {
        let start = range.start;
        let part = name.get(range).unwrap_or(b"");
        pattern.append(&numbers(part, |at, run| is_number(start + at, run)));
    };
    for range in found {
        plain(at..range.start, &mut pattern);
        pattern.push(Piece::Any(range.len()));
        at = range.end;
    }
    plain(at..name.len(), &mut pattern);
    Some(pattern)
}

/// Where the identifiers of a name are.
fn identifiers(name: &[u8]) -> Vec<Range<usize>> {
    let mut end = 0;
    let runs: Vec<Range<usize>> = runs(name)
        .map(|run| {
            end += run.len();
            end - run.len()..end
        })
        .filter(|run| name.get(run.start).is_some_and(u8::is_ascii_alphanumeric))
        .collect();
    let mut found = Vec::new();
    let mut left = &runs[..];
    while let Some((first, rest)) = left.split_first() {
        if let Some(end) = uuid(name, left) {
            found.push(first.start..end);
            left = left.get(UUID.len()..).unwrap_or(&[]);
            continue;
        }
        if name.get(first.clone()).is_some_and(is_identifier) {
            found.push(first.clone());
        }
        left = rest;
    }
    found
}

/// Where the UUID ends that the first of these runs begin.
fn uuid(name: &[u8], runs: &[Range<usize>]) -> Option<usize> {
    let parts = runs.get(..UUID.len())?;
    let fits = parts.iter().zip(UUID).all(|(part, len)| {
        part.len() == len && name.get(part.clone()).is_some_and(|part| part.iter().all(u8::is_ascii_hexdigit))
    });
    let joined =
        parts.windows(2).all(|pair| matches!(pair, [a, b] if name.get(a.end..b.start) == Some(b"-")));
    (fits && joined).then(|| parts.last().map(|part| part.end))?
}

/// Whether a run of letters and digits is made up, by what it looks like.
pub(super) fn is_identifier(run: &[u8]) -> bool {
    let turns = run
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_digit() != b.is_ascii_digit()))
        .count();
    let often = if run.len() < LONG { 3 } else { 5 };
    let is_word = run.len() == WORD && turns >= TURNS_OF_WORD && is_hexadecimal(run);
    is_word || run.len() >= SHORTEST && turns >= TURNS && turns * often >= run.len()
}

/// Whether all are hexadecimal digits, with letters of one case.
pub(super) fn is_hexadecimal(run: &[u8]) -> bool {
    [Case::Lower, Case::Upper].iter().any(|case| run.iter().all(|byte| case.is_digit(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> Option<String> {
        with_identifiers(name.as_bytes(), |_, run| run.len() >= 3)?.glob()
    }

    #[test]
    fn one_is_enough() {
        for (name, glob) in [
            ("sess_srvoj0t5ak5ipd9nopct9b4g", "sess_????????????????????????"),
            ("3f2a9c1b7d4e.lower-test", "????????????.lower-test"),
            (
                "up-f47ac10b-58cc-4372-a567-0e02b2c3d479.part2000",
                "up-????????????????????????????????????.part[0-9]*",
            ),
            ("d41d8cd98f00b204e9800998ecf8427e", "????????????????????????????????"),
            ("web-7d4b9c6f5d-x2x9k.log", "web-??????????-x2x9k.log"),
            ("dovecot-uidvalidity.6b131edc", "dovecot-uidvalidity.????????"),
            ("chunk.0A1B77F3.bin", "chunk.????????.bin"),
            ("f47ac10b-58cc-4372", "????????-58cc-[0-9]*"),
        ] {
            assert_eq!(shown(name).as_deref(), Some(glob));
        }
    }

    #[test]
    fn words_numbers_and_versions_are_none() {
        for name in [
            "index.html",
            "libstdc++.so.6.0.30",
            "utf8mb4general",
            "x86_64-linux-gnu",
            "0000000100000000000000AF",
            "20261201T101500Z",
            "ipv4toipv6map",
            "orders-2026-11-28.log.1",
            "log4j2-core1.xml",
            "58cc-4372-a567",
            "beta1234",
            "feed2024",
            "0aB1Cd2e",
            "aVeryLongNameWithoutAnyDigitInIt",
            "",
        ] {
            assert_eq!(shown(name), None, "{name}");
        }
    }
}
