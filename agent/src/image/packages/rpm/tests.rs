//! Tests with databases that are made here.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::header::tests::package;
use crate::image::{Packages, PackagesError};
use crate::testing::TempDir;

/// The tables of rpm that are of interest: the headers, and one of the indices beside them.
pub(crate) const SCHEMA: &str =
    "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);
    CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL,
        FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum));
    CREATE INDEX 'Name_key_idx' ON 'Name'(key ASC);";

/// A database with these headers, made by SQLite.
pub(crate) fn database(path: &Path, schema: &str, headers: &[Vec<u8>]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = Connection::open(path).unwrap();
    // Small pages for a small seed of the fuzz target.
    database.execute_batch("PRAGMA page_size = 512").unwrap();
    database.execute_batch(schema).unwrap();
    for header in headers {
        database.execute("INSERT INTO Packages (blob) VALUES (?1)", [header]).unwrap();
    }
}

fn put(root: &Path, paths: &[&str]) {
    for path in paths {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), "").unwrap();
    }
}

fn some() -> [Vec<u8>; 2] {
    let zlib = [("/usr/lib64/", "libz.so.1.2.11"), ("/lib64/", "libz.so.1"), ("/usr/share/doc/", "z")];
    let tz = [("/usr/share/zoneinfo/", "UTC"), ("/usr/share/zoneinfo/", "Zulu")];
    [package("zlib-devel", "zlib-1.2.11-40.el9.src.rpm", &zlib), package("tzdata", "tzdata-1-1.src.rpm", &tz)]
}

#[test]
fn files_of_an_image() {
    for dir in super::DIRS {
        let root = TempDir::new("rpm");
        database(&root.path().join(dir).join(super::FILE), SCHEMA, &some());
        put(
            root.path(),
            &["usr/lib64/libz.so.1.2.11", "usr/lib64/libz.so.1", "usr/share/zoneinfo/UTC", "usr/share/own"],
        );
        std::os::unix::fs::symlink("usr/lib64", root.path().join("lib64")).unwrap();
        let packages = Packages::read(root.path()).unwrap();
        assert_eq!(packages.owner(b"/usr/lib64/libz.so.1.2.11"), Some("zlib"));
        // The database names it by a directory that leads elsewhere.
        assert_eq!(packages.owner(b"/usr/lib64/libz.so.1"), Some("zlib"));
        assert_eq!(packages.owner(b"/usr/share/zoneinfo/UTC"), Some("tzdata"));
        // What is not there is not counted, and what has no owner is.
        assert_eq!(packages.below(b"/usr/share").count(), 2);
        assert_eq!(packages.notices(), [] as [String; 0]);
    }
}

#[test]
fn a_log_beside_the_database_is_named() {
    let root = TempDir::new("rpm");
    let path = root.path().join("var/lib/rpm/rpmdb.sqlite");
    let schema = format!("PRAGMA journal_mode = wal; {SCHEMA}");
    database(&path, &schema, &some());
    put(root.path(), &["usr/share/zoneinfo/UTC", "var/lib/rpm/rpmdb.sqlite-wal"]);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.get(super::database::FORMATS), Some(&[2, 2][..]), "it is written with a log");
    let packages = Packages::read(root.path()).unwrap();
    assert_eq!(packages.owner(b"/usr/share/zoneinfo/UTC"), Some("tzdata"));
    assert_eq!(packages.notices(), [] as [String; 0]);
    fs::write(root.path().join("var/lib/rpm/rpmdb.sqlite-wal"), "changes").unwrap();
    let packages = Packages::read(root.path()).unwrap();
    assert_eq!(packages.owner(b"/usr/share/zoneinfo/UTC"), Some("tzdata"));
    assert!(packages.notices()[0].contains("rpmdb.sqlite-wal holds changes"), "{:?}", packages.notices());
    // Nothing was changed by reading.
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (file, format) in super::OTHERS {
        let root = TempDir::new("rpm");
        put(root.path(), &[&format!("var/lib/rpm/{file}"), "usr/share/zoneinfo/UTC"]);
        let packages = Packages::read(root.path()).unwrap();
        let [notice] = packages.notices() else { panic!("{:?}", packages.notices()) };
        assert!(notice.contains(&format!("var/lib/rpm/{file}")) && notice.contains(format), "{notice}");
        assert!(packages.is_empty());
        // Left over from an update, it is of no interest.
        database(&root.path().join("var/lib/rpm/rpmdb.sqlite"), SCHEMA, &some());
        assert_eq!(Packages::read(root.path()).unwrap().notices(), [] as [String; 0]);
    }
}

fn error(schema: &str, headers: &[Vec<u8>]) -> String {
    let root = TempDir::new("rpm");
    database(&root.path().join("var/lib/rpm/rpmdb.sqlite"), schema, headers);
    let error = Packages::read(root.path()).unwrap_err();
    assert!(matches!(error, PackagesError::Rpm { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn what_is_no_database_is_an_error() {
    let damaged = error(SCHEMA, &[some()[0].clone(), some()[1][1..].to_vec()]);
    assert!(
        damaged.starts_with("cannot read var/lib/rpm/rpmdb.sqlite of the image: package 2: "),
        "{damaged}"
    );
    let other = error("CREATE TABLE x (y); CREATE TABLE Packages (hnum)", &[]);
    assert!(other.contains("no such column: blob"), "{other}");
    assert!(error("CREATE TABLE x (y)", &[]).contains("there is no table Packages"));
    let root = TempDir::new("rpm");
    put(root.path(), &["var/lib/rpm/rpmdb.sqlite"]);
    fs::write(root.path().join("var/lib/rpm/rpmdb.sqlite"), [7; 5000]).unwrap();
    assert!(matches!(Packages::read(root.path()), Err(PackagesError::Rpm { .. })));
}

#[test]
fn nothing_is_computed_for_a_database() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS blob FROM n";
    let view = error(&format!("CREATE VIEW Packages AS {endless}"), &[]);
    assert!(view.contains("`CREATE VIEW Packages"), "{view}");
    let table =
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, x, blob GENERATED ALWAYS AS (hex(zeroblob(9))))";
    assert!(error(table, &[]).contains("computed"));
    let seen = format!("CREATE TABLE t (x); CREATE VIEW v AS {endless}");
    assert!(error(&seen, &[]).contains("`CREATE VIEW v"));
    assert!(error("CREATE VIRTUAL TABLE Packages USING fts5(blob)", &[]).contains("`CREATE VIRTUAL"));
}
