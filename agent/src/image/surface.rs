//! The attack surface that policies leave of an image: how many of its files they allow to be used.

use std::path::Path;

use serde::{Serialize, Serializer};
use stockade_abi::access::{APPEND, ATTR, AccessSet, DELETE, EXEC, MAP, READ, RENAME, WRITE};

use super::walk::{Left, WalkError, walk};
use crate::compile::{Object, Policy};
use crate::learn::estimate::ratio;

/// Everything that changes a file, or takes its name away.
const CHANGE: AccessSet = WRITE | APPEND | DELETE | RENAME | ATTR;
/// Every use of a file,
const USE: AccessSet = READ | CHANGE | MAP | EXEC;
/// of a program,
const START: AccessSet = CHANGE | EXEC;
/// and of a library. To read either is to run none of it.
const LOAD: AccessSet = CHANGE | MAP | EXEC;

/// Files of one kind, and how many of them a policy allows to be used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// How many there are.
    pub total: u64,
    /// How many may be used: files in any of the ways below, executables started or written, libraries also mapped.
    pub allowed: u64,
    /// Read.
    pub read: u64,
    /// Written, appended to, removed, renamed, or changed in mode, owner or attributes.
    pub write: u64,
    /// Mapped executable.
    pub map: u64,
    /// Started, if only by some programs.
    pub exec: u64,
    /// The share in percent that may not be used at all.
    #[serde(serialize_with = "rounded")]
    pub not_allowed: f64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { total: 0, allowed: 0, read: 0, write: 0, map: 0, exec: 0, not_allowed: 100.0 }
    }
}

impl Counts {
    fn add(&mut self, granted: AccessSet, uses: AccessSet) {
        let one = |access| u64::from(granted & access != 0);
        self.total += 1;
        self.read += one(READ);
        self.write += one(CHANGE);
        self.map += one(MAP);
        self.exec += one(EXEC);
        self.allowed += one(uses);
        self.not_allowed = 100.0 * ratio(self.total - self.allowed, self.total);
    }
}

/// What a policy leaves of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Surface {
    /// All regular files.
    pub files: Counts,
    /// Programs and scripts among them,
    pub executables: Counts,
    /// and libraries.
    pub libraries: Counts,
}

impl Surface {
    /// The share of an image's executables that a profile should not allow, in percent,
    pub const EXECUTABLES: f64 = 95.0;
    /// and that of its files.
    pub const FILES: f64 = 90.0;

    /// Whether it is as small as it should be.
    pub fn is_small(&self) -> bool {
        self.files.not_allowed >= Self::FILES && self.executables.not_allowed >= Self::EXECUTABLES
    }
}

/// Counts the files below `root` by what each of the policies allows the container's own processes, in one walk.
pub fn surface(root: &Path, policies: &[Policy]) -> Result<(Vec<Surface>, Left), WalkError> {
    let mut found = vec![Surface::default(); policies.len()];
    let left = walk(root, |file| {
        // Of one that cannot be looked into, at least its name is known.
        let code = file.code();
        for (policy, surface) in policies.iter().zip(&mut found) {
            let granted = policy.granted(&Object::Path(file.path));
            surface.files.add(granted, USE);
            if code.is_ok_and(|code| code.executable) {
                surface.executables.add(granted, START);
            }
            if code.is_ok_and(|code| code.library) {
                surface.libraries.add(granted, LOAD);
            }
        }
        code.map(drop)
    })?;
    Ok((found, left))
}

/// Two digits, and never up: 94.999 are not 95.
fn rounded<S: Serializer>(percent: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((percent * 100.0).floor() / 100.0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use stockade_abi::reason::Mode;

    use super::*;
    use crate::compile::compile;
    use crate::profile::{ExecRule, FileRule, Profile};
    use crate::testing::TempDir;

    fn policy(change: impl FnOnce(&mut Profile)) -> Policy {
        let mut profile = Profile::new("web", Mode::Enforce);
        change(&mut profile);
        compile(&profile, Mode::Enforce).unwrap()
    }

    #[test]
    fn uses_are_counted_for_each_policy() {
        let dir = TempDir::new("surface");
        for (name, mode) in [("a", 0o644), ("b", 0o644), ("c", 0o644), ("run", 0o755), ("l.so", 0o755)] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let none = policy(|_| {});
        let some = policy(|profile| {
            profile.files =
                [("/a", READ), ("/a", WRITE), ("/b", ATTR), ("/l.so", MAP | READ), ("/run", READ)]
                    .map(|(path, access)| FileRule::new(path, access))
                    .into();
            profile.deny.files.push(FileRule::new("/b", ATTR));
        });
        let children = policy(|profile| {
            profile.exec.push(ExecRule { parents: vec!["/l.so".to_owned()], ..ExecRule::new("/run") });
        });
        let (found, left) = surface(dir.path(), &[none, some, children]).unwrap();
        assert_eq!(left, Left::default());
        let nothing = |total| Counts { total, ..Counts::default() };
        assert_eq!(found[0], Surface { files: nothing(5), executables: nothing(2), libraries: nothing(1) });
        assert!(found[0].is_small());
        let files = Counts { allowed: 3, read: 3, write: 1, map: 1, not_allowed: 40.0, ..nothing(5) };
        let executables = Counts { read: 2, map: 1, ..nothing(2) };
        let libraries = Counts { allowed: 1, read: 1, map: 1, not_allowed: 0.0, ..nothing(1) };
        assert_eq!(found[1], Surface { files, executables, libraries });
        assert!(!found[1].is_small());
        assert_eq!((found[2].files.exec, found[2].executables.allowed), (1, 1));
    }

    #[test]
    fn shares_are_not_rounded_up() {
        let mut counts = Counts::default();
        for n in 0..100_000 {
            counts.add(if n < 5001 { READ } else { 0 }, USE);
        }
        assert!(serde_json::to_string(&counts).unwrap().ends_with("\"not_allowed\":94.99}"));
    }
}
