//! Observations and baselines in the database.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use stockade_abi::access::AccessSet;
use stockade_abi::reason::Operation;

use super::Seen;
use crate::store::{Store, StoreError};

/// Observations kept for one profile. A baseline that needs more is of no use as a profile.
pub const OBSERVATIONS_MAX: u64 = 200_000;

/// One thing done while learning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Profile that learns.
    pub profile: String,
    /// Name of the subject, the lasting one.
    pub subject: String,
    /// Whether a session did it.
    pub session: bool,
    /// The operation.
    pub operation: Operation,
    /// The accesses asked for together.
    pub access: AccessSet,
    /// The object's name.
    pub object: Vec<u8>,
    /// Number by which the process knew itself, where that matters.
    pub own_pid: Option<u32>,
    /// When, in seconds since the epoch.
    pub at: i64,
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
    /// When something was first missed, in seconds since the epoch.
    pub incomplete_since: Option<i64>,
    /// What was missed.
    pub incomplete_reason: Option<String>,
}

impl Store {
    /// Adds observations in one transaction. Names the profiles that are full.
    pub fn observe(&mut self, batch: &[Observation]) -> Result<BTreeSet<String>, StoreError> {
        let path = self.path().to_owned();
        let mut full = BTreeSet::new();
        let mut work = || -> rusqlite::Result<()> {
            let transaction = self.db.transaction()?;
            {
                let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
                let mut count =
                    transaction.prepare_cached("SELECT count(*) FROM observations WHERE profile = ?1")?;
                let mut update = transaction.prepare_cached(
                    "UPDATE observations SET last_seen = ?1, count = count + 1, own_pid = coalesce(?2, own_pid)
                     WHERE profile = ?3 AND subject = ?4 AND session = ?5 AND operation = ?6 AND access = ?7
                     AND object = ?8",
                )?;
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO observations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1)",
                )?;
                for one in batch {
                    let operation = one.operation as u8;
                    let updated = update.execute(params![
                        one.at,
                        one.own_pid,
                        one.profile,
                        one.subject,
                        one.session,
                        operation,
                        one.access,
                        one.object
                    ])?;
                    if updated > 0 {
                        continue;
                    }
                    let have = match rows.get(one.profile.as_str()) {
                        Some(have) => *have,
                        None => count.query_row([&one.profile], |row| row.get::<_, i64>(0))?.cast_unsigned(),
                    };
                    if have >= OBSERVATIONS_MAX {
                        rows.insert(&one.profile, have);
                        full.insert(one.profile.clone());
                        continue;
                    }
                    rows.insert(&one.profile, have + 1);
                    insert.execute(params![
                        one.profile,
                        one.subject,
                        one.session,
                        operation,
                        one.access,
                        one.object,
                        one.own_pid,
                        one.at
                    ])?;
                }
            }
            transaction.commit()
        };
        work().map_err(|source| StoreError::classified(&path, source))?;
        Ok(full)
    }

    /// Marks a baseline as incomplete. The first reason stays.
    pub fn mark_incomplete(&mut self, profile: &str, reason: &str, at: i64) -> Result<(), StoreError> {
        self.db
            .execute(
                "INSERT INTO baselines (profile, incomplete_since, reason) VALUES (?1, ?2, ?3)
                 ON CONFLICT (profile) DO NOTHING",
                params![profile, at, reason],
            )
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// What was seen of a profile's own processes, sessions left out.
    pub fn seen(&self, profile: &str) -> Result<Vec<Seen>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Seen>> {
            let mut statement = self.db.prepare(
                "SELECT operation, access, object, own_pid FROM observations
                 WHERE profile = ?1 AND session = 0 ORDER BY operation, object, access",
            )?;
            let rows = statement.query_map([profile], seen)?;
            let mut all: Vec<Seen> = Vec::new();
            for row in rows {
                let row = row?;
                match all.last_mut() {
                    // The same of several subjects.
                    Some(last)
                        if last.operation == row.operation
                            && last.access == row.access
                            && last.object == row.object =>
                    {
                        last.own_pids.extend(row.own_pids);
                    }
                    Some(_) | None => all.push(row),
                }
            }
            Ok(all)
        };
        read().map_err(|source| self.error(source))
    }

    /// Every profile that learned something or missed something.
    pub fn baselines(&self) -> Result<Vec<BaselineStatus>, StoreError> {
        let read = || -> rusqlite::Result<Vec<BaselineStatus>> {
            self.db
                .prepare(
                    "SELECT name, sum(own), sum(sessions), max(since), max(reason) FROM (
                        SELECT profile AS name, sum(session = 0) AS own, sum(session = 1) AS sessions,
                               NULL AS since, NULL AS reason FROM observations GROUP BY profile
                        UNION ALL
                        SELECT profile, 0, 0, incomplete_since, reason FROM baselines
                     ) GROUP BY name ORDER BY name",
                )?
                .query_map([], baseline)?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }
}

fn seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let number: u8 = row.get(0)?;
    let operation = Operation::try_from(number).map_err(|unknown| {
        let what = format!("unknown {} {}", unknown.what, unknown.value);
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Integer, what.into())
    })?;
    Ok(Seen {
        operation,
        access: row.get(1)?,
        object: row.get(2)?,
        own_pids: row.get::<_, Option<u32>>(3)?.into_iter().collect(),
    })
}

fn baseline(row: &Row<'_>) -> rusqlite::Result<BaselineStatus> {
    Ok(BaselineStatus {
        profile: row.get(0)?,
        observations: row.get::<_, i64>(1)?.cast_unsigned(),
        session_observations: row.get::<_, i64>(2)?.cast_unsigned(),
        incomplete_since: row.get(3)?,
        incomplete_reason: row.get(4)?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn observation(object: &[u8], access: AccessSet) -> Observation {
        Observation {
            profile: "web".to_owned(),
            subject: "nginx-1".to_owned(),
            session: false,
            operation: Operation::File,
            access,
            object: object.to_vec(),
            own_pid: None,
            at: 100,
        }
    }

    #[test]
    fn observations_add_up() {
        let mut store = Store::in_memory();
        let one = observation(b"/a", 1);
        let other_subject = Observation { subject: "nginx-2".to_owned(), own_pid: Some(7), ..one.clone() };
        let session = Observation { session: true, object: b"/s".to_vec(), ..one.clone() };
        let raw = observation(b"/\xff", 3);
        store.observe(&[one.clone(), one, other_subject]).unwrap();
        store.observe(&[session, raw]).unwrap();
        let seen = store.seen("web").unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].object.as_slice(), &seen[0].own_pids), (&b"/a"[..], &BTreeSet::from([7])));
        assert_eq!(seen[1].object, b"/\xff");
        assert_eq!(store.seen("other").unwrap(), []);
    }

    #[test]
    fn the_first_loss_is_kept() {
        let mut store = Store::in_memory();
        store.mark_incomplete("web", "ring full", 5).unwrap();
        store.mark_incomplete("web", "later", 9).unwrap();
        store.observe(&[observation(b"/a", 1)]).unwrap();
        assert_eq!(
            store.baselines().unwrap(),
            [BaselineStatus {
                profile: "web".to_owned(),
                observations: 1,
                session_observations: 0,
                incomplete_since: Some(5),
                incomplete_reason: Some("ring full".to_owned()),
            }]
        );
    }
}
