//! The checked loader: proves that a walk over the words never leaves them, and that no part of them is
//! read as two different things.

mod error;
mod header;
mod parts;
mod walk;

use stockade_abi::access;
use stockade_abi::table::{
    GRANT_WORDS, GRANTS, Grant, PIN_WORDS, PINS, POWERS, Pin, Powers, Table as _, high, low,
};

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
    let mut sets = 0;
    for (number, pin) in (0..header.pins).zip(pins(words)) {
        if pin.set.count_ones() != 1 {
            return Err(TableError::Pin(number));
        }
        sets |= pin.set;
    }
    for number in 0..header.grants {
        grant(words, number, sets)?;
    }
    walk::everything(words, &header)
}

/// The pins of a table whose first words are good.
pub(super) fn pins(words: &[u64]) -> impl Iterator<Item = Pin> {
    let [first, count] = [low, high].map(|half| half(words.word(PINS)) as usize);
    let all = words.get(first..).into_iter().flat_map(|rest| rest.as_chunks::<{ PIN_WORDS as usize }>().0);
    all.take(count).map(|words| Pin::from_words(*words))
}

fn grant(words: &[u64], number: u32, sets: u32) -> Result<(), TableError> {
    let at = GRANTS.saturating_add(number.saturating_mul(GRANT_WORDS)) as usize;
    let Some(written) = words.get(at..).and_then(<[u64]>::first_chunk) else {
        return Err(TableError::Grant(number));
    };
    let grant = Grant::from_words(*written);
    let known = access::WORDS.iter().fold(0, |all, (bit, _)| all | bit);
    let either = grant.denied | grant.session_denied;
    let good = (grant.session | either) & !known == 0
        && grant.container & !grant.session == 0
        && grant.container & grant.denied == 0
        && grant.session & grant.session_denied == 0
        && (grant.parents == 0 || either & access::EXEC == 0)
        && grant.pins & !sets == 0
        && (grant.pins == 0 || either & access::EXEC == 0)
        && grant.words() == *written
        && (number != 0 || grant == Grant::default());
    if good { Ok(()) } else { Err(TableError::Grant(number)) }
}
