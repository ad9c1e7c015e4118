//! Names that a container makes up and that have no form: words, titles, what its users call things.
//!
//! Each is named by itself until naming all of its directory is the shorter description, which takes hundreds of names. Then
//! the rule lets in any name, so a directory must be the container's own: it holds nothing that is started or mapped,
//! no secret that others put there, and nothing that was only used and would now be granted more.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access::MAP;

use super::directories::Entry;
use super::generalise::{Code, File, created, split};
use super::glob::{FORMLESS, literal};
use super::how::How;
use super::pattern::{Pattern, Piece, looks_secret};
use super::trees::is_exact;

/// Random names of so many lengths are no random names.
const LENGTHS: usize = 3;
/// Letters that random names have in common by chance.
const CHANCE: usize = 2;

/// Directories that hold something which must not be met by a rule for all names.
pub(super) fn guarded<'a>(files: &BTreeMap<&'a [u8], File>, code: &Code<'a>) -> BTreeSet<&'a [u8]> {
    let sensitive =
        |(path, file): &(&&'a [u8], &File)| file.access & MAP != 0 || (!created(file) && looks_secret(path));
    let files = files.iter().filter(sensitive).map(|(path, _)| *path);
    files.chain(code.started()).filter_map(split).map(|(dir, _)| dir).collect()
}

/// Gives one pattern for all names to those of a directory's `entries` that have none in `names`, if that is shorter.
pub(super) fn any_name<'a>(
    dir: &[u8],
    entries: &[Entry<'a, '_>],
    how: How<'_>,
    names: &mut BTreeMap<&'a [u8], Pattern>,
) {
    let Some(price) = how.width.price(FORMLESS) else { return };
    // Words look random to who compares those of one length.
    let random: BTreeSet<&Pattern> = names.values().filter(|pattern| pattern.is_random(CHANCE)).collect();
    let words = random.len() >= LENGTHS;
    let formless = |name| names.get(name).is_none_or(|pattern| words && pattern.is_random(CHANCE));
    let left = entries.iter().filter(|(name, _, file)| created(file) && formless(name));
    let (cost, access) =
        left.fold((0, 0), |(cost, access), (_, path, file)| (cost + literal(path), access | file.access));
    if dir.is_empty() || is_exact(dir) || cost <= price + literal(&[dir, b"/*"].concat()) {
        return;
    }
    // What was there before would be granted what the container does with its own.
    if entries.iter().any(|(_, _, file)| !created(file) && access & !file.access != 0) {
        return;
    }
    let mut any = Pattern::default();
    any.push(Piece::Name(Vec::new()));
    for (name, ..) in entries.iter().filter(|(_, _, file)| file.access & !access == 0) {
        names.insert(name, any.clone());
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{AccessSet, CREATE, DELETE, EXEC, READ, WRITE};
    use stockade_abi::reason::Operation;

    use super::super::generalise::generalise;
    use super::super::how::Width;
    use super::*;
    use crate::learn::Seen;

    const MADE: AccessSet = READ | WRITE | CREATE | DELETE;

    fn one(operation: Operation, path: &str, access: AccessSet) -> Seen {
        Seen::bare(operation, access, path)
    }

    /// A title for each number, of words.
    fn titles(dir: &str, count: usize) -> impl Iterator<Item = String> {
        let letters = |n: usize| format!("{n:b}").replace('0', "the ").replace('1', "one ");
        (0..count).map(move |n| format!("{dir}/{}", letters(n)))
    }

    fn rules(dir: &str, count: usize, more: &[Seen], width: Width) -> Vec<String> {
        let made = titles(dir, count).map(|path| one(Operation::File, &path, MADE));
        let seen: Vec<Seen> = made.chain(more.iter().cloned()).collect();
        let rules = generalise(&seen, How { width, ..How::default() }).files;
        rules.into_iter().map(|rule| rule.path).filter(|path| !path.starts_with("/elsewhere")).collect()
    }

    #[test]
    fn hundreds_of_names_are_one_rule() {
        assert_eq!(rules("/var/lib/app", 900, &[], Width::Normal), ["/var/lib/app/*"]);
        assert_eq!(rules("/var/lib/app", 200, &[], Width::Normal).len(), 200);
        assert_eq!(rules("/var/lib/app", 200, &[], Width::Wide), ["/var/lib/app/*"]);
        assert_eq!(rules("/var/lib/app", 900, &[], Width::Exact).len(), 900);
        assert_eq!(rules("/tmp", 900, &[], Width::Normal), ["/tmp/*"]);
    }

    #[test]
    fn where_others_keep_something_each_is_named() {
        let file = |path: &str, access| one(Operation::File, path, access);
        let literal = |more: &[Seen]| rules("/var/lib/app", 900, more, Width::Normal).len() >= 900;
        assert!(literal(&[file("/var/lib/app/settings", READ)]), "it could be written then");
        assert!(literal(&[file("/var/lib/app/server.key", READ)]));
        assert!(literal(&[file("/var/lib/app/plugin", CREATE | MAP)]));
        assert!(literal(&[one(Operation::Exec, "/var/lib/app/tool", EXEC)]));
        // What it made itself is its own secret, and what is elsewhere does not matter.
        let own = [file("/var/lib/app/monkey", MADE), file("/elsewhere/server.key", READ)];
        assert!(!literal(&own));
        for dir in [
            "/etc/app",
            "/home/app",
            "/run/app",
            "/usr/share/app",
            "/root",
            "/srv/secrets/app",
            "",
            "/dev/shm",
        ] {
            let count = rules(dir, 900, &[], Width::Normal).len();
            assert!(count == 900, "{dir}: {count}");
        }
    }

    #[test]
    fn names_with_a_form_keep_it_where_more_is_done_with_them() {
        let jobs: Vec<Seen> = (0..9)
            .map(|n| one(Operation::File, &format!("/tmp/job{n}"), MADE | stockade_abi::access::RENAME))
            .collect();
        assert_eq!(rules("/tmp", 900, &jobs, Width::Normal), ["/tmp/*", "/tmp/job[0-9]*"]);
    }
}
