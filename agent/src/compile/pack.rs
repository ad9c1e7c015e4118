//! Row displacement: the automaton laid out as the words of [`stockade_abi::table`].

use stockade_abi::table::{
    BODY, CLASSES, FORMAT, GENERATION, LARGE, MAGIC, MEDIUM, MODE, MORE_STARTS, SMALL, STARTS, USED, pair,
};

use super::dfa::{Dfa, State, StateId};

/// Places tried for a row of several cells before it goes to the end.
const TRIES_MAX: usize = 512;

/// What the table needs besides the automaton.
pub(crate) struct Head {
    pub(crate) generation: u64,
    pub(crate) mode: u64,
}

/// The words, padded to their size class, and how many are in use; or how many would be needed.
pub(crate) fn pack(dfa: &Dfa, grants: &[(u32, u32)], head: &Head) -> Result<(Vec<u64>, usize), usize> {
    let width = dfa.classes.sample.len();
    let area = (BODY as usize).saturating_add(dfa.states.len().saturating_mul(2));
    let (cells, bases) = place(dfa, width);
    let used = area.saturating_add(cells.len());
    let size = [SMALL, MEDIUM, LARGE].into_iter().find(|size| used <= *size).ok_or(used)?;
    let area = index(area);

    let mut words = vec![0; size];
    words[0] = pair(MAGIC, FORMAT);
    words[GENERATION as usize] = head.generation;
    words[MODE as usize] = head.mode;
    words[USED as usize] = used as u64;
    if let [path, own_process, own_thread, peer] = dfa.starts[..] {
        words[STARTS as usize] = pair(address(path), address(own_process));
        words[MORE_STARTS as usize] = pair(address(own_thread), address(peer));
    }
    for (byte, class) in dfa.classes.of_byte.iter().enumerate() {
        words[(CLASSES as usize).saturating_add(byte >> 3)] |= u64::from(*class) << ((byte & 7) * 8);
    }
    for ((id, state), base) in dfa.states.iter().enumerate().zip(&bases) {
        let at = address(index(id)) as usize;
        let (container, session) = grants[state.accept];
        words[at] = pair(area.saturating_add(index(*base)), address(state.default));
        words[at.saturating_add(1)] = pair(container, session);
    }
    for (word, cell) in words.iter_mut().skip(area as usize).zip(cells) {
        if let Some((state, next)) = cell {
            *word = pair(address(state), address(next));
        }
    }
    Ok((words, used))
}

/// The index of a state's first word.
pub(crate) fn address(state: StateId) -> u32 {
    BODY.saturating_add(state.saturating_mul(2))
}

fn index(value: usize) -> u32 {
    // A value that does not fit belongs to a table that is refused for its size.
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A transition: from, to.
type Cell = Option<(StateId, StateId)>;

/// Lays all rows over each other; the answer is the cells and each row's base. The fullest rows come
/// first, so that those of one cell, which fit anywhere, fill the gaps.
fn place(dfa: &Dfa, width: usize) -> (Vec<Cell>, Vec<usize>) {
    let mut order: Vec<(usize, &State)> = dfa.states.iter().enumerate().collect();
    order.sort_by_key(|(_, state)| std::cmp::Reverse(state.others.len()));
    let mut area = Area::default();
    let mut bases = vec![0; dfa.states.len()];
    let mut end = width;
    for (id, state) in order {
        let base = area.fit(&state.others);
        for (class, target) in &state.others {
            area.set(base.saturating_add(usize::from(*class)), (index(id), *target));
        }
        bases[id] = base;
        end = end.max(base.saturating_add(width));
    }
    // Each lookup of a row has to fall into the table, also those that find another row's cell.
    area.cells.resize(end, None);
    (area.cells, bases)
}

#[derive(Default)]
struct Area {
    cells: Vec<Cell>,
    /// For each cell, one at or after it that may be free; followed until it names itself.
    free: Vec<usize>,
}

impl Area {
    fn fit(&mut self, row: &[(u8, StateId)]) -> usize {
        let Some((first, _)) = row.first() else { return 0 };
        let first = usize::from(*first);
        let mut at = self.next_free(first);
        for _ in 0..TRIES_MAX {
            let base = at.saturating_sub(first);
            let fits = row.iter().all(|(class, _)| {
                self.cells.get(base.saturating_add(usize::from(*class))).is_none_or(Option::is_none)
            });
            if fits {
                return base;
            }
            at = self.next_free(at.saturating_add(1));
        }
        self.cells.len()
    }

    fn next_free(&mut self, from: usize) -> usize {
        let mut at = from;
        while let Some(next) = self.free.get(at).copied().filter(|next| *next != at) {
            at = next;
        }
        let mut back = from;
        while let Some(next) = self.free.get(back).copied().filter(|next| *next != back) {
            self.free[back] = at;
            back = next;
        }
        at
    }

    fn set(&mut self, at: usize, cell: (StateId, StateId)) {
        let needed = at.saturating_add(1);
        while self.cells.len() < needed {
            self.free.push(self.cells.len());
            self.cells.push(None);
        }
        self.cells[at] = Some(cell);
        self.free[at] = needed;
    }
}
