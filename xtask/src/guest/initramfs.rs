//! Writes a cpio archive in the format that the kernel unpacks at its start ("newc").

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// An archive in memory, complete after [`Archive::write`].
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file of this machine; permissions of 0 mean those it has here.
    pub(crate) fn file(&mut self, name: &str, from: &Path, permissions: u32) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        let permissions = match permissions {
            0 => fs::metadata(from)
                .with_context(|| format!("reading {}", from.display()))?
                .permissions()
                .mode(),
            given => given,
        };
        self.bytes(name, &content, permissions & 0o7777)
    }

    /// Adds everything below a directory of this machine; nothing when there is no such directory.
    pub(crate) fn tree(&mut self, name: &str, from: &Path) -> Result<()> {
        if !from.is_dir() {
            return Ok(());
        }
        for item in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
            let path = item.with_context(|| format!("reading {}", from.display()))?.path();
            let inside = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            if path.is_dir() {
                self.tree(&inside, &path)?;
            } else {
                self.file(&inside, &path, 0)?;
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&mut self, name: &str, content: &[u8], permissions: u32) -> Result<()> {
        for (end, _) in name.match_indices('/') {
            let parent = &name[..end];
            if self.directories.insert(parent.to_owned()) {
                self.entry(parent, DIRECTORY | 0o755, &[])?;
            }
        }
        self.entry(name, REGULAR | permissions, content)
    }

    pub(crate) fn write(mut self, to: &Path) -> Result<()> {
        self.entry("TRAILER!!!", 0, &[])?;
        fs::write(to, self.bytes).with_context(|| format!("writing {}", to.display()))
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        if name.is_empty() || name.contains('\0') {
            bail!("no name for a file in the guest: {name:?}");
        }
        self.entries += 1;
        let size =
            u32::try_from(content.len()).with_context(|| format!("{name} is too large for the guest"))?;
        let name_size = u32::try_from(name.len() + 1).context("a name too long")?;
        let links = 1;
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0]
            .map(|field| format!("{field:08X}"));
        self.bytes.extend_from_slice(b"070701");
        self.bytes.extend_from_slice(fields.concat().as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_first_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.bytes("a/b/c", b"hello", 0o644).unwrap();
        archive.bytes("a/b/d", b"", 0o755).unwrap();
        let text = String::from_utf8(archive.bytes.clone()).unwrap();
        assert_eq!(text.matches("070701").count(), 4, "two directories, two files");
        assert!(text.find("a\0").unwrap() < text.find("a/b\0").unwrap());
        assert_eq!(archive.bytes.len() % 4, 0);
        let file = text.find("a/b/c\0").unwrap();
        let header = &text[file - 110..file];
        assert_eq!(&header[14..22], "000081A4");
        assert_eq!(&header[54..62], "00000005");
    }
}
