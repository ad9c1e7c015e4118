//! Runs, windows and losses of a baseline in the database.

use rusqlite::{OptionalExtension as _, Row, params};

use super::evidence::{Phase, Run, SHUTDOWN_S, Window, run_number};
use crate::store::{Store, StoreError};

/// Runs kept for a profile; those that started earliest go first.
const RUNS_MAX: i64 = 2000;
/// Losses kept for a profile: the first, and the latest.
const LOSSES_MAX: i64 = 200;
/// Whole runs that must follow a loss before the baseline is complete again.
pub const RUNS_AFTER_LOSS: i64 = 2;
/// Windows that must follow a loss before the baseline is complete again.
pub const WINDOWS_AFTER_LOSS: i64 = 30;

/// Something that was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When, in seconds since the epoch.
    pub at: i64,
    /// What.
    pub reason: String,
}

impl Store {
    /// Records that a run has begun.
    pub fn begin_run(&mut self, profile: &str, run: &Run) -> Result<(), StoreError> {
        self.transact(|transaction| {
            let known = transaction
                .query_row(
                    &format!("SELECT {RUN} FROM runs WHERE profile = ?1 AND id = ?2"),
                    [profile, &run.id],
                    read_run,
                )
                .optional()?;
            let run = match known {
                Some(mut known) => {
                    known.join(run);
                    known
                }
                None => run.clone(),
            };
            transaction.execute(
                "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    profile,
                    run.id,
                    run.subject,
                    run.image,
                    run.started,
                    run.ended,
                    run.from_start,
                    run.session_at
                ],
            )?;
            transaction.execute(
                "DELETE FROM runs WHERE profile = ?1 AND id IN (
                    SELECT id FROM runs WHERE profile = ?1 ORDER BY started DESC LIMIT -1 OFFSET ?2)",
                params![profile, RUNS_MAX],
            )?;
            Ok(())
        })
    }

    /// Records that a run has ended, and that what it did last belongs to its shutdown.
    pub fn end_run(&mut self, profile: &str, id: &str, at: i64) -> Result<(), StoreError> {
        let number = format!("%,{},%", run_number(id));
        self.transact(|transaction| {
            transaction.execute(
                "UPDATE runs SET ended = ?3 WHERE profile = ?1 AND id = ?2 AND ended IS NULL",
                params![profile, id, at],
            )?;
            transaction.execute(
                "UPDATE observations SET phases = phases | ?4
                 WHERE profile = ?1 AND last_seen >= ?2 AND ',' || runs || ',' LIKE ?3",
                params![profile, at.saturating_sub(SHUTDOWN_S), number, Phase::Shutdown as u8],
            )?;
            Ok(())
        })
    }

    /// Records that a session is in a run.
    pub fn session_in_run(&mut self, profile: &str, id: &str, at: i64) -> Result<(), StoreError> {
        self.db
            .execute(
                "UPDATE runs SET session_at = ?3 WHERE profile = ?1 AND id = ?2",
                params![profile, id, at],
            )
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Every run of a profile, in the order in which they began.
    pub fn runs(&self, profile: &str) -> Result<Vec<Run>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Run>> {
            self.db
                .prepare(&format!("SELECT {RUN} FROM runs WHERE profile = ?1 ORDER BY started, id"))?
                .query_map([profile], read_run)?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Adds a window; of two accounts of one, the larger counts.
    pub fn add_window(&mut self, profile: &str, window: &Window) -> Result<(), StoreError> {
        let Window { node, started_ms, length_ms, units } = window;
        self.db
            .execute(
                "INSERT INTO windows VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (profile, node, started_ms) DO UPDATE
                 SET length_ms = max(length_ms, excluded.length_ms), units = max(units, excluded.units)",
                params![profile, node, started_ms, length_ms, units],
            )
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Every window of a profile, in the order in which they began.
    pub fn windows(&self, profile: &str) -> Result<Vec<Window>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Window>> {
            self.db
                .prepare(
                    "SELECT node, started_ms, length_ms, units FROM windows WHERE profile = ?1
                     ORDER BY started_ms, node",
                )?
                .query_map([profile], |row| {
                    Ok(Window {
                        node: row.get(0)?,
                        started_ms: row.get(1)?,
                        length_ms: row.get(2)?,
                        units: row.get(3)?,
                    })
                })?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Milliseconds for which a profile's runs were looked at.
    pub fn exposure_ms(&self, profile: &str) -> Result<i64, StoreError> {
        self.db
            .query_row(
                "SELECT coalesce(sum(length_ms * units), 0) FROM windows WHERE profile = ?1",
                [profile],
                |row| row.get(0),
            )
            .map_err(|source| self.error(source))
    }

    /// Marks a baseline as incomplete from `at` on.
    pub fn mark_incomplete(&mut self, profile: &str, reason: &str, at: i64) -> Result<(), StoreError> {
        self.transact(|transaction| {
            transaction
                .execute("INSERT OR IGNORE INTO losses VALUES (?1, ?2, ?3)", params![profile, at, reason])?;
            transaction.execute(
                "DELETE FROM losses WHERE profile = ?1 AND (at, reason) IN (
                    SELECT at, reason FROM losses WHERE profile = ?1 ORDER BY at DESC, reason LIMIT -1 OFFSET ?2)
                 AND at > (SELECT min(at) FROM losses WHERE profile = ?1)",
                params![profile, LOSSES_MAX],
            )?;
            Ok(())
        })
    }

    /// Everything that was missed, in order.
    pub fn losses(&self, profile: &str) -> Result<Vec<Loss>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Loss>> {
            self.db
                .prepare("SELECT at, reason FROM losses WHERE profile = ?1 ORDER BY at, reason")?
                .query_map([profile], |row| Ok(Loss { at: row.get(0)?, reason: row.get(1)? }))?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// The first loss, unless what was missed was looked at again since the last one: whole runs and windows
    /// without a loss.
    pub fn open_loss(&self, profile: &str) -> Result<Option<Loss>, StoreError> {
        let losses = self.losses(profile)?;
        let (Some(first), Some(last)) = (losses.first(), losses.last()) else { return Ok(None) };
        let since = |sql: &str, at: i64| -> Result<i64, StoreError> {
            self.db
                .query_row(sql, params![profile, at], |row| row.get(0))
                .map_err(|source| self.error(source))
        };
        let runs = since(
            "SELECT count(*) FROM runs WHERE profile = ?1 AND started > ?2 AND from_start AND ended IS NOT NULL",
            last.at,
        )?;
        let units = since(
            "SELECT coalesce(sum(units), 0) FROM windows WHERE profile = ?1 AND started_ms > ?2",
            last.at.saturating_mul(1000),
        )?;
        Ok((runs < RUNS_AFTER_LOSS || units < WINDOWS_AFTER_LOSS).then(|| first.clone()))
    }
}

const RUN: &str = "id, subject, image, started, ended, from_start, session_at";

fn read_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        subject: row.get(1)?,
        image: row.get(2)?,
        started: row.get(3)?,
        ended: row.get(4)?,
        from_start: row.get(5)?,
        session_at: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Evidence;
    use super::super::store::tests::{key, once};
    use super::super::store::{Adding, BaselineStatus};
    use super::*;

    fn run(id: &str, started: i64) -> Run {
        Run {
            id: id.to_owned(),
            subject: "nginx".to_owned(),
            image: None,
            started,
            ended: None,
            from_start: true,
            session_at: None,
        }
    }

    #[test]
    fn the_end_of_a_run_marks_what_it_did_last() {
        let mut store = Store::in_memory();
        store.begin_run("web", &run("a@1", 1)).unwrap();
        let of = |id| Evidence { runs: [run_number(id)].into_iter().collect(), phases: 1, ..once(100) };
        let early = Evidence { last: 90, ..of("a@1") };
        store
            .observe(
                [
                    (&key(b"/early", 1), &early),
                    (&key(b"/late", 1), &of("a@1")),
                    (&key(b"/other", 1), &of("b@1")),
                ],
                Adding::New,
            )
            .unwrap();
        store.end_run("web", "a@1", 104).unwrap();
        assert_eq!(store.runs("web").unwrap()[0].ended, Some(104));
        let phases: Vec<u8> =
            store.seen("web", false).unwrap().iter().map(|seen| seen.evidence.phases).collect();
        assert_eq!(phases, [1, 5, 1]);
        // Known again, it is still the run that ended.
        store.begin_run("web", &run("a@1", 1)).unwrap();
        assert_eq!(store.runs("web").unwrap()[0].ended, Some(104));
    }

    #[test]
    fn the_first_loss_counts_until_all_was_seen_again() {
        let mut store = Store::in_memory();
        store.mark_incomplete("web", "ring full", 5).unwrap();
        store.mark_incomplete("web", "later", 9).unwrap();
        store.observe([(&key(b"/a", 1), &once(1))], Adding::New).unwrap();
        let incomplete = BaselineStatus {
            profile: "web".to_owned(),
            observations: 1,
            session_observations: 0,
            incomplete_since: Some(5),
            incomplete_reason: Some("ring full".to_owned()),
        };
        assert_eq!(store.baselines().unwrap(), std::slice::from_ref(&incomplete));
        for (id, at) in [("a", 8), ("b", 10), ("c", 20)] {
            store.begin_run("web", &run(id, at)).unwrap();
        }
        let window =
            Window { node: "n".to_owned(), started_ms: 10_000, length_ms: 1000, units: WINDOWS_AFTER_LOSS };
        store.add_window("web", &window).unwrap();
        store.add_window("web", &window).unwrap();
        assert_eq!(store.exposure_ms("web").unwrap(), 1000 * WINDOWS_AFTER_LOSS);
        for id in ["a", "b"] {
            store.end_run("web", id, 30).unwrap();
        }
        assert_eq!(
            store.baselines().unwrap(),
            std::slice::from_ref(&incomplete),
            "one of them began before the loss"
        );
        store.end_run("web", "c", 31).unwrap();
        assert_eq!(store.baselines().unwrap()[0].incomplete_since, None);
        store.mark_incomplete("web", "again", 40).unwrap();
        assert_eq!(store.baselines().unwrap(), [incomplete]);
    }

    #[test]
    fn losses_do_not_pile_up() {
        let mut store = Store::in_memory();
        for at in 0..1000 {
            store.mark_incomplete("web", "ring full", at).unwrap();
        }
        let losses = store.losses("web").unwrap();
        assert!(losses.len() <= 201, "{}", losses.len());
        assert_eq!((losses[0].at, losses.last().unwrap().at), (0, 999));
    }
}
