//! Directories that are filled under one name and then get another: `wal.tmp` becomes `wal`. A rename that brings what is
//! below a directory under wider rules is denied, so below both names the same has to be granted.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access::{AccessSet, CREATE, EXEC, MAP, RENAME};

use super::generalise::{File, created, split};
use super::pattern::{Pattern, must_stay_literal};

/// Globs of directories of which each was seen to become another one of them.
pub(super) type Names = BTreeSet<String>;

/// Names of directories that were given away, or made, with some of the names that are in them.
type Directories<'a> = BTreeMap<String, BTreeSet<&'a [u8]>>;

/// Finds them. A rename leaves no observation of its own: under the old name something was made and the directory given
/// away, under the new one the directory was made, and the same thing is in it and was not made there. It may be that
/// nothing of it was used again so far; then one name is part of the other, as they mostly are.
pub(super) fn renamed(files: &BTreeMap<&[u8], File>, made_up: &BTreeMap<&[u8], Pattern>) -> Vec<Names> {
    let mut children: BTreeMap<&[u8], Vec<(&[u8], bool)>> = BTreeMap::new();
    for (path, file) in files {
        let Some((directory, name)) = split(path) else { continue };
        if files.get(directory).is_some_and(|file| file.access & (CREATE | RENAME) != 0) {
            children.entry(directory).or_default().push((name, created(file)));
        }
    }
    let (mut left, mut come) = (Directories::new(), Directories::new());
    for (path, children) in children {
        let Some(file) = files.get(path).filter(|file| !must_stay_literal(path, created(file))) else {
            continue;
        };
        let glob = match made_up.get(path) {
            Some(pattern) => pattern.glob(),
            None => Pattern::literal(path).glob(),
        };
        let Some(glob) = glob else { continue };
        let names = |made| children.iter().filter(move |child| child.1 == made).map(|(name, _)| *name);
        if file.access & RENAME != 0 {
            left.entry(glob.clone()).or_default().extend(names(true));
        }
        if created(file) {
            come.entry(glob).or_default().extend(names(false));
        }
    }
    let mut found: Vec<Names> = Vec::new();
    for (new, came) in &come {
        let (parent, name) = parted(new);
        let (mut beside, mut elsewhere) = (Vec::new(), Vec::new());
        for (old, made) in left.iter().filter(|(old, _)| *old != new) {
            let (its_parent, its_name) = parted(old);
            let came_along = !made.is_disjoint(came);
            if its_parent != parent {
                elsewhere.extend(came_along.then_some(old));
            } else if came_along || is_part(its_name, name) {
                beside.push(old);
            }
        }
        // Most are renamed where they are; the same name may well be in others, too.
        for old in if beside.is_empty() { elsewhere } else { beside } {
            join(&mut found, [old, new]);
        }
    }
    found
}

/// The directory's own directory, and its name there.
fn parted(glob: &str) -> (&str, &str) {
    glob.rsplit_once('/').unwrap_or(("", glob))
}

/// Shorter names are parts of others by chance.
const PART: usize = 3;

/// Whether one of two names is part of the other.
fn is_part(one: &str, other: &str) -> bool {
    one.len().min(other.len()) >= PART && (one.contains(other) || other.contains(one))
}

/// What becomes one that becomes a third, becomes that too.
fn join(found: &mut Vec<Names>, pair: [&String; 2]) {
    let mut all: Names = pair.into_iter().cloned().collect();
    found.retain(|names| {
        let apart = names.is_disjoint(&all);
        if !apart {
            all.extend(names.iter().cloned());
        }
        apart
    });
    found.push(all);
}

/// Grants the same below all the names of a directory, and tells which rules that changed, each with another of the names.
/// Where it would make code of what the container writes, nothing is done: a person has to decide.
pub(super) fn align(rules: &mut BTreeMap<String, AccessSet>, renamed: &[Names]) -> BTreeMap<String, String> {
    let mut changed = BTreeMap::new();
    for names in renamed {
        let mut below: BTreeMap<String, AccessSet> = BTreeMap::new();
        for name in names {
            let begins = format!("{name}/");
            let rules = rules.range(begins.clone()..).take_while(|(glob, _)| glob.starts_with(&begins));
            for (glob, access) in rules {
                *below.entry(glob[begins.len()..].to_owned()).or_default() |= access;
            }
        }
        if below.values().any(|access| access & (EXEC | MAP) != 0) {
            continue;
        }
        for name in names {
            let Some(other) = names.iter().find(|other| *other != name) else { continue };
            for (rest, access) in &below {
                let glob = format!("{name}/{rest}");
                if rules.insert(glob.clone(), *access) != Some(*access) {
                    changed.insert(glob, other.clone());
                }
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{DELETE, READ, WRITE};
    use stockade_abi::reason::Operation;

    use super::super::generalise::generalise;
    use super::super::how::How;
    use crate::learn::Seen;

    use super::*;

    fn rules(seen: &[(&str, AccessSet)]) -> BTreeMap<String, AccessSet> {
        let file = |(path, access): &(&str, _)| Seen::bare(Operation::File, *access, *path);
        let seen: Vec<_> = seen.iter().map(file).collect();
        generalise(&seen, How::default()).files.into_iter().map(|rule| (rule.path, rule.access)).collect()
    }

    #[test]
    fn below_both_names_the_same_is_granted() {
        let rules = rules(&[
            ("/srv/wal.tmp", CREATE | RENAME),
            ("/srv/wal.tmp/first", CREATE | WRITE),
            ("/srv/wal", CREATE | READ),
            ("/srv/wal/first", READ | WRITE),
            ("/srv/wal/next", CREATE | WRITE),
            ("/srv/wal/old/one", DELETE),
        ]);
        for name in ["wal.tmp", "wal"] {
            assert_eq!(rules[&format!("/srv/{name}/first")], READ | WRITE | CREATE);
            assert_eq!(rules[&format!("/srv/{name}/next")], CREATE | WRITE);
            assert_eq!(rules[&format!("/srv/{name}/old/one")], DELETE);
        }
        // Of the directory itself each name keeps its own.
        assert_eq!((rules["/srv/wal.tmp"], rules["/srv/wal"]), (CREATE | RENAME, CREATE | READ));
    }

    #[test]
    fn made_up_names_are_told_by_their_form() {
        let mut seen = Vec::new();
        for n in 0..12 {
            let (old, new) = (format!("/srv/s/{n}/msgs"), format!("/srv/s/{n}/gone"));
            seen.push((format!("/srv/s/{n}"), CREATE));
            seen.push((format!("{old}/1.blk"), CREATE | WRITE));
            seen.push((old, CREATE | RENAME));
            seen.push((format!("{new}/1.blk"), DELETE));
            seen.push((new, CREATE | DELETE));
        }
        let seen: Vec<_> = seen.iter().map(|(path, access)| (path.as_str(), *access)).collect();
        let rules = rules(&seen);
        let all = CREATE | WRITE | DELETE;
        assert_eq!(rules["/srv/s/[0-9]*/msgs/1.blk"], all, "{rules:?}");
        assert_eq!(rules["/srv/s/[0-9]*/gone/1.blk"], all, "{rules:?}");
    }

    #[test]
    fn alike_names_are_enough_where_nothing_was_used_again() {
        let rules = rules(&[
            ("/srv/wal.tmp", CREATE | RENAME),
            ("/srv/wal.tmp/0.wal", CREATE | WRITE),
            ("/srv/wal", CREATE | READ),
            ("/srv/wal/0.tmp", CREATE | DELETE),
            ("/srv/snap", CREATE | READ),
            ("/srv/snap/db", CREATE | WRITE),
        ]);
        let below = |name: &str| {
            let begins = format!("/srv/{name}/");
            let rules = rules.iter().filter(|(glob, _)| glob.starts_with(&begins));
            rules.map(|(glob, access)| (glob[begins.len()..].to_owned(), *access)).collect::<Vec<_>>()
        };
        assert_eq!(below("wal"), below("wal.tmp"));
        assert_eq!((below("wal").len(), below("snap").len()), (2, 1));
    }

    #[test]
    fn one_may_go_elsewhere_if_none_beside_it_does() {
        let mut seen = vec![
            ("/srv/tmp/a", CREATE | RENAME),
            ("/srv/tmp/a/f", CREATE),
            ("/srv/data/a", CREATE),
            ("/srv/data/a/f", READ),
        ];
        assert_eq!(rules(&seen)["/srv/tmp/a/f"], CREATE | READ);
        seen.extend([("/srv/data/b", CREATE | RENAME), ("/srv/data/b/f", CREATE | DELETE)]);
        let rules = rules(&seen);
        assert_eq!((rules["/srv/tmp/a/f"], rules["/srv/data/b/f"]), (CREATE, CREATE | READ | DELETE));
    }

    #[test]
    fn a_third_name_joins_the_others() {
        let rules = rules(&[
            ("/srv/a", CREATE | RENAME),
            ("/srv/a/f", CREATE),
            ("/srv/b", CREATE | RENAME),
            ("/srv/b/f", WRITE),
            ("/srv/b/g", CREATE),
            ("/srv/c", CREATE),
            ("/srv/c/g", READ),
        ]);
        for name in ["a", "b", "c"] {
            assert_eq!(rules[&format!("/srv/{name}/f")], CREATE | WRITE);
            assert_eq!(rules[&format!("/srv/{name}/g")], CREATE | READ);
        }
    }

    #[test]
    fn others_are_left_alone() {
        let made_there = [
            ("/srv/a", CREATE | RENAME),
            ("/srv/a/f", CREATE | WRITE),
            ("/srv/b", CREATE),
            ("/srv/b/f", CREATE | READ),
        ];
        let was_there = [made_there[0], made_there[1], ("/srv/b", READ), ("/srv/b/f", READ)];
        let code = [made_there[0], made_there[1], ("/srv/b", CREATE), ("/srv/b/f", READ | MAP)];
        let settings =
            [("/etc/a", CREATE | RENAME), ("/etc/a/f", CREATE), ("/etc/b", CREATE), ("/etc/b/f", READ)];
        for seen in [made_there, was_there, code, settings] {
            let wanted: BTreeMap<_, _> =
                seen.iter().map(|(path, access)| ((*path).to_owned(), *access)).collect();
            assert_eq!(rules(&seen), wanted);
        }
    }
}
