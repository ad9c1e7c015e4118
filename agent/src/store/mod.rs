//! The agent's memory: one SQLite database in the state directory.
//!
//! Write-ahead log without a sync for each transaction: a killed agent loses nothing, a power cut
//! at most the last moments, and then the kernel's state is gone as well.

pub mod breakers;
pub mod slots;
pub mod subjects;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

/// Name of the database in the state directory.
pub const FILE: &str = "stockade.db";
/// Where state is kept unless told otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/stockade";

/// How long to wait for another connection's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// Each step takes the schema from its position's version to the next.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema.sql"), include_str!("evidence.sql"), include_str!("reviews.sql")];

/// Failure of the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be used.
    #[error("state directory {path}: {source}")]
    Dir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is damaged.
    #[error(
        "{0} is damaged ({1}). What is enforced stays in force. Move the file away to begin with an empty one; \
         what was learned is lost with it."
    )]
    Corrupt(PathBuf, String),
    /// The file was written by a newer agent.
    #[error("{path} has schema version {found}, this binary knows up to {known}; use the newer binary")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: usize,
    },
    /// There is no database.
    #[error("no database at {0}: no agent has kept its state there")]
    Missing(PathBuf),
    /// No room.
    #[error("no room for {0} on its disk; free some, nothing has to be started again")]
    Full(PathBuf),
    /// Anything else.
    #[error("{path}: {source}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// An open database.
#[derive(Debug)]
pub struct Store {
    pub(crate) db: Connection,
    path: PathBuf,
    /// The node's name, which tells its windows from those of others.
    node: String,
}

impl StoreError {
    /// A rusqlite error with the file's name.
    pub(crate) fn classified(path: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt(path.to_owned(), source.to_string())
            }
            Some(ErrorCode::DiskFull) => Self::Full(path.to_owned()),
            Some(_) | None => Self::Sql { path: path.to_owned(), source },
        }
    }
}

fn node() -> String {
    match fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) => name.trim().to_owned(),
        Err(_) => "node".to_owned(),
    }
}

impl Store {
    /// Opens the database in `dir`, making both as needed.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::Dir { path: dir.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
        let path = dir.join(FILE);
        let db = Connection::open(&path).map_err(|source| StoreError::classified(&path, source))?;
        let mut store = Self { db, path, node: node() };
        store.prepare().map_err(|source| StoreError::classified(&store.path, source))?;
        store.migrate()?;
        Ok(store)
    }

    /// Opens the database in `dir` to read it, beside an agent that may be writing it.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Err(StoreError::Missing(path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&path, flags)
            .map_err(|source| StoreError::classified(&path, source))?;
        db.busy_timeout(BUSY).map_err(|source| StoreError::classified(&path, source))?;
        let store = Self { db, path, node: node() };
        store.version()?;
        Ok(store)
    }

    /// A database that lives in memory.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let db = Connection::open_in_memory().unwrap();
        let mut store = Self { db, path: PathBuf::from(":memory:"), node: "node".to_owned() };
        store.migrate().unwrap();
        store
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the node.
    pub fn node(&self) -> &str {
        &self.node
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.db.busy_timeout(BUSY)?;
        self.db.pragma_update(None, "journal_mode", "wal")?;
        self.db.pragma_update(None, "synchronous", "normal")?;
        // A file that was cut short or overwritten is better found here than in the middle of the night.
        let verdict: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(verdict),
        ))
    }

    fn version(&self) -> Result<usize, StoreError> {
        let found: i64 = self
            .db
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|source| StoreError::classified(&self.path, source))?;
        usize::try_from(found)
            .ok()
            .filter(|version| *version <= MIGRATIONS.len())
            .ok_or_else(|| StoreError::Newer { path: self.path.clone(), found, known: MIGRATIONS.len() })
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        for (version, step) in MIGRATIONS.iter().enumerate().skip(self.version()?) {
            let path = self.path.clone();
            let fail = |source| StoreError::classified(&path, source);
            let transaction = self.db.transaction().map_err(fail)?;
            transaction.execute_batch(step).map_err(fail)?;
            let next = i64::try_from(version + 1).unwrap_or(i64::MAX);
            transaction.pragma_update(None, "user_version", next).map_err(fail)?;
            transaction.commit().map_err(fail)?;
        }
        Ok(())
    }

    /// Does `work` as a whole or not at all.
    pub(crate) fn transact<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let path = self.path.clone();
        let whole = || {
            // Whoever reads first and then finds that another has written would be turned away.
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        whole().map_err(|source| StoreError::classified(&path, source))
    }

    /// A rusqlite error with the file's name.
    pub(crate) fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::classified(&self.path, source)
    }

    /// The losses that were known when the agent last looked, by slot.
    pub fn known_losses(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let text: Option<String> = self
            .db
            .query_row("SELECT value FROM meta WHERE key = 'losses'", [], |row| row.get(0))
            .optional()
            .map_err(|source| self.error(source))?;
        // What cannot be read counts as nothing known: every loss is then new, which errs on the safe side.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Remembers losses.
    pub fn put_losses(&mut self, losses: &BTreeMap<u32, u64>) -> Result<(), StoreError> {
        let text = serde_json::to_string(losses)
            .map_err(|error| self.error(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
        self.db
            .execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('losses', ?1)", params![text])
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Records which boot is running. Says whether it is another than the last time. Written in any case: a
    /// database that cannot be written shows here, and not when there is something to be kept.
    pub fn enter_boot(&mut self, boot: &str) -> Result<bool, StoreError> {
        let work = || -> rusqlite::Result<bool> {
            let last: Option<String> = self
                .db
                .query_row("SELECT value FROM meta WHERE key = 'boot'", [], |row| row.get(0))
                .optional()?;
            self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('boot', ?1)", params![boot])?;
            Ok(last.as_deref() != Some(boot))
        };
        work().map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn opens_migrates_and_reopens() {
        let dir = TempDir::new("store");
        let state = dir.path().join("a/b");
        assert!(matches!(Store::open_read_only(&state), Err(StoreError::Missing(_))));
        assert!(Store::open(&state).unwrap().enter_boot("one").unwrap());
        let mut again = Store::open(&state).unwrap();
        assert!(!again.enter_boot("one").unwrap());
        assert!(again.enter_boot("two").unwrap());
        Store::open_read_only(&state).unwrap();
    }

    #[test]
    fn what_was_learned_before_stays() {
        let dir = TempDir::new("migrate");
        {
            let old = Connection::open(dir.path().join(FILE)).unwrap();
            old.execute_batch(MIGRATIONS[0]).unwrap();
            old.pragma_update(None, "user_version", 1).unwrap();
            for (subject, own_pid, first) in [("a", 7, 5), ("b", 9, 3)] {
                old.execute(
                    "INSERT INTO observations VALUES ('web', ?1, 0, 2, 1, X'2f61', ?2, ?3, 9, 2)",
                    params![subject, own_pid, first],
                )
                .unwrap();
            }
            old.execute("INSERT INTO baselines VALUES ('web', 5, 'ring full')", []).unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        let seen = store.seen("web", false).unwrap();
        assert_eq!(seen.len(), 1);
        let evidence = &seen[0].evidence;
        assert_eq!((evidence.first, evidence.last, evidence.count, evidence.own_pids.len()), (3, 9, 4, 2));
        assert_eq!(store.baselines().unwrap()[0].incomplete_since, Some(5));
    }

    #[test]
    fn a_full_disk_is_named_and_loses_nothing() {
        let mut store = Store::in_memory();
        store.mark_incomplete("web", "one", 1).unwrap();
        store.db.pragma_update(None, "max_page_count", 20).unwrap();
        let reason = "x".repeat(1 << 20);
        assert!(matches!(store.mark_incomplete("web", &reason, 2), Err(StoreError::Full(_))));
        assert_eq!(store.losses("web").unwrap().len(), 1);
        store.db.pragma_update(None, "max_page_count", 1 << 20).unwrap();
        store.mark_incomplete("web", &reason, 2).unwrap();
    }

    #[test]
    fn damage_and_newer_versions_are_named() {
        let dir = TempDir::new("damage");
        fs::write(dir.path().join(FILE), "this is not a database, it is a text of some length").unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Corrupt(..))));
        fs::remove_file(dir.path().join(FILE)).unwrap();
        Store::open(dir.path()).unwrap().db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Newer { found: 99, .. })));
        assert!(matches!(Store::open_read_only(dir.path()), Err(StoreError::Newer { .. })));
    }
}
