//! Profiles that were demoted to audit, across restarts.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, StoreError};

/// A demotion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demotion {
    /// The text of the profile that was demoted: another text is judged anew.
    pub text: String,
    /// Why.
    pub reason: String,
    /// When, in seconds since the epoch.
    pub at: i64,
}

impl Store {
    /// Every demotion, by profile.
    pub fn demotions(&self) -> Result<BTreeMap<String, Demotion>, StoreError> {
        let read = || -> rusqlite::Result<BTreeMap<String, Demotion>> {
            self.db
                .prepare("SELECT profile, text, reason, at FROM breakers")?
                .query_map([], |row| {
                    Ok((row.get(0)?, Demotion { text: row.get(1)?, reason: row.get(2)?, at: row.get(3)? }))
                })?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Remembers a demotion.
    pub fn put_demotion(&mut self, profile: &str, demotion: &Demotion) -> Result<(), StoreError> {
        let Demotion { text, reason, at } = demotion;
        self.db
            .execute(
                "INSERT OR REPLACE INTO breakers VALUES (?1, ?2, ?3, ?4)",
                params![profile, text, reason, at],
            )
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// Forgets a demotion.
    pub fn drop_demotion(&mut self, profile: &str) -> Result<(), StoreError> {
        self.db
            .execute("DELETE FROM breakers WHERE profile = ?1", [profile])
            .map(drop)
            .map_err(|source| self.error(source))
    }
}
