//! rpm's database: a table of headers, each of which names the files of a package.
//!
//! rpm has kept it in three formats. That of SQLite, rpm's own since version 4.16, is read. Berkeley DB and ndb are
//! internal to rpm; an image that has one of them is told so.

pub(crate) mod database;
pub(crate) mod header;

use super::inside::Inside;
use super::{Owned, PackagesError, merged};

/// Where it is: in distributions that keep `/var` for data, and in others. One is mostly a link to the other.
const DIRS: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
const FILE: &str = "rpmdb.sqlite";
/// What is written and not yet in the file.
const LOG: &str = "rpmdb.sqlite-wal";
/// The files of the formats that are not read.
const OTHERS: [(&str, &str); 2] = [("Packages", "Berkeley DB"), ("Packages.db", "ndb")];
/// The largest database that is read: headers hold changelogs, digests and signatures.
const SIZE_MAX: u64 = 256 << 20;

/// Adds what installed packages own, by the names of their sources; what must be said goes to `notices`.
pub(super) fn read(
    inside: &Inside,
    owned: &mut Owned,
    notices: &mut Vec<String>,
) -> Result<(), PackagesError> {
    for dir in DIRS {
        let path = format!("{dir}/{FILE}");
        let Some(bytes) = inside.read_up_to(&path, SIZE_MAX)? else { continue };
        if inside.size(&format!("{dir}/{LOG}")).is_some_and(|size| size > 0) {
            notices.push(format!(
                "{dir}/{LOG} holds changes that rpm has not put into its database; they are not read"
            ));
        }
        return add(bytes, inside, &path, owned);
    }
    for (dir, (file, format)) in DIRS.into_iter().flat_map(|dir| OTHERS.map(|other| (dir, other))) {
        if inside.size(&format!("{dir}/{file}")).is_some() {
            notices.push(format!(
                "{dir}/{file} is an rpm database in the format of {format}, which cannot be read: nothing is known \
                 of its packages"
            ));
            break;
        }
    }
    Ok(())
}

fn add(bytes: Vec<u8>, inside: &Inside, path: &str, owned: &mut Owned) -> Result<(), PackagesError> {
    let merged = merged(inside);
    let mut size = 0;
    database::headers(bytes, |header| {
        let source = header.source()?;
        for file in header.files()? {
            size += file.len() as u64;
            // Directories are named once in a header and may be long; what is over the limit is told below.
            if size <= SIZE_MAX {
                owned.insert(merged.path(&file), source.clone());
            }
        }
        Ok(())
    })
    .map_err(|source| PackagesError::Rpm { path: path.to_owned(), source })?;
    if size > SIZE_MAX { Err(PackagesError::TooLarge(path.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
pub(crate) mod tests;
