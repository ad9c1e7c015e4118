//! Headers as rpm writes them, and damaged ones.

use super::*;

/// An entry to be written: its tag, its type, how many values, and their bytes.
type Written = (u32, u32, usize, Vec<u8>);

pub(crate) fn text(tag: Tag, value: &str) -> Written {
    (tag as u32, Kind::Text as u32, 1, format!("{value}\0").into_bytes())
}

pub(crate) fn all(tag: Tag, values: &[&str]) -> Written {
    let bytes = values.iter().flat_map(|value| format!("{value}\0").into_bytes());
    (tag as u32, Kind::Texts as u32, values.len(), bytes.collect())
}

pub(crate) fn numbers(tag: Tag, values: &[u32]) -> Written {
    let bytes = values.iter().flat_map(|value| value.to_be_bytes());
    (tag as u32, Kind::Int32 as u32, values.len(), bytes.collect())
}

pub(crate) fn header(entries: &[Written]) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, count, bytes) in entries {
        if *kind == Kind::Int32 as u32 {
            store.resize(store.len().next_multiple_of(4), 0);
        }
        index.extend([tag.to_be_bytes(), kind.to_be_bytes(), word(store.len()), word(*count)].concat());
        store.extend(bytes);
    }
    [&word(entries.len())[..], &word(store.len()), &index, &store].concat()
}

/// A package with the files that are given, by directory and name.
pub(crate) fn package(name: &str, source: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut dirs: Vec<&str> = files.iter().map(|(dir, _)| *dir).collect();
    dirs.sort_unstable();
    dirs.dedup();
    let of = |dir: &str| u32::try_from(dirs.iter().position(|have| *have == dir).unwrap()).unwrap();
    header(&[
        // A region, which rpm puts first and which is of no interest here.
        (63, 7, 16, vec![0; 16]),
        text(Tag::Name, name),
        text(Tag::SourceRpm, source),
        numbers(Tag::DirIndexes, &files.iter().map(|(dir, _)| of(dir)).collect::<Vec<_>>()),
        all(Tag::BaseNames, &files.iter().map(|(_, name)| *name).collect::<Vec<_>>()),
        all(Tag::DirNames, &dirs),
    ])
}

fn read(bytes: &[u8]) -> Result<(String, Vec<String>), HeaderError> {
    let header = Header::parse(bytes)?;
    let files = header.files()?.iter().map(|path| path.escape_ascii().to_string()).collect();
    Ok((header.source()?, files))
}

#[test]
fn files_are_named_by_their_directories() {
    let files = [("/usr/lib64/", "libz.so.1"), ("/usr/share/doc/", "README"), ("/usr/lib64/", "libz.so.1.2")];
    let (source, files) = read(&package("zlib-devel", "zlib-1.2.11-31.el9.src.rpm", &files)).unwrap();
    assert_eq!(source, "zlib");
    assert_eq!(files, ["/usr/lib64/libz.so.1", "/usr/share/doc/README", "/usr/lib64/libz.so.1.2"]);
    // A package without files has none of these entries, and a key has no source.
    assert_eq!(read(&header(&[text(Tag::Name, "gpg-pubkey")])), Ok(("gpg-pubkey".to_owned(), Vec::new())));
    assert_eq!(read(&header(&[])), Err(HeaderError::Missing(Tag::Name)));
}

#[test]
fn names_of_sources() {
    let of =
        |file: &str| without_version(file.as_bytes()).map(|name| String::from_utf8_lossy(name).into_owned());
    assert_eq!(of("java-17-openjdk-17.0.9-1.el9.src.rpm").as_deref(), Some("java-17-openjdk"));
    assert_eq!(of("firmware-1-2.nosrc.rpm").as_deref(), Some("firmware"));
    for none in ["", "(none)", "a.src.rpm", "a-1.src.rpm", "-1-2.src.rpm", "a-1-2.x86_64.rpm"] {
        assert_eq!(of(none), None, "{none}");
    }
}

#[test]
fn what_points_out_of_the_store_is_an_error() {
    let names = all(Tag::BaseNames, &["a", "b"]);
    let dirs = all(Tag::DirNames, &["/usr/share/"]);
    let of = |entries: &[Written]| read(&header(entries)).unwrap_err();
    let name = text(Tag::Name, "p");
    assert_eq!(
        of(&[name.clone(), names.clone(), dirs.clone(), numbers(Tag::DirIndexes, &[0])]),
        HeaderError::Uneven { names: 2, dirs: 1 }
    );
    assert_eq!(
        of(&[name.clone(), names.clone(), dirs.clone(), numbers(Tag::DirIndexes, &[0, 1])]),
        HeaderError::Directory(1)
    );
    let long = "x".repeat(PATH_MAX);
    let long = all(Tag::BaseNames, &["a", &long]);
    assert_eq!(
        of(&[name.clone(), long, dirs, numbers(Tag::DirIndexes, &[0, 0])]),
        HeaderError::LongPath(PATH_MAX + 11)
    );
    let more = (Tag::BaseNames as u32, Kind::Texts as u32, 3, b"a\0b\0".to_vec());
    assert_eq!(of(&[name.clone(), more]), HeaderError::Outside(Tag::BaseNames));
    let most = (Tag::DirIndexes as u32, Kind::Int32 as u32, size(u32::MAX), vec![0; 4]);
    assert_eq!(of(&[name, most]), HeaderError::Outside(Tag::DirIndexes));
    let number = numbers(Tag::Name, &[1]);
    assert_eq!(of(&[number]), HeaderError::Kind { tag: Tag::Name, kind: 4 });
    let endless = (Tag::Name as u32, Kind::Text as u32, 1, b"p".to_vec());
    assert_eq!(of(&[endless]), HeaderError::Outside(Tag::Name));
}

#[test]
fn no_part_of_a_header_is_one() {
    let whole = package("tz", "tz-1-2.src.rpm", &[("/usr/share/tz/", "UTC")]);
    for length in 0..whole.len() {
        let error = Header::parse(&whole[..length]).unwrap_err();
        assert!(matches!(error, HeaderError::Short(_) | HeaderError::Length { .. }), "{length}: {error}");
    }
    let more = [&whole[..], b"\0"].concat();
    assert!(matches!(Header::parse(&more), Err(HeaderError::Length { .. })));
    let many = [&[0xff; 4][..], &whole[4..]].concat();
    assert!(matches!(Header::parse(&many), Err(HeaderError::TooLarge { .. })));
}
