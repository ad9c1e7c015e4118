//! The subjects of this boot, across restarts of the agent.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use rusqlite::{Row, params};

use super::{Store, StoreError};
use crate::identity::Names;

/// A subject as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// Cgroup id.
    pub cgroup: u64,
    /// Its cgroup's directory.
    pub path: PathBuf,
    /// Slot of its policy.
    pub slot: u32,
    /// Its first process.
    pub init_pid: u32,
    /// Flags it was bound with.
    pub flags: u32,
    /// Its names.
    pub names: Names,
    /// When it was bound, in seconds since the epoch.
    pub bound_at: i64,
}

fn row(row: &Row<'_>) -> rusqlite::Result<SubjectRow> {
    let names: String = row.get(5)?;
    Ok(SubjectRow {
        cgroup: row.get::<_, i64>(0)?.cast_unsigned(),
        path: PathBuf::from(OsString::from_vec(row.get(1)?)),
        slot: row.get(2)?,
        init_pid: row.get(3)?,
        flags: row.get(4)?,
        names: serde_json::from_str(&names).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
        })?,
        bound_at: row.get(6)?,
    })
}

impl Store {
    /// Every remembered subject.
    pub fn subjects(&self) -> Result<Vec<SubjectRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<SubjectRow>> {
            self.db
                .prepare("SELECT cgroup, path, slot, init_pid, flags, names, bound_at FROM subjects")?
                .query_map([], row)?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Remembers a subject.
    pub fn put_subject(&mut self, subject: &SubjectRow) -> Result<(), StoreError> {
        let names = serde_json::to_string(&subject.names)
            .map_err(|error| self.error(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
        let values = params![
            subject.cgroup.cast_signed(),
            subject.path.as_os_str().as_bytes(),
            subject.slot,
            subject.init_pid,
            subject.flags,
            names,
            subject.bound_at,
        ];
        self.db
            .execute("INSERT OR REPLACE INTO subjects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", values)
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Forgets a subject.
    pub fn drop_subject(&mut self, cgroup: u64) -> Result<(), StoreError> {
        self.db
            .execute("DELETE FROM subjects WHERE cgroup = ?1", params![cgroup.cast_signed()])
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Forgets every subject.
    pub fn drop_subjects(&mut self) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM subjects", []).map(drop).map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_come_back_as_they_were() {
        let mut store = Store::in_memory();
        let subject = SubjectRow {
            cgroup: u64::MAX,
            path: PathBuf::from("/sys/fs/cgroup/x"),
            slot: 1,
            init_pid: 7,
            flags: 1,
            names: Names { id: "i".to_owned(), name: Some("n".to_owned()), ..Names::default() },
            bound_at: 5,
        };
        store.put_subject(&subject).unwrap();
        assert_eq!(store.subjects().unwrap(), [subject]);
        store.drop_subject(u64::MAX).unwrap();
        assert_eq!(store.subjects().unwrap(), []);
    }
}
