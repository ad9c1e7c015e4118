//! Names of one directory that were made up while running: series of numbers, random parts, files without a name.

use std::collections::BTreeMap;

use stockade_abi::access::{self, AccessSet};

use super::date::date_parts;
use super::generalise::{File, created};
use super::pattern::{Pattern, is_number, numbers};
use super::random::random_names;

/// Names that differ only in numbers are a series from this many on.
pub(super) const SERIES: usize = 4;
/// The same for names that the subject itself created.
const CREATED_SERIES: usize = 2;
/// A run of so many digits in the name of a created file counts something.
const LONG_NUMBER: usize = 3;

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
    for pattern in random_names(entries.iter().filter(|(_, file)| created(file)).map(|(name, _)| *name)) {
        absorb(&entries, &pattern, &mut found);
    }
    // Only names of one shape can be of one series: in a storm of names, all must not be compared with all.
    let mut shapes: BTreeMap<Pattern, Vec<(&[u8], &File)>> = BTreeMap::new();
    for (name, file) in entries.iter().filter(|(name, _)| !found.contains_key(name)) {
        let shape = numbers(name, |_, _| true);
        if !shape.is_literal() {
            shapes.entry(shape).or_default().push((*name, *file));
        }
    }
    for (shape, alike) in &shapes {
        let mut series: BTreeMap<AccessSet, usize> = BTreeMap::new();
        for (_, file) in alike {
            *series.entry(file.access).or_default() += 1;
        }
        let long_enough = |(access, count): (&AccessSet, &usize)| {
            *count >= if access & access::CREATE != 0 { CREATED_SERIES } else { SERIES }
        };
        if series.iter().any(long_enough) {
            absorb(alike, shape, &mut found);
            continue;
        }
        for (name, file) in alike.iter().filter(|(_, file)| created(file)) {
            let is_own = |run: &[u8]| file.own_pids.iter().any(|pid| pid.to_string().as_bytes() == run);
            let dates = date_parts(name);
            let in_date = |at: usize| dates.iter().any(|part| part.start == at);
            let pattern = numbers(name, |at, run| run.len() >= LONG_NUMBER || is_own(run) || in_date(at));
            if !pattern.is_literal() {
                absorb(alike, &pattern, &mut found);
            }
        }
    }
    found
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
