//! The checked loader: proves that a walk over the words never leaves them, and that no part of them is
//! read as two different things.

mod error;
mod header;
mod parts;
mod walk;

use stockade_abi::access;
use stockade_abi::table::{GRANT_WORDS, GRANTS, Grant, POWERS, Powers};

pub use error::TableError;
use header::Header;

/// Checks that `words` are a table. Everything that can be reached from the starts is looked at, for
/// every class; words in use that nothing reaches are zero, as are those that are not in use.
pub fn check(words: &[u64]) -> Result<(), TableError> {
    let header = Header::read(words)?;
    let powers = words.get(POWERS as usize..).and_then(<[u64]>::first_chunk);
    if powers.and_then(|words| Powers::from_words(*words)).is_none() {
        return Err(TableError::Powers);
    }
    for number in 0..header.grants {
        grant(words, number)?;
    }
    walk::everything(words, &header)
}

fn grant(words: &[u64], number: u32) -> Result<(), TableError> {
    let at = GRANTS.saturating_add(number.saturating_mul(GRANT_WORDS)) as usize;
    let [Some(granted), Some(denied), Some(groups)] =
        [at, at.saturating_add(1), at.saturating_add(2)].map(|at| words.get(at).copied())
    else {
        return Err(TableError::Grant(number));
    };
    let grant = Grant::from_words([granted, denied, groups]);
    let known = access::WORDS.iter().fold(0, |all, (bit, _)| all | bit);
    let either = grant.denied | grant.session_denied;
    let good = (grant.session | either) & !known == 0
        && grant.container & !grant.session == 0
        && grant.container & grant.denied == 0
        && grant.session & grant.session_denied == 0
        && (grant.parents == 0 || either & access::EXEC == 0)
        && (number != 0 || grant == Grant::default());
    if good { Ok(()) } else { Err(TableError::Grant(number)) }
}
