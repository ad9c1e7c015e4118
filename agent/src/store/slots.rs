//! Which policy serves which slot, across restarts.

use rusqlite::{Row, params};
use stockade_abi::reason::Mode;

use super::{Store, StoreError};

/// What a slot serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotKey {
    /// Name of the profile.
    pub profile: String,
    /// Mode that replaces the profile's own, as its number.
    pub mode: Option<u8>,
    /// Digest of a policy that is in no file of the profile directory.
    pub adhoc: Option<String>,
}

impl SlotKey {
    /// The profile of that name in the profile directory, in its own mode.
    pub fn named(profile: &str) -> Self {
        Self { profile: profile.to_owned(), mode: None, adhoc: None }
    }

    /// The override as a mode.
    pub fn mode(&self) -> Option<Mode> {
        self.mode.and_then(|mode| Mode::try_from(mode).ok())
    }
}

/// A slot as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotRow {
    /// Its number.
    pub slot: u32,
    /// What it serves.
    pub key: SlotKey,
    /// Generation of its policy.
    pub generation: u64,
    /// Digest of its table.
    pub digest: String,
    /// File the profile came from.
    pub source: Option<String>,
    /// Last good text of the profile.
    pub text: String,
    /// Order in which it was given back; `None` while in use.
    pub freed: Option<u64>,
}

fn row(row: &Row<'_>) -> rusqlite::Result<SlotRow> {
    Ok(SlotRow {
        slot: row.get(0)?,
        key: SlotKey { profile: row.get(1)?, mode: row.get(2)?, adhoc: row.get(3)? },
        generation: row.get::<_, i64>(4)?.cast_unsigned(),
        digest: row.get(5)?,
        source: row.get(6)?,
        text: row.get(7)?,
        freed: row.get::<_, Option<i64>>(8)?.map(i64::cast_unsigned),
    })
}

impl Store {
    /// Every slot that was ever used.
    pub fn slots(&self) -> Result<Vec<SlotRow>, StoreError> {
        let read = || -> rusqlite::Result<Vec<SlotRow>> {
            self.db
                .prepare(
                    "SELECT slot, profile, mode, adhoc, generation, digest, source, text, freed
                     FROM slots ORDER BY slot",
                )?
                .query_map([], row)?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }

    /// Remembers a slot.
    pub fn put_slot(&mut self, slot: &SlotRow) -> Result<(), StoreError> {
        let values = params![
            slot.slot,
            slot.key.profile,
            slot.key.mode,
            slot.key.adhoc,
            slot.generation.cast_signed(),
            slot.digest,
            slot.source,
            slot.text,
            slot.freed.map(u64::cast_signed),
        ];
        self.db
            .execute("INSERT OR REPLACE INTO slots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", values)
            .map(drop)
            .map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_as_they_were() {
        let mut store = Store::in_memory();
        let mut slot = SlotRow {
            slot: 3,
            key: SlotKey { profile: "web".to_owned(), mode: Some(2), adhoc: None },
            generation: u64::MAX,
            digest: "d".to_owned(),
            source: Some("/p/web.yaml".to_owned()),
            text: "t".to_owned(),
            freed: None,
        };
        store.put_slot(&slot).unwrap();
        slot.freed = Some(9);
        store.put_slot(&slot).unwrap();
        assert_eq!(store.slots().unwrap(), [slot]);
    }
}
