//! Programs and libraries that the container made itself. What is written while it runs is what an intruder would run: no
//! program among them is ever granted, and of what is mapped nothing whose name will not come again. A person has to
//! decide.

use std::collections::BTreeMap;

use stockade_abi::access::{AccessSet, DRIFT, EXEC, MAP};
use stockade_abi::reason::Reason;

use super::few::Few;
use super::literal::Parted;
use super::pattern::Pattern;
use crate::compile::Object;
use crate::profile::Profile;

/// Seen in so many runs, a name comes again.
const RUNS: usize = 2;

/// Paths, each with what a person would write for it: the glob of those like it, or the path itself.
pub type Paths = BTreeMap<Vec<u8>, String>;

/// Code that the container made, and that nothing is proposed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeCode {
    /// Programs that were started.
    pub started: Paths,
    /// Files that were mapped executable.
    pub mapped: Paths,
}

/// Code of one kind with names of one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike {
    /// What a person would write for it.
    pub glob: String,
    /// How many there were.
    pub files: usize,
    /// Whether they were started, and not only mapped.
    pub started: bool,
}

impl MadeCode {
    /// What `profile` neither grants nor denies.
    pub fn undecided(self, profile: &Profile) -> Self {
        if self.started.is_empty() && self.mapped.is_empty() {
            return self;
        }
        let parted = Parted::of(profile);
        let left = |paths: Paths, access| {
            paths.into_iter().filter(|(path, _)| !is_decided(&parted, path, access)).collect()
        };
        Self { started: left(self.started, EXEC | DRIFT), mapped: left(self.mapped, MAP) }
    }

    /// The same by the form of the names.
    pub fn alike(&self) -> Vec<Alike> {
        let of = |paths: &Paths, started| {
            let mut files: BTreeMap<&String, usize> = BTreeMap::new();
            for glob in paths.values() {
                *files.entry(glob).or_default() += 1;
            }
            let alike = |(glob, files): (&String, usize)| Alike { glob: glob.clone(), files, started };
            files.into_iter().map(alike).collect::<Vec<_>>()
        };
        [of(&self.started, true), of(&self.mapped, false)].concat()
    }
}

/// Without a table nothing is decided: too much is named rather than too little.
fn is_decided(profile: &Parted<'_>, path: &[u8], access: AccessSet) -> bool {
    let object = Object::Path(path);
    let reason = profile.policy().map(|policy| policy.decide(&object, access, false).reason);
    // Rules for files let nothing be started.
    let by_name = access == MAP && profile.allows(&object, access);
    by_name || matches!(reason, Some(Reason::Rule | Reason::DenyRule))
}

/// Those of the paths whose names will not come again, with the glob of each: there are others by its pattern, and it was
/// seen in one run only.
pub(super) fn passing<'a: 'r, 'r>(
    paths: impl IntoIterator<Item = (&'r &'a [u8], &'r Few)>,
    made_up: &BTreeMap<&[u8], Pattern>,
) -> BTreeMap<&'a [u8], String> {
    let mut alike: BTreeMap<&Pattern, Vec<(&'a [u8], &Few)>> = BTreeMap::new();
    for (path, runs) in paths {
        if let Some(pattern) = made_up.get(path) {
            alike.entry(pattern).or_default().push((path, runs));
        }
    }
    let mut found = BTreeMap::new();
    for (pattern, paths) in alike.into_iter().filter(|(_, paths)| paths.len() > 1) {
        // A name that a profile cannot hold is refused as a whole.
        let Some(glob) = pattern.glob() else { continue };
        let once = paths.iter().filter(|(_, runs)| runs.len() < RUNS);
        found.extend(once.map(|(path, _)| (*path, glob.clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{ATTR, CREATE, READ, WRITE};
    use stockade_abi::reason::{Mode, Operation};

    use super::super::evidence::Evidence;
    use super::super::export::{Proposal, propose};
    use super::super::how::{How, Width};
    use super::*;
    use crate::learn::Seen;
    use crate::profile::FileRule;

    const MADE: AccessSet = READ | WRITE | CREATE | ATTR;

    fn seen(operation: Operation, path: &str, access: AccessSet, runs: &[i64]) -> Seen {
        let evidence = Evidence { runs: runs.iter().copied().collect(), ..Evidence::default() };
        Seen { operation, access, object: path.as_bytes().to_vec(), evidence }
    }

    fn file(path: &str, access: AccessSet, runs: &[i64]) -> Seen {
        seen(Operation::File, path, access, runs)
    }

    fn proposed(
        seen: &[Seen],
        current: Option<&Profile>,
        width: Width,
    ) -> (Vec<(String, AccessSet)>, Vec<Alike>) {
        let how = How { width, ..How::default() };
        let Proposal { profile, made_code, .. } = propose("p", Mode::Enforce, current, seen, how);
        let files = profile.files.into_iter().map(|rule| (rule.path, rule.access)).collect();
        (files, made_code.alike())
    }

    /// A configuration that is compiled at each start.
    fn compiled(lives: i64) -> Vec<Seen> {
        let life = |n: i64| {
            let dir = format!("/var/lib/v/boot.17962643{n}3.{n}07236");
            [file(&dir, CREATE, &[n]), file(&format!("{dir}/c.so"), MADE | MAP, &[n])]
        };
        (1..=lives).flat_map(life).collect()
    }

    const COMPILED: &str = "/var/lib/v/boot.[0-9]*.[0-9]*/c.so";

    #[test]
    fn what_is_made_under_another_name_each_time_is_mapped_by_nobodys_leave() {
        let mapped = Alike { glob: COMPILED.to_owned(), files: 3, started: false };
        let (files, left) = proposed(&compiled(3), None, Width::Normal);
        assert_eq!(
            files,
            [("/var/lib/v/boot.[0-9]*.[0-9]*".to_owned(), CREATE), (COMPILED.to_owned(), MADE)]
        );
        assert_eq!(left, std::slice::from_ref(&mapped));

        let mut current = Profile::new("p", Mode::Learn);
        current.files.push(FileRule::new(COMPILED, MAP));
        assert_eq!(proposed(&compiled(3), Some(&current), Width::Normal).1, []);
        current.files[0].access = READ;
        assert_eq!(proposed(&compiled(3), Some(&current), Width::Normal).1, [mapped]);
        current.files.clear();
        current.deny.files.push(FileRule::new("/var/lib/v/**", MAP));
        assert_eq!(proposed(&compiled(3), Some(&current), Width::Normal).1, []);

        let (files, left) = proposed(&compiled(3), None, Width::Exact);
        assert_eq!((files.len(), left.len()), (6, 0));
        // Of one, nobody knows yet.
        let (files, left) = proposed(&compiled(1), None, Width::Normal);
        assert!(
            left.is_empty()
                && files.iter().any(|(path, access)| path.ends_with("7236/c.so") && access & MAP != 0)
        );
    }

    #[test]
    fn what_comes_again_under_its_name_is_named() {
        let cache = |n: i64, runs: &[i64]| file(&format!("/var/cache/jit/unit-{n}.so"), MADE | MAP, runs);
        let (files, left) =
            proposed(&[cache(1, &[1, 2]), cache(2, &[1, 2]), cache(3, &[1, 2])], None, Width::Normal);
        assert_eq!((files.len(), left.len()), (3, 0));
        assert!(files.iter().all(|(_, access)| *access == MADE | MAP));
        let (_, left) = proposed(&[cache(1, &[1]), cache(2, &[1]), cache(3, &[1, 2])], None, Width::Normal);
        assert_eq!(
            left,
            [Alike { glob: "/var/cache/jit/unit-[0-9]*.so".to_owned(), files: 2, started: false }]
        );
        // What came with the image stays.
        let plugin = |n: i64| file(&format!("/opt/app/plugin{n}.so"), READ | MAP, &[n]);
        let (files, left) = proposed(&[plugin(1), plugin(2), plugin(3), plugin(4)], None, Width::Normal);
        assert_eq!((files.len(), left.len()), (4, 0));
    }

    #[test]
    fn programs_that_are_unpacked_anew_are_made_by_rule_and_started_by_leave() {
        let unpacked = |name: &str, run: i64| {
            let dir = format!("/tmp/_MEI{name}");
            let program = format!("{dir}/helper");
            [
                file(&dir, CREATE, &[run]),
                file(&program, MADE, &[run]),
                seen(Operation::Exec, &program, EXEC | DRIFT, &[run]),
            ]
        };
        let all = [unpacked("aB3xYz", 1), unpacked("Qw9Rt2", 2), unpacked("k0LmN8", 3)].concat();
        let (files, left) = proposed(&all, None, Width::Normal);
        assert_eq!(
            files,
            [("/tmp/_MEI??????".to_owned(), CREATE), ("/tmp/_MEI??????/helper".to_owned(), MADE)]
        );
        assert_eq!(left, [Alike { glob: "/tmp/_MEI??????/helper".to_owned(), files: 3, started: true }]);
    }
}
