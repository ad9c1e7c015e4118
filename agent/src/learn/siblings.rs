//! Files that a container writes and that have the same ending in one directory: tables, segments, uploads, cached pages.
//!
//! Which names they have depends on what its users do tomorrow. From the point on where naming each is the longer
//! description they are named by their ending, as files are that are only read (`trees.rs`). What runs is never named so:
//! no text of programs, no configuration, and nothing in a directory that holds something that is started or mapped.

use std::collections::BTreeMap;

use stockade_abi::access::{AccessSet, READ};

use super::directories::Entry;
use super::generalise::created;
use super::glob::{SIBLINGS, ending, is_text_of_programs, literal};
use super::how::How;
use super::pattern::{Pattern, Piece};
use super::trees::is_exact;

/// Endings of what decides what a program does, beside its text.
const SETTINGS: [&str; 12] =
    [".cfg", ".cnf", ".conf", ".env", ".ini", ".jar", ".class", ".service", ".toml", ".xml", ".yaml", ".yml"];

/// Gives one pattern for an ending to those of a directory's `entries` that have none in `names`, where that is shorter.
pub(super) fn same_ending<'a>(
    dir: &[u8],
    entries: &[Entry<'a, '_>],
    how: How<'_>,
    names: &mut BTreeMap<&'a [u8], Pattern>,
) {
    if dir.is_empty() || is_exact(dir) {
        return;
    }
    let mut groups: BTreeMap<&[u8], Vec<&Entry<'a, '_>>> = BTreeMap::new();
    for entry in entries.iter().filter(|(name, ..)| !names.contains_key(name)) {
        if let Some(ending) = ending(entry.0).filter(|ending| !decides(ending)) {
            groups.entry(ending).or_default().push(entry);
        }
    }
    for (ending, group) in groups {
        let access: AccessSet = group.iter().fold(0, |all, (_, _, file)| all | file.access);
        // To let something be written costs twice as much as to let it be read.
        let dear = if access & !READ == 0 { SIBLINGS } else { 2 * SIBLINGS };
        let Some(price) = how.width.price(dear) else { continue };
        let cost: usize = group.iter().map(|(_, path, _)| literal(path)).sum();
        let text = [dir, b"/*", ending].concat();
        // What was there before would be granted what the container does with its own.
        let granted_more = |(_, _, file): &&Entry<'a, '_>| !created(file) && access & !file.access != 0;
        if cost <= price + literal(&text) || group.iter().any(granted_more) {
            continue;
        }
        let mut pattern = Pattern::default();
        pattern.push(Piece::Name(ending.to_vec()));
        names.extend(group.into_iter().map(|(name, ..)| (*name, pattern.clone())));
    }
}

/// Whether files with this ending decide what a program does.
fn decides(ending: &[u8]) -> bool {
    is_text_of_programs(ending) || SETTINGS.iter().any(|known| known.as_bytes() == ending)
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{CREATE, DELETE, MAP, WRITE};
    use stockade_abi::reason::Operation;

    use super::super::generalise::generalise;
    use super::super::how::Width;
    use super::*;
    use crate::learn::Seen;

    const MADE: AccessSet = READ | WRITE | CREATE | DELETE;
    const WORDS: [&str; 10] =
        ["cat", "dog", "horse", "cow", "hen", "sheep", "goat", "duck", "mule", "rabbit"];

    fn one(path: String, access: AccessSet) -> Seen {
        Seen::bare(Operation::File, access, path)
    }

    fn words(dir: &str, ending: &str, access: AccessSet) -> Vec<Seen> {
        WORDS.iter().map(|word| one(format!("{dir}/{word}{ending}"), access)).collect()
    }

    fn paths(seen: &[Seen], width: Width) -> Vec<String> {
        let rules = generalise(seen, How { width, ..How::default() }).files;
        rules.into_iter().map(|rule| rule.path).collect()
    }

    #[test]
    fn ten_are_enough_and_three_are_not() {
        let uploads = words("/data/uploads", ".jpg", MADE);
        assert_eq!(paths(&uploads, Width::Normal), ["/data/uploads/*.jpg"]);
        assert_eq!(paths(&uploads[..3], Width::Normal).len(), 3);
        assert_eq!(paths(&uploads, Width::Exact).len(), 10);
        // Tables that came with the image and are only written, and what is only read beside them.
        let mut tables = words("/var/lib/app/db", ".MAD", READ | WRITE);
        tables.extend(words("/var/lib/app/db", ".frm", READ));
        assert_eq!(paths(&tables, Width::Normal), ["/var/lib/app/db/*.MAD", "/var/lib/app/db/*.frm"]);
    }

    #[test]
    fn where_each_is_named() {
        for (dir, ending) in [
            ("/data/app", ".php"),
            ("/data/app", ".sh"),
            ("/data/app", ".yaml"),
            ("/data/app", ".so"),
            ("/data/app", ""),
            ("/etc/app", ".dat"),
            ("/usr/share/app", ".dat"),
            ("/run/app", ".dat"),
            ("/srv/keys", ".key"),
        ] {
            assert_eq!(paths(&words(dir, ending, MADE), Width::Normal).len(), 10, "{dir} {ending}");
        }
        let mut mapped = words("/data/app", ".dat", MADE);
        mapped.push(one("/data/app/code.bin".to_owned(), MADE | MAP));
        assert_eq!(paths(&mapped, Width::Normal).len(), 11);
        // It came with the image, and was only read.
        let mut there = words("/data/app", ".dat", MADE);
        there.push(one("/data/app/default.dat".to_owned(), READ));
        assert_eq!(paths(&there, Width::Normal).len(), 11);
    }
}
