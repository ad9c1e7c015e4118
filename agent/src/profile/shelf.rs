//! Rule sets of one's own: the files in the directory `include` beside a profile.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// No profile and no rule set is larger.
pub const FILE_MAX: u64 = 4 << 20;
/// The directory's name.
pub const INCLUDE: &str = "include";

/// The rule sets of a directory, by the names of their files, not yet parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// The directory, for messages.
    dir: Option<PathBuf>,
    /// Why it is not known what the directory holds.
    failure: Option<String>,
    sets: BTreeMap<String, SetFile>,
}

/// A file of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetFile {
    /// Its path.
    pub path: PathBuf,
    /// Its text, or why it could not be read.
    pub text: Result<Vec<u8>, String>,
}

impl Shelf {
    /// What `dir` holds. That it does not exist is no failure: the library is there all the same.
    pub fn read(dir: &Path) -> Self {
        let mut shelf = Self { dir: Some(dir.to_owned()), ..Self::default() };
        let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        match entries {
            Ok(entries) => {
                for path in entries.into_iter().map(|entry| entry.path()).filter(|path| is_set(path)) {
                    let text = read_file(&path).map_err(|error| error.to_string());
                    shelf.add(SetFile { path, text });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => shelf.failure = Some(error.to_string()),
        }
        shelf
    }

    /// The rule sets for the profile in `file`. A rule set's own neighbours count when the file stands in
    /// such a directory itself.
    pub fn beside(file: &Path) -> Self {
        let dir = match file.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            Some(_) | None => Path::new("."),
        };
        let below = dir.join(INCLUDE);
        let in_one = fs::canonicalize(dir).is_ok_and(|dir| dir.file_name() == Some(OsStr::new(INCLUDE)));
        if in_one && !below.exists() { Self::read(dir) } else { Self::read(&below) }
    }

    /// An empty one, for messages that name `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { dir: Some(dir.to_owned()), ..Self::default() }
    }

    /// One whose content is not known: then no name can be looked up, not even in the library, because it
    /// might have to be found here first.
    pub fn unknown(dir: &Path, failure: String) -> Self {
        Self { dir: Some(dir.to_owned()), failure: Some(failure), sets: BTreeMap::new() }
    }

    /// Puts a file into it.
    pub fn add(&mut self, file: SetFile) {
        if let Some(name) = file.path.file_stem() {
            self.sets.insert(name.to_string_lossy().into_owned(), file);
        }
    }

    /// The file of the rule set `name`; an error when it cannot be known whether there is one.
    pub fn get(&self, name: &str) -> Result<Option<&SetFile>, &str> {
        match &self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.sets.get(name)),
        }
    }

    /// The names of its rule sets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(String::as_str)
    }

    /// Where it looks.
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

/// Whether a file counts as one of a rule set, by its name.
pub fn is_set(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "yaml")
}

/// Reads a regular file of a size that a profile can have.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    read_any_file(path)
}

/// The same for what people name on the command line, which may be a pipe.
pub fn read_any_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"));
    }
    Ok(bytes)
}
