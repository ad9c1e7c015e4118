//! Names of files that were made up, directory by directory. Directories that were made up themselves, and by one pattern,
//! are looked at as one: of the names that a queue spreads over directories `0` to `F`, each holds a few.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access;

use super::formless::{any_name, guarded};
use super::generalise::{Code, File, created, split};
use super::how::How;
use super::names::{SERIES, name_patterns};
use super::numbered::{attached, numbered};
use super::pattern::{Pattern, Piece, is_number, must_stay_literal};
use super::siblings::same_ending;

/// A file in its directory: its name, its path, and what is known of it.
pub(super) type Entry<'a, 'f> = (&'a [u8], &'a [u8], &'f File);

/// The files of each directory.
type Directories<'a, 'f> = BTreeMap<&'a [u8], Vec<Entry<'a, 'f>>>;
/// A directory and its files.
type Directory<'a, 'f> = (&'a [u8], &'f [Entry<'a, 'f>]);

/// Patterns for those paths that are not to be named exactly.
pub(super) fn patterns<'a>(
    files: &BTreeMap<&'a [u8], File>,
    code: &Code<'a>,
    how: How<'_>,
) -> BTreeMap<&'a [u8], Pattern> {
    let mut patterns = BTreeMap::new();
    let mut dirs = Directories::new();
    for (path, file) in files {
        let attached = || (file.access == access::READ).then(|| attached(path)).flatten();
        if let Some(pattern) = numbered(path).or_else(attached) {
            patterns.insert(*path, pattern);
            continue;
        }
        // What is mapped and was not made here came with the image, or with what is mounted.
        let of_others = file.access & access::MAP != 0 && !created(file);
        if of_others || code.exec.contains(path) || must_stay_literal(path, created(file)) {
            continue;
        }
        if let Some((dir, name)) = split(path) {
            dirs.entry(dir).or_default().push((name, *path, file));
        }
    }
    let parents = numbered_dirs(dirs.keys().copied());
    let guarded = guarded(files, code);
    for level in levels(&dirs) {
        // A directory that was made under a made-up name has its pattern by now: it is of the level before.
        let made: BTreeMap<&[u8], Pattern> = level
            .iter()
            .filter(|(dir, _)| files.get(dir).is_some_and(created))
            .filter_map(|(dir, _)| Some((*dir, patterns.get(dir)?.clone())))
            .collect();
        let mut alike: BTreeMap<Pattern, Vec<Directory<'a, '_>>> = BTreeMap::new();
        for (dir, entries) in level {
            let called = made.get(dir).cloned().unwrap_or_else(|| dir_pattern(dir, &parents, false));
            alike.entry(called).or_default().push((dir, entries));
        }
        for dirs_alike in alike.values() {
            let of_all = together(dirs_alike.iter().flat_map(|(_, entries)| *entries));
            let of_all = name_patterns(of_all.iter().map(|(name, file)| (*name, file)));
            for (dir, entries) in dirs_alike {
                let mut names = names_of(entries, &of_all);
                if !guarded.contains(dir) {
                    same_ending(dir, entries, how, &mut names);
                    any_name(dir, entries, how, &mut names);
                }
                for (name, path, file) in *entries {
                    let pattern = whole(dir, made.get(dir), &parents, name, names.get(name), file);
                    if !pattern.is_literal() {
                        patterns.insert(*path, pattern);
                    }
                }
            }
        }
    }
    patterns
}

/// The directories by their depth, the flattest first.
fn levels<'a, 'f>(dirs: &'f Directories<'a, 'f>) -> impl Iterator<Item = Vec<Directory<'a, 'f>>> {
    let mut levels: BTreeMap<usize, Vec<Directory<'a, 'f>>> = BTreeMap::new();
    for (dir, entries) in dirs {
        let depth = dir.iter().filter(|byte| **byte == b'/').count();
        levels.entry(depth).or_default().push((dir, entries));
    }
    levels.into_values()
}

/// The patterns `of_all` for the names of one directory.
fn names_of<'a>(entries: &[Entry<'a, '_>], of_all: &BTreeMap<&[u8], Pattern>) -> BTreeMap<&'a [u8], Pattern> {
    entries.iter().filter_map(|(name, ..)| Some((*name, of_all.get(name)?.clone()))).collect()
}

/// What is known of each name, in whatever directory.
fn together<'a, 'f>(entries: impl Iterator<Item = &'f Entry<'a, 'f>>) -> BTreeMap<&'a [u8], File>
where
    'a: 'f,
{
    let mut known: BTreeMap<&[u8], File> = BTreeMap::new();
    for (name, _, file) in entries {
        let all = known.entry(name).or_default();
        all.access |= file.access;
        all.own_pids.extend(&file.own_pids);
    }
    known
}

/// The path as a pattern, from that of its directory, where that was made up too, and that of its name.
fn whole(
    dir: &[u8],
    made: Option<&Pattern>,
    parents: &BTreeSet<&[u8]>,
    name: &[u8],
    name_pattern: Option<&Pattern>,
    file: &File,
) -> Pattern {
    // A created file that is only a number is kept in directories that are only numbers.
    let chain = is_number(name) && name_pattern.is_some() && created(file);
    // A month in the directory of its year.
    let part_of_date = made.is_some() && created(file) && is_number(name) && ends_in_number(dir);
    let mut pattern = made.cloned().unwrap_or_else(|| dir_pattern(dir, parents, chain));
    pattern.push_literal(b"/");
    match name_pattern {
        Some(name) => pattern.append(name),
        None if part_of_date => pattern.push(Piece::Number),
        None => pattern.push_literal(name),
    }
    pattern
}

fn ends_in_number(path: &[u8]) -> bool {
    split(path).is_some_and(|(_, name)| is_number(name))
}

/// Directories named by number that have enough siblings to be a series.
fn numbered_dirs<'a>(dirs: impl Iterator<Item = &'a [u8]>) -> BTreeSet<&'a [u8]> {
    let mut children: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
    for dir in dirs {
        let mut rest = dir;
        while let Some((parent, name)) = split(rest) {
            if is_number(name) {
                children.entry(parent).or_default().insert(name);
            }
            rest = parent;
        }
    }
    children.into_iter().filter(|(_, names)| names.len() >= SERIES).map(|(parent, _)| parent).collect()
}

/// The directory, with numbers for components that `parents` holds a series of, and with `chain` also
/// for the numbered ones at its end.
fn dir_pattern(dir: &[u8], parents: &BTreeSet<&[u8]>, chain: bool) -> Pattern {
    let Some((parent, name)) = split(dir) else { return Pattern::literal(dir) };
    let number = is_number(name) && (chain || parents.contains(parent));
    let mut pattern = dir_pattern(parent, parents, chain && number);
    pattern.push_literal(b"/");
    if number {
        pattern.push(Piece::Number);
    } else {
        pattern.push_literal(name);
    }
    pattern
}
