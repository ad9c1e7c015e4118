//! The headers in an `rpmdb.sqlite`, from its bytes.
//!
//! SQLite reads them out of memory, so that no path is followed a second time and nothing of the image is changed. It
//! is built to read files that somebody has tampered with; what it would otherwise compute for them is excluded here: a schema
//! may have tables and indices only, the table that is read no computed columns, and a query ends after so many steps.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB};

use super::header::{Header, HeaderError};

/// Where the header says how the file is written: twice a 2 means that there may be a log beside it.
pub(super) const FORMATS: std::ops::Range<usize> = 18..20;
/// Packages of the largest installations are a tenth of it.
const ROWS_MAX: usize = 100_000;
/// Steps of SQLite's machine that a query may take: a row takes about five.
const STEPS_MAX: usize = 50 * ROWS_MAX;
/// Steps between two looks at how many there were.
const STEPS: i32 = 1000;
/// Statements that a schema may consist of.
const STATEMENTS: [&str; 3] = ["CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX "];

/// Reasons for which an rpm database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// SQLite cannot read it.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// It is not laid out as rpm does it.
    #[error("it is not laid out as rpm does it: {0}")]
    Schema(String),
    /// The rows hold more than the file can.
    #[error("it claims to have more than {0} {1} of packages")]
    TooLarge(usize, &'static str),
    /// The header of a package is damaged.
    #[error("package {number}: {why}")]
    Header {
        /// Which of them, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// Calls `found` with the header of each package.
pub(crate) fn headers(
    mut bytes: Vec<u8>,
    mut found: impl FnMut(Header<'_>) -> Result<(), HeaderError>,
) -> Result<(), RpmError> {
    // A database out of memory can have no log beside it.
    if let Some(formats) = bytes.get_mut(FORMATS) {
        formats.fill(1);
    }
    let length = bytes.len();
    let mut database = Connection::open_in_memory()?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    database.deserialize_read_exact(MAIN_DB, &*bytes, length, true)?;
    drop(bytes);
    let mut left = STEPS_MAX / usize::try_from(STEPS).unwrap_or(1);
    database.progress_handler(
        STEPS,
        Some(move || {
            left = left.saturating_sub(1);
            left == 0
        }),
    )?;
    check(&database)?;
    let mut statement = database.prepare("SELECT blob FROM Packages NOT INDEXED")?;
    let mut rows = statement.query([])?;
    let (mut number, mut read) = (0, 0);
    while let Some(row) = rows.next()? {
        number += 1;
        let damaged = |why: String| RpmError::Header { number, why };
        let blob = row.get_ref(0)?.as_blob().map_err(|error| damaged(error.to_string()))?;
        // Each has a place of its own in the file, unless the file was made for reading one of them again and again.
        read += blob.len();
        if read > length {
            return Err(RpmError::TooLarge(length, "bytes"));
        }
        if number > ROWS_MAX {
            return Err(RpmError::TooLarge(ROWS_MAX, "headers"));
        }
        Header::parse(blob).and_then(&mut found).map_err(|error| damaged(error.to_string()))?;
    }
    Ok(())
}

/// Looks at the schema. What SQLite was told when it read the schema is the text of the statements, whatever is said
/// beside it of names and kinds.
fn check(database: &Connection) -> Result<(), RpmError> {
    let mut statements = database.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let mut rows = statements.query([])?;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(|error| RpmError::Schema(error.to_string()))?;
        if !STATEMENTS.iter().any(|known| text.starts_with(known)) {
            let shown: String = text.chars().take(40).collect();
            return Err(RpmError::Schema(format!("`{}`", shown.escape_debug())));
        }
    }
    let (mut columns, mut computed) = (0, 0);
    database.pragma(None, "table_xinfo", "Packages", |row| {
        columns += 1;
        computed += u32::from(row.get::<_, i64>("hidden")? != 0);
        Ok(())
    })?;
    match (columns, computed) {
        (0, _) => Err(RpmError::Schema("there is no table Packages".to_owned())),
        (_, 0) => Ok(()),
        (_, _) => Err(RpmError::Schema("table Packages has columns that are computed".to_owned())),
    }
}
