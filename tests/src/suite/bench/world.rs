//! The files that the operations work on, new for each configuration: what one configuration left at an
//! inode must not help the next.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

use crate::act::SERIES;

const HERE: &str = "/tmp/b";
const NESTED: &str = "/tmp/b/usr/share/application/data/locale/en_GB";
const FILES: usize = 500;

pub(super) fn make() -> Result<()> {
    match fs::remove_dir_all(HERE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context(HERE),
        Ok(()) | Err(_) => {}
    }
    directory(NESTED)?;
    directory(&format!("{HERE}/names"))?;
    for name in ["file01", "file02"] {
        file(&format!("{HERE}/{name}"))?;
    }
    file(&format!("{NESTED}/message-catalog.mo"))?;
    for parent in [HERE, NESTED] {
        for series in 0..SERIES {
            let many = format!("{parent}/many{series}");
            directory(&many)?;
            file(&format!("{many}/other"))?;
            for number in 0..FILES {
                file(&format!("{many}/f{number:03}"))?;
            }
        }
    }
    let deep = format!("{HERE}{}", "/dd".repeat(300));
    directory(&deep)?;
    file(&format!("{deep}/f"))?;
    long()
}

/// A path of 3999 bytes and the zero after it, which is the longest that the actor asks for.
fn long() -> Result<()> {
    let mut path = HERE.to_owned();
    while path.len() + 250 < 4000 {
        path.push_str(&format!("/{}", "l".repeat(248)));
    }
    directory(&path)?;
    path.push_str(&format!("/{}", "f".repeat(3999 - path.len())));
    file(&path)
}

fn directory(path: &str) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("making {path}"))
}

fn file(path: &str) -> Result<()> {
    fs::write(Path::new(path), b"content").with_context(|| format!("writing {path}"))
}
