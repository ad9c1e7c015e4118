//! Observations in the database.
//!
//! A baseline grows with what its subjects do, not with how many of them do it or for how long: an
//! observation is one row whatever the number of subjects, and what it remembers of windows and runs has
//! a fixed size. At [`OBSERVATIONS_MAX`] rows a baseline takes nothing new and is marked incomplete.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use stockade_abi::access::AccessSet;
use stockade_abi::reason::Operation;

use super::Seen;
use super::evidence::Evidence;
use super::few::Few;
use crate::store::{Store, StoreError};

/// Observations kept for one profile. A baseline that needs more is of no use as a profile.
pub const OBSERVATIONS_MAX: u64 = 200_000;

/// What makes an observation one of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Profile that learns.
    pub profile: String,
    /// Whether a session did it.
    pub session: bool,
    /// The operation, as its number.
    pub operation: u8,
    /// The accesses asked for together.
    pub access: AccessSet,
    /// The object's name.
    pub object: Vec<u8>,
}

/// How evidence is put to what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adding {
    /// It was recorded now, and counts.
    New,
    /// It is another account, of which some may be known.
    Account,
}

/// How a profile's baseline stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineStatus {
    /// The profile.
    pub profile: String,
    /// Observations of its own processes.
    pub observations: u64,
    /// Observations of sessions.
    pub session_observations: u64,
    /// When something was first missed that was not made good since, in seconds since the epoch.
    pub incomplete_since: Option<i64>,
    /// What was missed.
    pub incomplete_reason: Option<String>,
}

impl Store {
    /// Adds observations in one transaction. Names the profiles that are full.
    pub fn observe<'a>(
        &mut self,
        batch: impl IntoIterator<Item = (&'a Key, &'a Evidence)>,
        adding: Adding,
    ) -> Result<BTreeSet<String>, StoreError> {
        self.transact(|transaction| {
            let mut rows = BTreeMap::new();
            let mut full = BTreeSet::new();
            for (key, evidence) in batch {
                put(transaction, key, evidence, adding, &mut rows, &mut full)?;
            }
            Ok(full)
        })
    }

    /// What was seen of a profile's own processes, or of its sessions.
    pub fn seen(&self, profile: &str, session: bool) -> Result<Vec<Seen>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Seen>> {
            self.db
                .prepare(&format!(
                    "SELECT {EVIDENCE}, operation, access, object FROM observations
                     WHERE profile = ?1 AND session = ?2 ORDER BY operation, object, access"
                ))?
                .query_map(params![profile, session], seen)?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Every profile that learned something or missed something.
    pub fn baselines(&self) -> Result<Vec<BaselineStatus>, StoreError> {
        let read = || -> rusqlite::Result<Vec<BaselineStatus>> {
            self.db
                .prepare(
                    "SELECT name, sum(own), sum(sessions) FROM (
                        SELECT profile AS name, sum(session = 0) AS own, sum(session = 1) AS sessions
                        FROM observations GROUP BY profile
                        UNION ALL
                        SELECT DISTINCT profile, 0, 0 FROM losses
                     ) GROUP BY name ORDER BY name",
                )?
                .query_map([], baseline)?
                .collect()
        };
        let mut baselines = read().map_err(|source| self.error(source))?;
        for baseline in &mut baselines {
            if let Some(loss) = self.open_loss(&baseline.profile)? {
                baseline.incomplete_since = Some(loss.at);
                baseline.incomplete_reason = Some(loss.reason);
            }
        }
        Ok(baselines)
    }

    /// Forgets everything that was learned for a profile.
    pub fn forget_baseline(&mut self, profile: &str) -> Result<(), StoreError> {
        self.transact(|transaction| {
            for table in ["observations", "runs", "windows", "losses"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE profile = ?1"), [profile])?;
            }
            Ok(())
        })
    }
}

const EVIDENCE: &str = "first_seen, last_seen, count, windows, runs, own_pids, phases, exe, parent";

fn put<'a>(
    transaction: &Transaction<'_>,
    key: &'a Key,
    evidence: &Evidence,
    adding: Adding,
    rows: &mut BTreeMap<&'a str, u64>,
    full: &mut BTreeSet<String>,
) -> rusqlite::Result<()> {
    let Key { profile, session, operation, access, object } = key;
    let before = transaction
        .prepare_cached(&format!(
            "SELECT {EVIDENCE} FROM observations WHERE profile = ?1 AND session = ?2 AND operation = ?3
             AND access = ?4 AND object = ?5"
        ))?
        .query_row(params![profile, session, operation, access, object], read_evidence)
        .optional()?;
    let now = match before {
        Some(mut before) => {
            match adding {
                Adding::New => before.add(evidence),
                Adding::Account => before.join(evidence),
            }
            before
        }
        None => {
            let have = match rows.get(profile.as_str()) {
                Some(have) => *have,
                None => transaction
                    .prepare_cached("SELECT count(*) FROM observations WHERE profile = ?1")?
                    .query_row([profile], |row| row.get::<_, i64>(0))?
                    .cast_unsigned(),
            };
            if have >= OBSERVATIONS_MAX {
                rows.insert(profile, have);
                full.insert(profile.clone());
                return Ok(());
            }
            rows.insert(profile, have + 1);
            evidence.clone()
        }
    };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO observations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            profile,
            session,
            operation,
            access,
            object,
            now.first,
            now.last,
            now.count.cast_signed(),
            now.windows.to_string(),
            now.runs.to_string(),
            now.own_pids.to_string(),
            now.phases,
            now.exe,
            now.parent,
        ])
        .map(drop)
}

fn few(row: &Row<'_>, column: usize) -> rusqlite::Result<Few> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn read_evidence(row: &Row<'_>) -> rusqlite::Result<Evidence> {
    Ok(Evidence {
        first: row.get(0)?,
        last: row.get(1)?,
        count: row.get::<_, i64>(2)?.cast_unsigned(),
        windows: few(row, 3)?,
        runs: few(row, 4)?,
        own_pids: few(row, 5)?,
        phases: row.get(6)?,
        exe: row.get(7)?,
        parent: row.get(8)?,
    })
}

fn seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let number: u8 = row.get(9)?;
    let operation = Operation::try_from(number).map_err(|unknown| {
        let what = format!("unknown {} {}", unknown.what, unknown.value);
        rusqlite::Error::FromSqlConversionFailure(9, Type::Integer, what.into())
    })?;
    Ok(Seen { operation, access: row.get(10)?, object: row.get(11)?, evidence: read_evidence(row)? })
}

fn baseline(row: &Row<'_>) -> rusqlite::Result<BaselineStatus> {
    Ok(BaselineStatus {
        profile: row.get(0)?,
        observations: row.get::<_, i64>(1)?.cast_unsigned(),
        session_observations: row.get::<_, i64>(2)?.cast_unsigned(),
        incomplete_since: None,
        incomplete_reason: None,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key(object: &[u8], access: AccessSet) -> Key {
        Key {
            profile: "web".to_owned(),
            session: false,
            operation: Operation::File as u8,
            access,
            object: object.to_vec(),
        }
    }

    pub(crate) fn once(at: i64) -> Evidence {
        Evidence { first: at, last: at, count: 1, ..Evidence::default() }
    }

    #[test]
    fn observations_add_up() {
        let mut store = Store::in_memory();
        let session = Key { session: true, ..key(b"/s", 1) };
        let (a, raw) = (key(b"/a", 1), key(b"/\xff", 3));
        let early = Evidence { windows: [7, 9].into_iter().collect(), ..once(100) };
        let late = Evidence {
            windows: [9, 12].into_iter().collect(),
            own_pids: [7].into_iter().collect(),
            ..once(120)
        };
        store.observe([(&a, &early), (&session, &early), (&raw, &early)], Adding::New).unwrap();
        store.observe([(&a, &late)], Adding::New).unwrap();
        let seen = store.seen("web", false).unwrap();
        assert_eq!(seen.len(), 2);
        let evidence = &seen[0].evidence;
        assert_eq!((evidence.first, evidence.last, evidence.count), (100, 120, 2));
        assert_eq!(evidence.windows.iter().collect::<Vec<_>>(), [7, 9, 12]);
        assert_eq!(evidence.own_pids.first(), Some(7));
        assert_eq!(seen[1].object, b"/\xff");
        assert_eq!(store.seen("web", true).unwrap().len(), 1);
        assert_eq!(store.seen("other", false).unwrap(), []);
    }

    #[test]
    fn the_same_account_twice_is_one() {
        let mut store = Store::in_memory();
        for _ in 0..2 {
            store.observe([(&key(b"/a", 1), &once(100))], Adding::Account).unwrap();
        }
        assert_eq!(store.seen("web", false).unwrap()[0].evidence.count, 1);
    }

    #[test]
    fn a_baseline_has_a_largest_size() {
        let mut store = Store::in_memory();
        let keys: Vec<Key> = (0..=OBSERVATIONS_MAX).map(|n| key(format!("/{n}").as_bytes(), 1)).collect();
        let evidence = once(1);
        let full = store.observe(keys.iter().map(|key| (key, &evidence)), Adding::New).unwrap();
        assert_eq!(full, BTreeSet::from(["web".to_owned()]));
        // What is known goes on being counted.
        assert_eq!(store.observe([(&keys[0], &evidence)], Adding::New).unwrap(), BTreeSet::new());
        assert_eq!(store.baselines().unwrap()[0].observations, OBSERVATIONS_MAX);
    }
}
