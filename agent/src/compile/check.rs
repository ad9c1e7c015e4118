//! The checked loader: proves that a walk over the words never leaves them.

use stockade_abi::access;
use stockade_abi::reason::Mode;
use stockade_abi::table::{
    BODY, CLASSES, DEAD, FORMAT, LARGE, MAGIC, MEDIUM, MODE, MORE_STARTS, SMALL, STARTS, USED, high, low,
    pair,
};

/// Why words are not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Their number is none of the sizes.
    #[error("a table has {SMALL}, {MEDIUM} or {LARGE} words, not {0}")]
    Size(usize),
    /// The first word is not the one every table begins with.
    #[error("the words are no policy table: they begin with {0:#x}")]
    Magic(u64),
    /// Another version of the format.
    #[error("the table has format {0}, and this version reads format {FORMAT}")]
    Format(u32),
    /// No such mode.
    #[error("the table's mode {0} is none of learn, audit and enforce")]
    Mode(u64),
    /// More words in use than there are, or fewer than any table needs.
    #[error("the table says that {0} words are in use")]
    Used(u64),
    /// A reserved word, or one behind the used ones, is not zero.
    #[error("word {0} of the table is not zero")]
    NotZero(usize),
    /// A state lies outside.
    #[error("the table leads to a state at word {0}, outside of its states")]
    State(u32),
    /// A row of transitions lies outside.
    #[error("the transitions of the state at word {0} are outside of the table")]
    Row(u32),
    /// The dead state is not dead.
    #[error("the table's dead state grants something or leads somewhere")]
    Dead,
    /// Unknown accesses, or a session that may do less than the container.
    #[error("the state at word {0} grants accesses that no rule can grant")]
    Grants(u32),
}

/// Checks that `words` are a table whose walk never leaves it.
pub fn check(words: &[u64]) -> Result<(), TableError> {
    let used = header(words)?;
    let word = |index: u32| words.get(index as usize).copied().unwrap_or(0);
    let classes: Vec<u32> = (0..256u32)
        .map(|byte| low((word(CLASSES.saturating_add(byte >> 3)) >> ((byte & 7) * 8)) & 0xff))
        .collect();
    let mut distinct = classes;
    distinct.sort_unstable();
    distinct.dedup();

    if word(DEAD.saturating_add(1)) != 0 || high(word(DEAD)) != DEAD {
        return Err(TableError::Dead);
    }
    let starts = [word(STARTS), word(MORE_STARTS)];
    let mut queue = vec![DEAD];
    queue.extend(starts.into_iter().flat_map(|start| [low(start), high(start)]));
    let mut seen = vec![false; words.len()];
    let mut last_state = DEAD;
    let mut first_row = u32::MAX;
    while let Some(state) = queue.pop() {
        // The second word of the state is the higher one.
        let aligned = state >= BODY && state.wrapping_sub(BODY).is_multiple_of(2);
        if !aligned || state.checked_add(1).is_none_or(|second| second >= used) {
            return Err(TableError::State(state));
        }
        if std::mem::replace(&mut seen[state as usize], true) {
            continue;
        }
        last_state = last_state.max(state);
        let row = word(state);
        first_row = first_row.min(low(row));
        grants(state, word(state.saturating_add(1)))?;
        for class in &distinct {
            let at = low(row).checked_add(*class).filter(|at| *at < used).ok_or(TableError::Row(state))?;
            let entry = word(at);
            let next = if low(entry) == state { high(entry) } else { high(row) };
            if state == DEAD && next != DEAD {
                return Err(TableError::Dead);
            }
            queue.extend(Some(next).filter(|next| !seen.get(*next as usize).copied().unwrap_or(false)));
        }
        queue.push(high(row));
    }
    // A row that overlaps the states would read their words as transitions.
    if first_row <= last_state.saturating_add(1) { Err(TableError::Row(last_state)) } else { Ok(()) }
}

/// The number of words in use.
fn header(words: &[u64]) -> Result<u32, TableError> {
    if ![SMALL, MEDIUM, LARGE].contains(&words.len()) {
        return Err(TableError::Size(words.len()));
    }
    let first = words[0];
    if low(first) != MAGIC {
        return Err(TableError::Magic(first));
    }
    if first != pair(MAGIC, FORMAT) {
        return Err(TableError::Format(high(first)));
    }
    let mode = words[MODE as usize];
    if Mode::from_u64(mode).is_none() {
        return Err(TableError::Mode(mode));
    }
    let used = words[USED as usize];
    let fits = u32::try_from(used).ok().filter(|used| *used > BODY && *used as usize <= words.len());
    let count = fits.ok_or(TableError::Used(used))?;
    let reserved = (MORE_STARTS as usize).saturating_add(1)..CLASSES as usize;
    match reserved.chain(count as usize..words.len()).find(|index| words[*index] != 0) {
        Some(index) => Err(TableError::NotZero(index)),
        None => Ok(count),
    }
}

fn grants(state: u32, word: u64) -> Result<(), TableError> {
    let known = access::WORDS.iter().fold(0, |all, (bit, _)| all | bit);
    let (container, session) = (low(word), high(word));
    if session & !known != 0 || container & !session != 0 {
        return Err(TableError::Grants(state));
    }
    Ok(())
}
