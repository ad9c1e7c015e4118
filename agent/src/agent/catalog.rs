//! The profiles on disk: read, parsed and compiled, the good beside the bad.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::table::Table;
use crate::profile::{self, INCLUDE, Profile, SetFile, Shelf, is_set, read_file};

/// A file changed less than this ago is read again although nothing about it looks different: its time
/// stamp is too coarse to tell.
const RECENT: Duration = Duration::from_secs(2);
/// Warnings of one profile in the log at most.
const LOGGED: usize = 20;

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

/// All files of the directory.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The profiles.
    pub profiles: Vec<Source>,
    /// The rule sets in its directory `include`.
    pub shelf: Shelf,
}

impl From<Vec<Source>> for Files {
    fn from(profiles: Vec<Source>) -> Self {
        Self { profiles, shelf: Shelf::default() }
    }
}

/// A profile that can be used.
#[derive(Clone, Debug)]
pub struct Good {
    /// Its file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Text that means the same when the rule sets it includes are gone.
    pub standalone: String,
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
    /// What they could include.
    pub shelf: Shelf,
}

/// Looks at the directory. `None`: nothing changed since `last`.
pub fn look(dir: &Path, last: &Fingerprint) -> io::Result<Option<(Fingerprint, Files)>> {
    let include = dir.join(INCLUDE);
    let profiles = list(dir, is_profile)?;
    let sets = match list(&include, is_set) {
        Ok(sets) => Ok(sets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    };
    let now = SystemTime::now();
    let mut recent = false;
    let mut stamps = Vec::new();
    for path in profiles.iter().chain(sets.iter().flatten()) {
        // Following links: that is how configuration is mounted into containers.
        let stamp = match fs::metadata(path) {
            Ok(meta) => {
                let age = meta.modified().ok().and_then(|at| now.duration_since(at).ok());
                recent |= age.is_none_or(|age| age < RECENT);
                (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())
            }
            Err(_) => (0, 0, 0, 0),
        };
        stamps.push((path.clone(), stamp.0, stamp.1, stamp.2, stamp.3));
    }
    if sets.is_err() {
        // Not the same as a directory without files.
        stamps.push((include.clone(), 0, 0, 0, 0));
    }
    let found = Fingerprint(stamps);
    if !recent && found == *last {
        return Ok(None);
    }
    let text = |path: &Path| read_file(path).map_err(|error| error.to_string());
    let shelf = match sets {
        Err(failure) => Shelf::unknown(&include, failure),
        Ok(sets) => {
            let mut shelf = Shelf::of(&include);
            for path in sets {
                shelf.add(SetFile { text: text(&path), path });
            }
            shelf
        }
    };
    let profiles = profiles.into_iter().map(|path| Source { text: text(&path), path }).collect();
    Ok(Some((found, Files { profiles, shelf })))
}

fn is_profile(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The files of a directory that count, in the order of their names.
fn list(dir: &Path, counts: fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if counts(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Judges the files. Tables come along for those profiles that `before` does not hold in the same words.
pub fn judge(files: impl Into<Files>, before: &Catalog) -> (Catalog, BTreeMap<String, Table>) {
    let Files { profiles, shelf } = files.into();
    let mut catalog = Catalog { shelf, ..Catalog::default() };
    let mut tables = BTreeMap::new();
    for Source { path, text } in profiles {
        let shown = path.display().to_string();
        let mut bad = |message: String| catalog.bad.push(Bad { path: path.clone(), message });
        let bytes = match text {
            Ok(bytes) => bytes,
            Err(error) => {
                bad(format!("cannot read {shown}: {error}"));
                continue;
            }
        };
        let unchanged = before.good.values().find(|good| {
            good.path == path
                && good.text.as_bytes() == bytes
                && same_sets(&good.profile, &catalog.shelf, &before.shelf)
        });
        let (good, table) = match unchanged {
            Some(good) => (good.clone(), None),
            None => match fresh(&path, &shown, &bytes, &catalog.shelf) {
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

/// Whether the rule sets that a profile was made with are what they were. One that is gone, and one that
/// now stands before the library's, are not.
fn same_sets(profile: &Profile, now: &Shelf, before: &Shelf) -> bool {
    profile.origins.iter().all(|set| now.get(&set.name) == before.get(&set.name))
}

fn fresh(path: &Path, shown: &str, bytes: &[u8], shelf: &Shelf) -> Result<(Good, Table), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("{shown}: not UTF-8 text from byte {} on", error.valid_up_to()))?;
    let parsed = profile::parse_with(shown, text, shelf).map_err(|error| error.to_string())?;
    let table = Table::compile(&parsed.profile)
        .map_err(|error| format!("{shown}: the profile cannot be compiled: {error}"))?;
    let good = Good {
        path: path.to_owned(),
        text: text.to_owned(),
        standalone: parsed.profile.standalone(text),
        profile: parsed.profile,
        findings: warnings(&parsed.findings),
    };
    Ok((good, table))
}

/// Lines for the log. Whoever wants to see everything asks `stockade profile lint`.
fn warnings(findings: &[profile::Finding]) -> Vec<String> {
    let warnings = || findings.iter().filter(|finding| finding.problem().weight == profile::Weight::Warning);
    let more = warnings().skip(LOGGED).count();
    let more = (more > 0).then(|| format!("and {more} more warnings: see `stockade profile lint`"));
    warnings().take(LOGGED).map(profile::Finding::line).chain(more).collect()
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
        let (print, files) = look(dir.path(), &Fingerprint::default()).unwrap().unwrap();
        assert_eq!(files.profiles.len(), 1);
        // Fresh files are read again, old ones are not.
        assert!(look(dir.path(), &print).unwrap().is_some());
        age(&dir.path().join("a.yaml"));
        let (print, _) = look(dir.path(), &print).unwrap().unwrap();
        assert!(look(dir.path(), &print).unwrap().is_none());
        // A rule set is no profile, and its coming, changing and going is seen.
        let set = dir.path().join("include/s.yaml");
        fs::create_dir(dir.path().join("include")).unwrap();
        assert!(look(dir.path(), &print).unwrap().is_none());
        fs::write(&set, "s").unwrap();
        age(&set);
        let (print, files) = look(dir.path(), &print).unwrap().unwrap();
        assert_eq!((files.profiles.len(), files.shelf.names().collect::<Vec<_>>()), (1, vec!["s"]));
        assert!(look(dir.path(), &print).unwrap().is_none());
        fs::write(&set, "st").unwrap();
        age(&set);
        let (print, _) = look(dir.path(), &print).unwrap().unwrap();
        fs::remove_file(&set).unwrap();
        assert!(look(dir.path(), &print).unwrap().is_some());
    }

    fn age(path: &Path) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }

    fn set(name: &str, path: &str) -> SetFile {
        let text =
            yaml(name, path).replace("kind: Profile", "kind: RuleSet").replace("mode: enforce", "exec: []");
        SetFile { path: PathBuf::from(format!("/p/include/{name}.yaml")), text: Ok(text.into_bytes()) }
    }

    fn files(text: &str, sets: Vec<SetFile>) -> Files {
        let mut shelf = Shelf::of(Path::new("/p/include"));
        sets.into_iter().for_each(|set| shelf.add(set));
        Files { profiles: vec![source("/p/a.yaml", text)], shelf }
    }

    #[test]
    fn a_changed_rule_set_changes_the_profiles_that_include_it() {
        let text = yaml("a", "/x").replace("enforce", "enforce\n  include: [own]");
        let (missing, _) = judge(files(&text, vec![]), &Catalog::default());
        assert!(missing.bad[0].message.contains("no rule set `own`"), "{:?}", missing.bad);
        let (first, tables) = judge(files(&text, vec![set("own", "/one")]), &missing);
        assert_eq!(tables.len(), 1);
        assert!(first.good["a"].standalone.contains("/one"), "{}", first.good["a"].standalone);
        let (same, tables) = judge(files(&text, vec![set("own", "/one"), set("other", "/o")]), &first);
        assert!(tables.is_empty() && same.good.contains_key("a"));
        let (second, tables) = judge(files(&text, vec![set("own", "/two")]), &same);
        assert!(tables.contains_key("a") && second.good["a"].standalone.contains("/two"));
        let (gone, _) = judge(files(&text, vec![]), &second);
        assert!(gone.good.is_empty() && gone.bad.len() == 1);
        // One of the own stands before that of the library.
        let text = text.replace("own", "base");
        let (library, _) = judge(files(&text, vec![]), &Catalog::default());
        let (own, tables) = judge(files(&text, vec![set("base", "/mine")]), &library);
        assert!(tables.contains_key("a"));
        assert_eq!(own.good["a"].profile.files.len(), 2);
    }
}
