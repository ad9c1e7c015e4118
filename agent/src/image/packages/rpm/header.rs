//! An rpm header: an index of entries, and the store that they point into.
//!
//! ```text
//! u32 entries, u32 length of the store           all numbers are big endian
//! entries x { u32 tag, u32 type, u32 offset, u32 count }
//! the store
//! ```
//! The bytes come out of an image, so nothing is believed: every place is looked up, never computed into.

/// Entries and bytes that rpm itself allows in a header.
const ENTRIES_MAX: usize = 0xffff;
const STORE_MAX: usize = 0x0fff_ffff;
const ENTRY: usize = 16;
/// The longest path of a file that the kernel takes.
const PATH_MAX: usize = 4096;

/// What is looked up in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Tag {
    /// The package's name.
    Name = 1000,
    /// The file that it was built from: `NAME-VERSION-RELEASE.src.rpm`.
    SourceRpm = 1044,
    /// For each file, which of the directories it is in.
    DirIndexes = 1116,
    /// For each file, its name there.
    BaseNames = 1117,
    /// The directories, each with a slash at its end.
    DirNames = 1118,
}

/// What an entry holds, of what is looked up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Int32 = 4,
    Text = 6,
    Texts = 8,
}

/// Reasons for which a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// It ends in its first words.
    #[error("it has {0} bytes, which is too short for a header")]
    Short(usize),
    /// The counts at its beginning are larger than rpm allows.
    #[error("{entries} entries and a store of {store} bytes are too many")]
    TooLarge {
        /// Entries that it claims to have.
        entries: usize,
        /// Bytes of its store.
        store: usize,
    },
    /// The counts at its beginning do not come to its length.
    #[error("it has {have} bytes in place of {said}")]
    Length {
        /// How long it is,
        have: usize,
        /// and how long it says that it is.
        said: usize,
    },
    /// There is no such entry.
    #[error("there is no {0:?}")]
    Missing(Tag),
    /// An entry is of another type.
    #[error("{tag:?} is of type {kind}")]
    Kind {
        /// The entry,
        tag: Tag,
        /// and its type.
        kind: u32,
    },
    /// An entry points out of the store.
    #[error("{0:?} is not inside the store")]
    Outside(Tag),
    /// There are more names than directories for them, or fewer.
    #[error("there are {names} names of files for {dirs} directories of them")]
    Uneven {
        /// Names,
        names: usize,
        /// and numbers of directories.
        dirs: usize,
    },
    /// A file is in a directory that is not there.
    #[error("a file is in directory {0}, which is not there")]
    Directory(u32),
    /// A path is longer than any path.
    #[error("the path of a file has {0} bytes")]
    LongPath(usize),
}

/// A header whose index and store are where they should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads where index and store are.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let short = HeaderError::Short(bytes.len());
        let (entries, rest) = number(bytes).ok_or(short)?;
        let (store, rest) = number(rest).ok_or(short)?;
        let (entries, store) = (size(entries), size(store));
        if entries > ENTRIES_MAX || store > STORE_MAX {
            return Err(HeaderError::TooLarge { entries, store });
        }
        let said = entries * ENTRY + store;
        match rest.split_at_checked(entries * ENTRY) {
            Some((index, content)) if content.len() == store => Ok(Self { index, store: content }),
            Some(_) | None => Err(HeaderError::Length { have: rest.len(), said }),
        }
    }

    /// The name of what the package was built from; its own where that is not said.
    pub(crate) fn source(&self) -> Result<String, HeaderError> {
        let name = self.text(Tag::Name)?.ok_or(HeaderError::Missing(Tag::Name))?;
        let source = self.text(Tag::SourceRpm)?.unwrap_or(b"");
        let name = without_version(source).unwrap_or(name);
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// The paths of its files.
    pub(crate) fn files(&self) -> Result<Vec<Vec<u8>>, HeaderError> {
        let dirs = self.texts(Tag::DirNames)?;
        let names = self.texts(Tag::BaseNames)?;
        let of = self.numbers(Tag::DirIndexes)?;
        if names.len() != of.len() {
            return Err(HeaderError::Uneven { names: names.len(), dirs: of.len() });
        }
        let path = |(name, at): (&&[u8], &u32)| {
            let dir = dirs.get(size(*at)).ok_or(HeaderError::Directory(*at))?;
            let length = dir.len() + name.len();
            if length > PATH_MAX { Err(HeaderError::LongPath(length)) } else { Ok([*dir, *name].concat()) }
        };
        names.iter().zip(&of).map(path).collect()
    }

    /// Where an entry begins in the store, and how many values it has.
    fn entry(&self, wanted: Tag, kind: Kind) -> Result<Option<(&'a [u8], usize)>, HeaderError> {
        for entry in self.index.chunks_exact(ENTRY) {
            let words: Vec<u32> = entry.chunks_exact(4).filter_map(|word| Some(number(word)?.0)).collect();
            let [tag, have, offset, count] = words[..] else { continue };
            if tag != wanted as u32 {
                continue;
            }
            if have != kind as u32 {
                return Err(HeaderError::Kind { tag: wanted, kind: have });
            }
            let from = self.store.get(size(offset)..).ok_or(HeaderError::Outside(wanted))?;
            return Ok(Some((from, size(count))));
        }
        Ok(None)
    }

    fn text(&self, tag: Tag) -> Result<Option<&'a [u8]>, HeaderError> {
        let Some((from, _)) = self.entry(tag, Kind::Text)? else { return Ok(None) };
        texts(from, 1).and_then(|texts| texts.first().copied()).map(Some).ok_or(HeaderError::Outside(tag))
    }

    fn texts(&self, tag: Tag) -> Result<Vec<&'a [u8]>, HeaderError> {
        let Some((from, count)) = self.entry(tag, Kind::Texts)? else { return Ok(Vec::new()) };
        texts(from, count).ok_or(HeaderError::Outside(tag))
    }

    fn numbers(&self, tag: Tag) -> Result<Vec<u32>, HeaderError> {
        let Some((from, count)) = self.entry(tag, Kind::Int32)? else { return Ok(Vec::new()) };
        let bytes = count.checked_mul(4).and_then(|length| from.get(..length));
        let words = bytes.ok_or(HeaderError::Outside(tag))?.chunks_exact(4);
        Ok(words.filter_map(|word| Some(number(word)?.0)).collect())
    }
}

/// So many texts that end with zeroes; `None` when there are fewer.
fn texts(from: &[u8], count: usize) -> Option<Vec<&[u8]>> {
    // What the last one ends with belongs to none.
    let ends = from.iter().rposition(|byte| *byte == 0)?;
    let texts: Vec<&[u8]> = from.get(..ends)?.split(|byte| *byte == 0).take(count).collect();
    (texts.len() == count).then_some(texts)
}

/// `NAME` of `NAME-VERSION-RELEASE.src.rpm`.
fn without_version(file: &[u8]) -> Option<&[u8]> {
    let whole = file.strip_suffix(b".src.rpm").or_else(|| file.strip_suffix(b".nosrc.rpm"))?;
    let mut parts = whole.rsplitn(3, |byte| *byte == b'-').skip(2);
    parts.next().filter(|name| !name.is_empty())
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

/// A number that is too large for this machine is out of bounds on it, as is the largest.
fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "header_tests.rs"]
pub(crate) mod tests;
