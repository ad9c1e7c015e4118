//! Names with counters in hexadecimal: `spill-1-9`, `spill-1-a`, `spill-1-10`.

use std::collections::{BTreeMap, BTreeSet};

use super::pattern::{Case, Pattern, Piece, runs};

/// So many values of a counter make it one.
const VALUES: usize = 6;
/// Digits of the longest counter.
const LONGEST: usize = 16;
/// What is no longer is not random: the directories among which a cache spreads its files, `00` to `FF`.
const SHORT: usize = 2;
/// What a counter of a fixed length begins with.
const PADDING: &[u8] = b"00";
/// Stands for a counter; no name holds it.
const COUNTER: u8 = 0;

/// A name, and whether it was made by the subject.
pub(super) type Name<'a> = (&'a [u8], bool);

/// Patterns for those of the names that differ in counters alone. Only what was made tells that something is one.
pub(super) fn hex_series<'a>(names: impl Iterator<Item = Name<'a>> + Clone) -> BTreeMap<&'a [u8], Pattern> {
    let mut found = BTreeMap::new();
    for case in [Case::Lower, Case::Upper] {
        let mut forms: BTreeMap<Vec<u8>, Vec<Name<'a>>> = BTreeMap::new();
        for (name, made) in names.clone() {
            forms.entry(case.form(name)).or_default().push((name, made));
        }
        for (form, alike) in forms {
            if let Some(pattern) = case.series(&form, &alike) {
                for (name, _) in alike {
                    found.entry(name).or_insert_with(|| pattern.clone());
                }
            }
        }
    }
    found
}

impl Case {
    fn is_counter(self, run: &[u8]) -> bool {
        run.len() <= LONGEST && run.iter().all(|byte| self.is_digit(*byte))
    }

    /// The name with all that could be a counter taken out.
    fn form(self, name: &[u8]) -> Vec<u8> {
        let mut form = Vec::new();
        for run in runs(name) {
            if self.is_counter(run) { form.push(COUNTER) } else { form.extend_from_slice(run) }
        }
        form
    }

    fn series(self, form: &[u8], alike: &[Name<'_>]) -> Option<Pattern> {
        let made: Vec<Vec<&[u8]>> = alike
            .iter()
            .filter(|(_, made)| *made)
            .map(|(name, _)| runs(name).filter(|run| self.is_counter(run)).collect())
            .collect();
        if made.len() < VALUES {
            return None;
        }
        let mut pattern = Pattern::default();
        let mut at = 0;
        let mut counts = false;
        for part in form.chunk_by(|a, b| *a != COUNTER && *b != COUNTER) {
            if part != [COUNTER] {
                pattern.push_literal(part);
                continue;
            }
            let values: BTreeSet<&[u8]> =
                made.iter().filter_map(|counters| counters.get(at).copied()).collect();
            at += 1;
            match values.first() {
                Some(only) if values.len() == 1 => pattern.push_literal(only),
                Some(_) | None => {
                    pattern.push(Piece::Hex(self));
                    counts |= is_count(&values);
                }
            }
        }
        counts.then_some(pattern)
    }
}

/// Whether these are values of one counter: most with a digit, as words are not, and not of one length, as what is random
/// is, unless they are short or begin with zeroes.
fn is_count(values: &BTreeSet<&[u8]>) -> bool {
    let lengths: BTreeSet<usize> = values.iter().map(|value| value.len()).collect();
    let with = |what: fn(&u8) -> bool| values.iter().filter(|value| value.iter().any(what)).count();
    let padded = values.iter().all(|value| value.len() <= SHORT || value.starts_with(PADDING));
    values.len() >= VALUES
        && (lengths.len() > 1 || padded)
        && with(u8::is_ascii_alphabetic) > 0
        && with(u8::is_ascii_digit) * 2 >= values.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(names: &[String], made: bool) -> BTreeSet<String> {
        let found = hex_series(names.iter().map(|name| (name.as_bytes(), made)));
        found.values().filter_map(Pattern::glob).collect()
    }

    #[test]
    fn counters() {
        let names: Vec<String> = (3..40).map(|n| format!("#spill-1-{:x}-{n:x}.MAD", n / 8 + 4)).collect();
        let one: BTreeSet<String> = ["#spill-1-[0-9a-f]*-[0-9a-f]*.MAD".to_owned()].into();
        assert_eq!(globs(&names, true), one);
        assert_eq!(globs(&names, false), BTreeSet::new());
        assert_eq!(globs(&names[..5], true), BTreeSet::new());
    }

    #[test]
    fn counters_of_a_fixed_length() {
        let only = |glob: &str| BTreeSet::from([glob.to_owned()]);
        let files: Vec<String> = (0..40).map(|n| format!("{n:08X}")).collect();
        assert_eq!(globs(&files, true), only("[0-9A-F]*"));
        let fan: Vec<String> = (0..16).map(|n| format!("{n:02X}")).collect();
        assert_eq!(globs(&fan, true), only("[0-9A-F]*"));
        let objects: Vec<String> = (0..9).map(|n| format!("{:02x}", n * 29)).collect();
        assert_eq!(globs(&objects, true), only("[0-9a-f]*"));
        assert_eq!(globs(&fan, false), BTreeSet::new());
    }

    #[test]
    fn other_names() {
        let numbers: Vec<String> = (1..40).map(|n| format!("part-{n}")).collect();
        let random: Vec<String> = (1..40_u64).map(|n| format!("{:08x}", n * 0x9e37_79b1)).collect();
        let words =
            ["a", "ad", "bed", "cab", "dead", "fed", "beef", "face", "1a"].map(|word| format!("in-{word}"));
        for names in [&numbers[..], &words] {
            assert_eq!(globs(names, true), BTreeSet::new(), "{names:?}");
        }
        let eight: Vec<String> = random.into_iter().filter(|name| name.len() == 8).collect();
        assert_eq!(globs(&eight, true), BTreeSet::new());
    }
}
