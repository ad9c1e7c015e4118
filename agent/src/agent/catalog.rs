//! The profiles on disk: read, parsed and compiled, the good beside the bad.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::table::Table;
use crate::profile::{self, Profile};

/// No profile is larger.
const FILE_MAX: u64 = 4 << 20;
/// A file changed less than this ago is read again although nothing about it looks different: its time
/// stamp is too coarse to tell.
const RECENT: Duration = Duration::from_secs(2);

/// A file of the profile directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path.
    pub path: PathBuf,
    /// Its text, or why it could not be read.
    pub text: Result<Vec<u8>, String>,
}

/// What can be seen of the directory without reading the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, u64, u64, i64, i64)>);

/// A profile that can be used.
#[derive(Clone, Debug)]
pub struct Good {
    /// Its file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub profile: Profile,
    /// Warnings, one line each.
    pub findings: Vec<String>,
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The file.
    pub path: PathBuf,
    /// The complete message.
    pub message: String,
}

/// All files of the directory, judged.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By name of the profile.
    pub good: BTreeMap<String, Good>,
    /// In the order of their names.
    pub bad: Vec<Bad>,
}

/// Looks at the directory. `None`: nothing changed since `last`.
pub fn look(dir: &Path, last: &Fingerprint) -> io::Result<Option<(Fingerprint, Vec<Source>)>> {
    let mut found = Vec::new();
    let mut recent = false;
    let now = SystemTime::now();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if hidden || !is_yaml {
            continue;
        }
        // Following links: that is how configuration is mounted into containers.
        let stamp = match fs::metadata(&path) {
            Ok(meta) => {
                let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok());
                recent |= age.is_none_or(|age| age < RECENT);
                (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())
            }
            Err(_) => (0, 0, 0, 0),
        };
        found.push((path, stamp.0, stamp.1, stamp.2, stamp.3));
    }
    found.sort();
    let found = Fingerprint(found);
    if !recent && found == *last {
        return Ok(None);
    }
    let sources = found
        .0
        .iter()
        .map(|(path, ..)| Source { path: path.clone(), text: read(path).map_err(|error| error.to_string()) })
        .collect();
    Ok(Some((found, sources)))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Judges the files. Tables come along for those profiles that `before` does not hold in the same words.
pub fn judge(sources: Vec<Source>, before: &Catalog) -> (Catalog, BTreeMap<String, Table>) {
    let mut catalog = Catalog::default();
    let mut tables = BTreeMap::new();
    for Source { path, text } in sources {
        let shown = path.display().to_string();
        let mut bad = |message: String| catalog.bad.push(Bad { path: path.clone(), message });
        let bytes = match text {
            Ok(bytes) => bytes,
            Err(error) => {
                bad(format!("cannot read {shown}: {error}"));
                continue;
            }
        };
        let unchanged = before.good.values().find(|good| good.path == path && good.text.as_bytes() == bytes);
        let (good, table) = match unchanged {
            Some(good) => (good.clone(), None),
            None => match fresh(&path, &shown, &bytes) {
                Ok((good, table)) => (good, Some(table)),
                Err(message) => {
                    bad(message);
                    continue;
                }
            },
        };
        let name = good.profile.name.clone();
        if let Some(first) = catalog.good.get(&name) {
            bad(format!("{shown}: profile `{name}` is already defined in {}", first.path.display()));
            continue;
        }
        if let Some(table) = table {
            tables.insert(name.clone(), table);
        }
        catalog.good.insert(name, good);
    }
    (catalog, tables)
}

fn fresh(path: &Path, shown: &str, bytes: &[u8]) -> Result<(Good, Table), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("{shown}: not UTF-8 text from byte {} on", error.valid_up_to()))?;
    let parsed = profile::parse(shown, text).map_err(|error| error.to_string())?;
    let table = Table::compile(&parsed.profile, parsed.profile.mode)
        .map_err(|error| format!("{shown}: the profile cannot be compiled: {error}"))?;
    let good = Good {
        path: path.to_owned(),
        text: text.to_owned(),
        profile: parsed.profile,
        findings: parsed.findings.iter().map(profile::Finding::line).collect(),
    };
    Ok((good, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn yaml(name: &str, path: &str) -> String {
        format!(
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: enforce\n  \
             files:\n    - path: {path}\n      access: [read]\n"
        )
    }

    fn source(path: &str, text: &str) -> Source {
        Source { path: PathBuf::from(path), text: Ok(text.as_bytes().to_vec()) }
    }

    #[test]
    fn bad_files_do_not_touch_the_others() {
        let sources = vec![
            source("/p/a.yaml", &yaml("a", "/x")),
            source("/p/b.yaml", "nonsense: ["),
            source("/p/c.yaml", &yaml("a", "/y")),
            Source { path: PathBuf::from("/p/d.yaml"), text: Err("denied".to_owned()) },
            Source { path: PathBuf::from("/p/e.yaml"), text: Ok(vec![0xff]) },
        ];
        let (catalog, tables) = judge(sources, &Catalog::default());
        assert_eq!(catalog.good.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(tables.len(), 1);
        let files: Vec<_> = catalog.bad.iter().map(|bad| bad.path.to_str().unwrap()).collect();
        assert_eq!(files, ["/p/b.yaml", "/p/c.yaml", "/p/d.yaml", "/p/e.yaml"]);
        assert!(catalog.bad[1].message.contains("already defined in /p/a.yaml"));
    }

    #[test]
    fn only_changed_files_are_compiled() {
        let first = source("/p/a.yaml", &yaml("a", "/x"));
        let (catalog, _) = judge(vec![first.clone()], &Catalog::default());
        let (catalog, tables) = judge(vec![first], &catalog);
        assert!(tables.is_empty() && catalog.good.contains_key("a"));
        let (_, tables) = judge(vec![source("/p/a.yaml", &yaml("a", "/y"))], &catalog);
        assert!(tables.contains_key("a"));
    }

    #[test]
    fn looking_finds_changes() {
        let dir = crate::testing::TempDir::new("look");
        assert!(look(&dir.path().join("none"), &Fingerprint::default()).is_err());
        fs::write(dir.path().join("a.yaml"), "a").unwrap();
        fs::write(dir.path().join("b.txt"), "b").unwrap();
        fs::write(dir.path().join(".c.yaml"), "c").unwrap();
        let (print, sources) = look(dir.path(), &Fingerprint::default()).unwrap().unwrap();
        assert_eq!(sources.len(), 1);
        // Fresh files are read again, old ones are not.
        assert!(look(dir.path(), &print).unwrap().is_some());
        let old = File::options().write(true).open(dir.path().join("a.yaml")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        let (print, _) = look(dir.path(), &print).unwrap().unwrap();
        assert!(look(dir.path(), &print).unwrap().is_none());
    }
}
