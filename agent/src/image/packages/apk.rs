//! apk's database: one file with a paragraph for each installed package.

use super::inside::Inside;
use super::{Owned, PackagesError};

/// Where it is: of version 2, and of version 3 where `/lib` and `/usr/lib` are one.
const FILES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// Adds what installed packages own, by the names of their origins.
pub(super) fn read(inside: &Inside, owned: &mut Owned) -> Result<(), PackagesError> {
    for file in FILES {
        if let Some(content) = inside.read(file)? {
            for paragraph in String::from_utf8_lossy(&content).split("\n\n") {
                add(paragraph, owned);
            }
        }
    }
    Ok(())
}

fn add(paragraph: &str, owned: &mut Owned) {
    let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
    let Some(origin) = field("o:").or_else(|| field("P:")) else { return };
    let mut dir = "";
    for line in paragraph.lines() {
        if let Some(next) = line.strip_prefix("F:") {
            dir = next;
        } else if let Some(name) = line.strip_prefix("R:") {
            let slash = if dir.is_empty() { "" } else { "/" };
            owned.insert(format!("/{dir}{slash}{name}").into_bytes(), origin.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_directories() {
        let mut owned = Owned::new();
        add("P:musl-utils\nV:1\no:musl\nF:\nR:top\nF:usr/share/x\nR:a\na:0:0:755\nZ:Q1\nR:b c", &mut owned);
        add("P:alone\nF:usr/lib\nR:l.so", &mut owned);
        add("V:2\nF:usr\nR:nobody's", &mut owned);
        let wanted = [
            ("/top", "musl"),
            ("/usr/lib/l.so", "alone"),
            ("/usr/share/x/a", "musl"),
            ("/usr/share/x/b c", "musl"),
        ];
        assert_eq!(owned, wanted.map(|(path, name)| (path.as_bytes().to_vec(), name.to_owned())).into());
    }
}
