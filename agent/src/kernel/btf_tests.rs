//! Types written by hand.

use super::*;

/// `struct path { void *mnt; struct { u32 a; u32 dentry; }; }` by hand.
fn sample() -> Vec<u8> {
    let strings = b"\0path\0mnt\0dentry\0a\0file\0f_path\0";
    let words: &[u32] = &[
        // 1: the anonymous structure { a, dentry }
        0,
        4 << 24 | 2,
        8,
        17,
        0,
        0,
        10,
        0,
        32, //
        // 2: path { mnt, <anonymous> }
        1,
        4 << 24 | 2,
        16,
        6,
        0,
        0,
        0,
        1,
        64, //
        // 3: typedef of 2; 4: file { f_path }
        0,
        8 << 24,
        2,
        19,
        4 << 24 | 1,
        24,
        24,
        3,
        128,
    ];
    assemble(words, strings)
}

fn assemble(words: &[u32], strings: &[u8]) -> Vec<u8> {
    let types: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    bytes.extend([1, 0]);
    for word in [24, 0, types.len(), types.len(), strings.len()] {
        bytes.extend(u32::try_from(word).unwrap().to_ne_bytes());
    }
    bytes.extend(types);
    bytes.extend(strings);
    bytes
}

#[test]
fn finds_fields_also_inside_anonymous_structures() {
    let bytes = sample();
    let types = Types::parse(&bytes).unwrap();
    assert_eq!(types.offset("path", "mnt").unwrap(), Some(0));
    assert_eq!(types.offset("path", "dentry").unwrap(), Some(12));
    assert_eq!(types.offset("file", "f_path.dentry").unwrap(), Some(28));
    assert_eq!(types.offset("file", "f_path.nothing").unwrap(), None);
    assert_eq!(types.offset("path", "dentry.mnt").unwrap(), None);
    assert_eq!(types.offset("path", "nothing").unwrap(), None);
    assert_eq!(types.offset("path", "dentry#").unwrap(), Some(0));
    assert_eq!(types.offset("nothing", "mnt").unwrap(), None);
    assert_eq!(types.offset("path", "b|dentry.a|dentry|mnt").unwrap(), Some(12));
    assert_eq!(types.offset("path", "b|c").unwrap(), None);
    assert_eq!(types.offset("file", "+").unwrap(), Some(24));
}

/// `struct ovl_inode { union { … }; struct inode vfs_inode; struct dentry *__upperdentry; }` of a module that
/// shares a name with the kernel.
#[test]
fn a_module_goes_on_from_the_kernel() {
    let kernel = assemble(&[0, 4 << 24, 600, 0, 8 << 24, 1], b"\0vfs_inode\0");
    let kernel = Types::parse(&kernel).unwrap();
    // 3: the union; 4: ovl_inode. Names from 11 on are the module's own.
    let words = [0, 5 << 24, 8, 11, 4 << 24 | 3, 700, 0, 3, 0, 1, 1, 64 * 8, 21, 2, 640 * 8];
    let module = assemble(&words, b"ovl_inode\0__upperdentry\0");
    let types = Types::parse_on(&module, Some(&kernel)).unwrap();
    assert_eq!(types.behind_inode().unwrap(), Some(576));
    assert_eq!(kernel.behind_inode().unwrap(), None);
}

#[test]
fn every_truncation_is_an_error_or_a_missing_field() {
    let bytes = sample();
    for len in 0..bytes.len() {
        if let Ok(types) = Types::parse(&bytes[..len]) {
            let _found = types.offset("path", "dentry");
        }
    }
    assert!(Types::parse(&bytes[..30]).is_err());
}
