//! Names of one directory that were made up while running: series of numbers, random parts, files without a name.

use std::collections::BTreeMap;

use stockade_abi::access::AccessSet;

use super::date::date_parts;
use super::generalise::{File, created};
use super::hex::hex_series;
use super::identifier::with_identifiers;
use super::pattern::{Pattern, is_number, numbers};
use super::random::random_names;

/// Names that differ only in numbers are a series from this many on.
pub(super) const SERIES: usize = 4;
/// The same for names that the subject itself created.
const CREATED_SERIES: usize = 2;
/// A run of so many digits in the name of a created file counts something.
const LONG_NUMBER: usize = 3;

/// What a log that was moved aside may end in when it was compressed.
const COMPRESSED: [&[u8]; 5] = [b".gz", b".bz2", b".lz4", b".xz", b".zst"];

/// Patterns for the names in one directory.
pub(super) fn name_patterns<'a, 'f>(
    entries: impl Iterator<Item = (&'a [u8], &'f File)>,
) -> BTreeMap<&'a [u8], Pattern> {
    let entries: Vec<_> = entries.collect();
    let mut found: BTreeMap<&[u8], Pattern> = BTreeMap::new();
    for (name, _) in &entries {
        if let Some(pattern) = unnamed(name) {
            found.insert(name, pattern);
        }
    }
    found.extend(hex_series(entries.iter().map(|(name, file)| (*name, created(file)))));
    for pattern in random_names(entries.iter().filter(|(_, file)| created(file)).map(|(name, _)| *name)) {
        absorb(&entries, &pattern, &mut found);
    }
    identified(&entries, &mut found);
    // Only names of one shape can be of one series: in a storm of names, all must not be compared with all.
    let mut shapes: BTreeMap<Pattern, Vec<(&[u8], &File)>> = BTreeMap::new();
    for (name, file) in entries.iter().filter(|(name, _)| !found.contains_key(name)) {
        let shape = numbers(name, |_, _| true);
        if !shape.is_literal() {
            shapes.entry(shape).or_default().push((*name, *file));
        }
    }
    for (shape, alike) in &shapes {
        if is_series(alike) {
            absorb(alike, shape, &mut found);
            continue;
        }
        for (name, file) in alike.iter().filter(|(_, file)| created(file)) {
            let pattern = numbers(name, made_up(name, file));
            if !pattern.is_literal() {
                absorb(alike, &pattern, &mut found);
            }
        }
    }
    found
}

/// Whether names of one shape are a series: some that the subject made, however it used them, or more that were used
/// alike.
fn is_series(alike: &[(&[u8], &File)]) -> bool {
    let mut used: BTreeMap<AccessSet, usize> = BTreeMap::new();
    for (_, file) in alike.iter().filter(|(_, file)| !created(file)) {
        *used.entry(file.access).or_default() += 1;
    }
    let made = alike.iter().filter(|(_, file)| created(file)).count();
    made >= CREATED_SERIES || used.values().any(|count| *count >= SERIES)
}

/// Which runs of digits in the name of a created file were made up for it, asked with where they begin.
fn made_up<'a>(name: &'a [u8], file: &'a File) -> impl Fn(usize, &[u8]) -> bool + 'a {
    let dates = date_parts(name);
    // Small numbers are part of many names: the process's own stands by itself, as that in `apache2` does not.
    let letter = |at: Option<usize>| at.and_then(|at| name.get(at)).is_some_and(u8::is_ascii_alphabetic);
    let by_itself = move |at: usize, run: &[u8]| !letter(at.checked_sub(1)) && !letter(Some(at + run.len()));
    let rotated = rotation(name);
    let is_own = |run: &[u8]| file.own_pids.iter().any(|pid| pid.to_string().as_bytes() == run);
    move |at, run| {
        run.len() >= LONG_NUMBER
            || rotated == Some(at)
            || by_itself(at, run) && is_own(run)
            || dates.iter().any(|part| part.start == at)
    }
}

/// Where the number of a log that was moved aside begins: `error.log.1`, `error.log.2.gz`.
fn rotation(name: &[u8]) -> Option<usize> {
    let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name);
    let at = plain.iter().rposition(|byte| !byte.is_ascii_digit())? + 1;
    let [.., before, b'.'] = plain.get(..at)? else { return None };
    (at < plain.len() && before.is_ascii_alphabetic()).then_some(at)
}

/// Gives a pattern to names that hold an identifier, if one of its form was made.
fn identified<'a>(entries: &[(&'a [u8], &File)], found: &mut BTreeMap<&'a [u8], Pattern>) {
    let mut forms: BTreeMap<Pattern, Vec<(&'a [u8], bool)>> = BTreeMap::new();
    for (name, file) in entries.iter().filter(|(name, _)| !found.contains_key(name)) {
        if let Some(pattern) = with_identifiers(name, made_up(name, file)) {
            forms.entry(pattern).or_default().push((*name, created(file)));
        }
    }
    forms.retain(|_, alike| alike.iter().any(|(_, made)| *made));
    let mut lengths: BTreeMap<Pattern, usize> = BTreeMap::new();
    for open in forms.keys().filter_map(Pattern::of_any_length) {
        *lengths.entry(open).or_default() += 1;
    }
    // Identifiers of two lengths will come in a third.
    for (open, _) in lengths.into_iter().filter(|(_, lengths)| *lengths > 1) {
        absorb(entries, &open, found);
    }
    for (pattern, alike) in forms {
        for (name, _) in alike {
            found.entry(name).or_insert_with(|| pattern.clone());
        }
    }
}

/// Gives `pattern` to every name of its form that has none.
fn absorb<'a>(entries: &[(&'a [u8], &File)], pattern: &Pattern, found: &mut BTreeMap<&'a [u8], Pattern>) {
    for (name, _) in entries {
        if pattern.fits(name) {
            found.entry(name).or_insert_with(|| pattern.clone());
        }
    }
}

/// `#123 (deleted)`: how the kernel shows a file that was made without a name.
fn unnamed(name: &[u8]) -> Option<Pattern> {
    let number = name.strip_prefix(b"#")?.strip_suffix(b" (deleted)")?;
    is_number(number).then(|| numbers(name, |_, _| true))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stockade_abi::access::{CREATE, READ};

    use super::*;

    fn globs(made: &[&str], read: &[&str]) -> BTreeSet<String> {
        let file = |access| File { access, ..File::default() };
        let (new, old) = (file(READ | CREATE), file(READ));
        let entries = made.iter().map(|name| (name, &new)).chain(read.iter().map(|name| (name, &old)));
        let found = name_patterns(entries.map(|(name, file)| (name.as_bytes(), file)));
        found.values().filter_map(Pattern::glob).collect()
    }

    #[test]
    fn identifiers_of_several_lengths() {
        let mails =
            ["1764655631.V33I1c4aM71234.mx", "1764655632.V33I1c4bM912345.mx", "1764655640.V33IbaM8123.mx"];
        assert_eq!(globs(&mails, &[]), BTreeSet::from(["[0-9]*.*.mx".to_owned()]));
        assert_eq!(globs(&mails[..1], &[]), BTreeSet::from(["[0-9]*.??????????????.mx".to_owned()]));
        // Without anything that they have in common, any name would do.
        let bare = ["a1b2c3d4e5f6", "a1b2c3d4e5f6a7"];
        assert_eq!(globs(&bare, &[]), bare.map(|name| "?".repeat(name.len())).into());
        assert_eq!(globs(&[], &mails), BTreeSet::new());
    }

    #[test]
    fn a_random_name_has_no_dots() {
        let made = ["10AF22C4", "9C71B0DD", "E5530AB1", "5E2B90F7", "8346.263"];
        assert_eq!(name_of(&made, "10AF22C4").as_deref(), Some("????????"));
        assert_ne!(name_of(&made, "8346.263").as_deref(), Some("????????"));
    }

    fn name_of(made: &[&str], name: &str) -> Option<String> {
        let file = File { access: READ | CREATE, ..File::default() };
        let found = name_patterns(made.iter().map(|name| (name.as_bytes(), &file)));
        found.get(name.as_bytes()).and_then(Pattern::glob)
    }
}
