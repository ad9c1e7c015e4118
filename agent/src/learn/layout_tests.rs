//! Tests of the data directories, and of the rules that learning writes for them.

use stockade_abi::access::{AccessSet, CREATE, READ, WRITE};
use stockade_abi::reason::{Mode, Operation, Reason};

use super::super::generalise::generalise;
use super::super::how::How;
use super::*;
use crate::compile::{Object, compile};
use crate::learn::Seen;
use crate::profile::Profile;

/// What is learned from accesses to names in a data directory.
fn learned(root: &str, names: &[(&str, AccessSet)]) -> Profile {
    let file = |(name, access): &(&str, _)| Seen::bare(Operation::File, *access, format!("{root}{name}"));
    let seen: Vec<Seen> = names.iter().map(file).collect();
    let mut profile = Profile::new("learned", Mode::Enforce);
    profile.files = generalise(&seen, How::default()).files;
    profile
}

/// Whether the profile grants accesses to names in a data directory.
fn grants(root: &str, profile: &Profile) -> impl Fn(&str, AccessSet) -> bool {
    let policy = compile(profile, Mode::Enforce).unwrap();
    move |name, access| {
        let path = format!("{root}/{name}");
        policy.decide(&Object::Path(path.as_bytes()), access, false).reason == Reason::Rule
    }
}

#[test]
fn the_marker_must_be_written() {
    let path = b"/var/lib/postgresql/15/main/global/pg_control";
    assert_eq!(recognise(path, READ), None);
    let dir = recognise(path, READ | WRITE).unwrap();
    assert_eq!(dir.path, b"/var/lib/postgresql/15/main");
    assert_eq!(recognise(b"/global/pg_control", WRITE), None);
    assert!(dir.rules(access::MAP).iter().all(|(_, access)| access & access::MAP == 0));
}

#[test]
fn postgresql_survives_new_tables() {
    let root = "/var/lib/postgresql/15/main";
    let profile = learned(
        root,
        &[
            ("/global/pg_control", READ | WRITE),
            ("/base/5/1259", READ | WRITE),
            ("/base/5/16384", READ | WRITE | CREATE),
            ("/pg_wal/000000010000000000000001", READ | WRITE),
            ("/postgresql.auto.conf", READ),
        ],
    );
    let allowed = grants(root, &profile);
    for name in [
        "base/24576/24601",
        "base/24576/24601_fsm",
        "base/24576/24601.1",
        "pg_wal/0000000100000000000000AF",
        "pg_xact/0001",
        "base/pgsql_tmp/pgsql_tmp1234.0",
        "pg_stat_tmp/global.stat",
        "pg_logical/replorigin_checkpoint.tmp",
    ] {
        assert!(allowed(name, READ | WRITE | CREATE), "{name}");
    }
    assert!(allowed("postgresql.auto.conf", READ) && !allowed("postgresql.auto.conf", WRITE));
    for name in ["base/24576/x", "evil", "base/../x", "pg_hba.conf"] {
        assert!(!allowed(name, READ), "{name}");
    }
    assert!(!profile.files.iter().any(|rule| rule.path.ends_with("/1259")));
}

#[test]
fn mariadb_survives_new_tables_and_databases() {
    let root = "/var/lib/mysql";
    let profile = learned(
        root,
        &[
            ("", READ),
            ("/ibdata1", READ | WRITE),
            ("/aria_log.00000001", READ | WRITE),
            ("/mysql/db.MAD", READ | WRITE),
            ("/mysql/db.frm", READ),
            ("/t/a.ibd", READ | WRITE | CREATE),
            ("/server-key.pem", READ),
        ],
    );
    let allowed = grants(root, &profile);
    for name in [
        "mysql/user.MAI",
        "t/b.frm",
        "u/c.ibd",
        "u/db.opt",
        "u/#sql-alter-1-5.frm",
        "ibtmp1",
        "undo001",
        "#innodb_redo/#ib_redo7",
        "mariadb-bin.000002",
        "mariadb-bin.index",
        "binlog.000001",
        "node-7.lower-test",
        "node-7.err",
    ] {
        assert!(allowed(name, READ | WRITE | CREATE), "{name}");
    }
    assert!(allowed("u", CREATE) && allowed("server-key.pem", READ));
    for (name, access) in [
        ("server-key.pem", WRITE),
        ("ca-key.pem", READ),
        ("u/shell.so", WRITE),
        ("u/x.php", READ),
        ("my.cnf", READ),
        ("u/v/w.ibd", READ),
    ] {
        assert!(!allowed(name, access), "{name}");
    }
    assert!(profile.files.iter().all(|rule| !rule.path.ends_with("/db.MAD")), "{:?}", profile.files);
}
