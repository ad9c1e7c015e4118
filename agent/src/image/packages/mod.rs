//! Which package each shared file of an image came with.
//!
//! Only what is there is of interest: the regular files below [`SHARED`], each with its owner if a package database
//! names one. Packages that were built from one source count as one. The image is not trusted with more than
//! its own files: databases are opened inside the root, must be regular files, and have a largest size.

mod apk;
mod dpkg;
mod inside;
pub(crate) mod rpm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::walk::{WalkError, walk};
use inside::Inside;
pub use rpm::database::RpmError;

/// Trees that hold no program's own data and no configuration: what is in them came with the image.
pub const SHARED: [&str; 5] =
    ["/usr/lib/", "/usr/lib64/", "/usr/share/", "/usr/local/lib/", "/usr/local/share/"];
/// Directories that are links to those below `/usr` where the two were merged; databases name both.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Files that are kept at most.
const FILES_MAX: usize = 1_000_000;

/// Reasons for which packages are not known.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The image cannot be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A database cannot be read.
    #[error("cannot read {path} of the image: {source}")]
    Read {
        /// The file, as it is named in the image.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// rpm's database is not what it should be.
    #[error("cannot read {path} of the image: {source}")]
    Rpm {
        /// The file, as it is named in the image.
        path: String,
        /// Why.
        source: RpmError,
    },
    /// A database or the image is larger than anything known.
    #[error("{0} of the image holds too much to be a package database")]
    TooLarge(String),
}

/// The paths that packages own: each with the name of its package.
type Owned = BTreeMap<Vec<u8>, String>;

/// The shared files of an image.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    names: Vec<String>,
    /// Sorted by path.
    files: Vec<(Box<[u8]>, Option<usize>)>,
    /// What has to be said of the databases.
    notices: Vec<String>,
}

impl Packages {
    /// Reads the databases of the image below `root`; of an image without one, no file is owned.
    pub fn read(root: &Path) -> Result<Self, PackagesError> {
        let inside = Inside::open(root)?;
        let mut owned = Owned::new();
        dpkg::read(&inside, &mut owned)?;
        apk::read(&inside, &mut owned)?;
        let mut notices = Vec::new();
        rpm::read(&inside, &mut owned, &mut notices)?;
        let mut paths = Vec::new();
        walk(root, |file| {
            if paths.len() <= FILES_MAX && SHARED.iter().any(|tree| file.path.starts_with(tree.as_bytes())) {
                paths.push(Box::from(file.path));
            }
            Ok(())
        })?;
        if paths.len() > FILES_MAX {
            return Err(PackagesError::TooLarge(SHARED.join(", ")));
        }
        Ok(Self { notices, ..Self::new(paths, &owned) })
    }

    fn new(paths: Vec<Box<[u8]>>, owned: &Owned) -> Self {
        let names: BTreeSet<&String> = owned.values().collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let owner = |path: &[u8]| {
            let name = owned.get(path).or_else(|| owned.get(&compiled_from(path)?))?;
            names.binary_search(name).ok()
        };
        let mut files: Vec<_> =
            paths.into_iter().map(|path| (owner(&path), path)).map(|(o, p)| (p, o)).collect();
        files.sort_unstable();
        Self { names, files, notices: Vec::new() }
    }

    /// The files below a directory, each with its package.
    pub fn below(&self, dir: &[u8]) -> impl Iterator<Item = (&[u8], Option<&str>)> {
        let start = [dir, b"/"].concat();
        let from = self.files.partition_point(|(path, _)| **path < *start);
        let rest = self.files.get(from..).unwrap_or(&[]);
        rest.iter()
            .take_while(move |(path, _)| path.starts_with(&start))
            .map(|(path, owner)| (&**path, owner.and_then(|owner| self.names.get(owner)).map(String::as_str)))
    }

    /// The package that owns a file.
    pub fn owner(&self, path: &[u8]) -> Option<&str> {
        let at = self.files.binary_search_by(|(have, _)| (**have).cmp(path)).ok()?;
        let (_, owner) = self.files.get(at)?;
        owner.and_then(|owner| self.names.get(owner)).map(String::as_str)
    }

    /// What has to be said of the databases: those that are there and cannot be read.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether no database names any of the files.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, owner)| owner.is_none())
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, Option<&str>)]) -> Self {
        let owned =
            files.iter().filter_map(|(path, owner)| Some((path.as_bytes().to_vec(), (*owner)?.to_owned())));
        Self::new(files.iter().map(|(path, _)| Box::from(path.as_bytes())).collect(), &owned.collect())
    }
}

/// Directories at the top that lead to others: each with its slash, and what it leads to.
struct Merged(Vec<(String, Vec<u8>)>);

fn merged(inside: &Inside) -> Merged {
    Merged(MERGED.iter().filter_map(|name| Some((format!("/{name}/"), inside.top(name)?))).collect())
}

impl Merged {
    /// The path that a path of a database leads to.
    fn path(&self, path: &[u8]) -> Vec<u8> {
        let moved = self.0.iter().find_map(|(link, to)| {
            let rest = path.strip_prefix(link.as_bytes())?;
            Some([to, &b"/"[..], rest].concat())
        });
        moved.unwrap_or_else(|| path.to_vec())
    }
}

/// What Python compiled a file from: `a/b.py` for `a/__pycache__/b.cpython-311.pyc`, which is made when the package is
/// installed, and which no database names.
fn compiled_from(path: &[u8]) -> Option<Vec<u8>> {
    let path = str::from_utf8(path).ok()?;
    let (dir, name) = path.strip_suffix(".pyc")?.split_once("/__pycache__/")?;
    let (module, _) = name.split_once('.')?;
    Some(format!("{dir}/{module}.py").into_bytes())
}

#[cfg(test)]
mod tests;
