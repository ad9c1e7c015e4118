//! dpkg's database: `status` says what is installed, and `info/NAME.list` what belongs to it.

use std::collections::BTreeMap;

use super::inside::Inside;
use super::{Owned, PackagesError, merged};

const DIR: &str = "var/lib/dpkg";

/// Adds what installed packages own, by the names of their sources.
pub(super) fn read(inside: &Inside, owned: &mut Owned) -> Result<(), PackagesError> {
    let Some(status) = inside.read(&format!("{DIR}/status"))? else { return Ok(()) };
    let sources = installed(&String::from_utf8_lossy(&status));
    let merged = merged(inside);
    for file in inside.names(&format!("{DIR}/info"))? {
        let Some(name) = file.strip_suffix(".list") else { continue };
        let package = name.split(':').next().unwrap_or(name);
        let Some(source) = sources.get(package) else { continue };
        let Some(list) = inside.read(&format!("{DIR}/info/{file}"))? else { continue };
        for path in list.split(|byte| *byte == b'\n').filter(|path| path.first() == Some(&b'/')) {
            owned.insert(merged.path(path), source.clone());
        }
    }
    Ok(())
}

/// The source of each package whose files are there.
fn installed(status: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for paragraph in status.split("\n\n") {
        let field = |name: &str| {
            paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
        };
        let (Some(package), Some(state)) = (field("Package"), field("Status")) else { continue };
        let there = ["installed", "triggers-awaited", "triggers-pending"];
        if state.split(' ').nth(2).is_some_and(|state| there.contains(&state)) {
            // A version in parentheses may follow.
            let source = field("Source").and_then(|source| source.split(' ').next()).unwrap_or(package);
            found.insert(package.to_owned(), source.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let status = "Package: a\nStatus: install ok installed\nSource: big (1.2-3)\nDescription: x\n Package: no\n\n\
                      Package: b\nStatus: deinstall ok config-files\n\nPackage: c\nStatus: hold ok triggers-pending\n\n\
                      Status: install ok installed\n";
        let found = installed(status);
        let wanted = [("a", "big"), ("c", "c")].map(|(name, source)| (name.to_owned(), source.to_owned()));
        assert_eq!(found, wanted.into());
    }
}
