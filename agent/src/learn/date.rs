//! Dates and times in names: tomorrow's log has another.

use std::ops::{Range, RangeInclusive};

/// What may stand between the parts of a date or a time. Those with nothing in between are long numbers anyway.
const BETWEEN: [u8; 5] = *b"-_.T:";
/// What may follow a year: month, day, hour, minute, second.
const FOLLOW: [RangeInclusive<u8>; 5] = [1..=12, 1..=31, 0..=23, 0..=59, 0..=60];

/// The runs of digits in `name` that make up dates: a year and a month, with what follows down to the second.
pub(super) fn date_parts(name: &[u8]) -> Vec<Range<usize>> {
    let runs = digit_runs(name);
    let mut parts = Vec::new();
    for (at, first) in runs.iter().enumerate() {
        let Some(year) = name.get(first.clone()) else { continue };
        if year.len() != 4 || !(year.starts_with(b"19") || year.starts_with(b"20")) {
            continue;
        }
        let date = parts.len();
        let mut end = first.end;
        for (run, allowed) in runs.iter().skip(at + 1).zip(FOLLOW) {
            let apart = run.start == end + 1 && name.get(end).is_some_and(|byte| BETWEEN.contains(byte));
            if !apart || !two_digits(name.get(run.clone())).is_some_and(|value| allowed.contains(&value)) {
                break;
            }
            parts.push(run.clone());
            end = run.end;
        }
        if parts.len() > date {
            parts.insert(date, first.clone());
        }
    }
    parts
}

fn digit_runs(name: &[u8]) -> Vec<Range<usize>> {
    let mut end = 0;
    let runs = name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).map(|run| {
        end += run.len();
        (run.first().is_some_and(u8::is_ascii_digit), end - run.len()..end)
    });
    runs.filter(|(digits, _)| *digits).map(|(_, run)| run).collect()
}

fn two_digits(run: Option<&[u8]>) -> Option<u8> {
    let [tens, ones] = run? else { return None };
    Some((tens - b'0') * 10 + (ones - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name with the digits of its dates as `N`.
    fn shown(name: &str) -> String {
        let parts = date_parts(name.as_bytes());
        let in_date = |at: usize| parts.iter().any(|part| part.contains(&at));
        name.char_indices().map(|(at, c)| if in_date(at) { 'N' } else { c }).collect()
    }

    #[test]
    fn dates_and_times() {
        for (name, expected) in [
            ("report-2026-11-28.csv", "report-NNNN-NN-NN.csv"),
            ("sales.2026.11.gz", "sales.NNNN.NN.gz"),
            ("v2-2026_02_29T23:59:60Z-7", "v2-NNNN_NN_NNTNN:NN:NNZ-7"),
            ("1999-12-31-to-2000-01-01", "NNNN-NN-NN-to-NNNN-NN-NN"),
            ("2026-11-28-00-15-00-99", "NNNN-NN-NN-NN-NN-NN-99"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }

    #[test]
    fn other_numbers_are_no_dates() {
        for name in
            ["", "2026", "a-12-28", "2026-13-01", "2026-1-1", "1026-11-28", "2026--11", "2026a11", "x2026"]
        {
            assert_eq!(shown(name), name);
        }
        assert_eq!(shown("2026-11-32"), "NNNN-NN-32");
    }
}
