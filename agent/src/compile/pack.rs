//! The automaton laid out as the words of [`stockade_abi::table`].
//!
//! Grants come first, then pins, then runs, then branches. A branch looks only at words behind its own place, so it
//! never meets a word whose lower half could pass for its number by chance: what it meets is a word of
//! another branch, which begins with another number, or one that begins with the number of a grant,
//! which is lower than the place of any branch.

mod branch;
mod run;

use stockade_abi::table::{
    CLASSES, FORMAT, GRANT_WORDS, GRANTS, HOLD, LARGE, MAGIC, MEDIUM, MORE_STARTS, PIN_WORDS, PINS, PLAIN,
    POWERS, Pin, Powers, RUN, SMALL, STARTS, USED, pair,
};

use super::classes::Classes;
use super::dfa::StateId;
use super::minimise::Minimal;
use super::policy_table::PolicyTable;
use branch::{Branch, Branches};
use run::Runs;

/// The table; or how many words it would need, at least.
pub(crate) fn pack(
    minimal: &Minimal,
    classes: &Classes,
    powers: &Powers,
    pins: &[Pin],
) -> Result<PolicyTable, usize> {
    let columns = Columns::new(classes);
    let runs = Runs::new(minimal, classes);
    let branches = branches(minimal, classes, &runs);
    let first_pin =
        (GRANTS as usize).saturating_add(minimal.grants.len().saturating_mul(GRANT_WORDS as usize));
    let after_pins = first_pin.saturating_add(pins.len().saturating_mul(PIN_WORDS as usize));
    let first = after_pins.saturating_add(runs.words());
    let least = first.saturating_add(branches.cells());
    if least > LARGE {
        return Err(least);
    }
    let (bases, used) = branches.place(first, columns.last(classes));
    let size = [SMALL, MEDIUM, LARGE].into_iter().find(|size| used <= *size).ok_or(used)?;

    // A slash is always alone in its class.
    let slash = columns.of(classes.of(b'/'));
    let mut numbers = vec![0; minimal.rows.len()];
    for (state, byte) in runs.places() {
        numbers[state as usize] = number(after_pins.saturating_mul(8).saturating_add(byte)) | RUN;
    }
    for (branch, base) in branches.list.iter().zip(&bases) {
        let holds = branch.own
            && branch.default == branch.state
            && branches.row(branch).iter().all(|(column, _)| *column == slash);
        let flag = match (branch.own, holds) {
            (false, _) => PLAIN,
            (true, true) => HOLD,
            (true, false) => 0,
        };
        numbers[branch.state as usize] = number(*base) | flag;
    }

    let mut words = vec![0; size];
    words[0] = pair(MAGIC, FORMAT);
    words[USED as usize] = pair(number(used), number(minimal.grants.len()));
    let starts: Vec<u32> = minimal.starts.iter().map(|start| numbers[*start as usize]).collect();
    if let [path, own_process, own_thread, peer] = starts[..] {
        words[STARTS as usize] = pair(path, own_process);
        words[MORE_STARTS as usize] = pair(own_thread, peer);
    }
    for (word, value) in words.iter_mut().skip(POWERS as usize).zip(powers.words()) {
        *word = value;
    }
    words[PINS as usize] = pair(number(first_pin), number(pins.len()));
    for (word, value) in words.iter_mut().skip(first_pin).zip(pins.iter().flat_map(Pin::words)) {
        *word = value;
    }
    for (byte, class) in classes.of_byte.iter().enumerate() {
        set_byte(&mut words, (CLASSES as usize).saturating_mul(8).saturating_add(byte), columns.of(*class));
    }
    let grants = minimal.grants.iter().flat_map(|grant| grant.words());
    for (word, value) in words.iter_mut().skip(GRANTS as usize).zip(grants) {
        *word = value;
    }
    for (at, byte) in runs.bytes(&numbers) {
        set_byte(&mut words, after_pins.saturating_mul(8).saturating_add(at), byte);
    }
    for (branch, base) in branches.list.iter().zip(&bases) {
        let state = numbers[branch.state as usize];
        if branch.own {
            words[*base] = pair(minimal.grant_of[branch.state as usize], numbers[branch.default as usize]);
        }
        for (column, target) in branches.row(branch) {
            words[base.saturating_add(usize::from(*column))] = pair(state, numbers[*target as usize]);
        }
    }
    Ok(PolicyTable { words, used, states: minimal.rows.len() })
}

fn number(index: usize) -> u32 {
    // What is not refused for its size has places of at most 22 bits.
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn set_byte(words: &mut [u64], at: usize, byte: u8) {
    words[at >> 3] |= u64::from(byte) << ((at & 7) * 8);
}

/// The numbers of classes in the table. They begin with 1, as a branch's own word stands at 0. Where all
/// 256 bytes differ there are not enough numbers: then the class 0 is what always takes the default.
struct Columns {
    all_differ: bool,
}

impl Columns {
    fn new(classes: &Classes) -> Self {
        Self { all_differ: classes.len() > usize::from(u8::MAX) }
    }

    fn last(&self, classes: &Classes) -> usize {
        if self.all_differ { usize::from(u8::MAX) } else { classes.len() }
    }

    fn of(&self, class: u8) -> u8 {
        if self.all_differ { class } else { class.saturating_add(1) }
    }
}

/// Every state that is neither dead nor in a run.
fn branches(minimal: &Minimal, classes: &Classes, runs: &Runs) -> Branches {
    let columns = Columns::new(classes);
    let mut branches = Branches::default();
    let mut cells = Vec::new();
    for (state, row) in (0..).zip(&minimal.rows).skip(1) {
        if runs.holds(state) {
            continue;
        }
        cells.clear();
        let mut default = row.default;
        if columns.all_differ {
            default = leads(minimal, state, row.default, 0);
            let all = classes.all().map(|class| (class, leads(minimal, state, row.default, class)));
            cells.extend(all.filter(|(_, target)| *target != default));
        } else {
            cells.extend(minimal.row(state).iter().map(|(class, target)| (columns.of(*class), *target)));
        }
        let own = default != 0 || minimal.grant_of[state as usize] != 0;
        branches.add(Branch::new(state, own, default), &cells);
    }
    branches
}

fn leads(minimal: &Minimal, state: StateId, default: StateId, class: u8) -> StateId {
    let row = minimal.row(state);
    row.binary_search_by_key(&class, |(class, _)| *class).map_or(default, |index| row[index].1)
}
