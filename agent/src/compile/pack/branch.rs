//! Row displacement: the rows of all branches laid over each other, so that their gaps are filled.

use crate::compile::dfa::StateId;

/// Places tried for a row before it goes to the end.
const TRIES_MAX: usize = 1024;
/// After so many the next row begins further on.
const TRIES_LONG: usize = 128;
/// Words that one row can reach.
const REACH: usize = 256;

#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    pub(super) state: StateId,
    /// Whether it has a word of its own.
    pub(super) own: bool,
    pub(super) default: StateId,
    start: usize,
    end: usize,
}

impl Branch {
    pub(super) fn new(state: StateId, own: bool, default: StateId) -> Self {
        Self { state, own, default, start: 0, end: 0 }
    }
}

#[derive(Debug, Default)]
pub(super) struct Branches {
    pub(super) list: Vec<Branch>,
    cells: Vec<(u8, StateId)>,
}

impl Branches {
    pub(super) fn add(&mut self, branch: Branch, cells: &[(u8, StateId)]) {
        let start = self.cells.len();
        self.cells.extend_from_slice(cells);
        self.list.push(Branch { start, end: self.cells.len(), ..branch });
    }

    pub(super) fn row(&self, branch: &Branch) -> &[(u8, StateId)] {
        &self.cells[branch.start..branch.end]
    }

    /// Words that their rows fill.
    pub(super) fn cells(&self) -> usize {
        self.list.iter().filter(|branch| branch.own).count().saturating_add(self.cells.len())
    }

    fn shape(&self, branch: &Branch) -> Shape {
        let own = branch.own.then_some(0);
        let columns = self.row(branch).iter().map(|(column, _)| *column);
        let mut shape = Shape { words: [0; REACH / 64], first: 0 };
        let mut first = None;
        for column in own.into_iter().chain(columns) {
            first.get_or_insert(column);
            shape.words[usize::from(column >> 6)] |= 1 << (column & 63);
        }
        shape.first = usize::from(first.unwrap_or(0));
        shape
    }

    /// A base for each branch, none before `start`, and the word behind the last that any can look at, if
    /// `last` is the last column.
    pub(super) fn place(&self, start: usize, last: usize) -> (Vec<usize>, usize) {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        let len =
            |branch: &Branch| branch.end.saturating_sub(branch.start).saturating_add(usize::from(branch.own));
        // The fullest rows come first, so that those of few cells, which fit anywhere, fill the gaps.
        order.sort_by_key(|index| std::cmp::Reverse(len(&self.list[*index])));
        let mut area = Area { cells: Bits::default(), bases: Bits::default(), from: 0 };
        let mut bases = vec![0; self.list.len()];
        let (mut end, mut last_len) = (start, usize::MAX);
        for index in order {
            let branch = &self.list[index];
            if std::mem::replace(&mut last_len, len(branch)) != len(branch) {
                area.from = 0;
            }
            let base = area.fit(&self.shape(branch)).saturating_add(start);
            bases[index] = base;
            end = end.max(base.saturating_add(last).saturating_add(1));
        }
        (bases, end)
    }
}

/// The words of a row, from its base.
struct Shape {
    words: [u64; REACH / 64],
    first: usize,
}

/// Words in use and bases given away, counted from the first word of branches.
struct Area {
    cells: Bits,
    bases: Bits,
    /// No row of the present length is tried before it.
    from: usize,
}

impl Area {
    fn fit(&mut self, shape: &Shape) -> usize {
        let mut at = self.cells.next_free(self.from.max(shape.first));
        let mut further = at;
        for tries in 0..TRIES_MAX {
            if tries == TRIES_LONG / 2 {
                further = at;
            }
            let base = at.saturating_sub(shape.first);
            if !self.bases.holds(base) && !self.cells.meets(base, shape) {
                if tries > TRIES_LONG {
                    self.from = further;
                }
                return self.take(base, shape);
            }
            at = self.cells.next_free(at.saturating_add(1));
        }
        self.from = at;
        self.take(self.cells.0.len().saturating_mul(64), shape)
    }

    fn take(&mut self, base: usize, shape: &Shape) -> usize {
        self.bases.put(base, 1);
        for (index, word) in shape.words.iter().enumerate() {
            self.cells.put(base.saturating_add(index.saturating_mul(64)), *word);
        }
        base
    }
}

#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    /// 64 bits from `at` on.
    fn window(&self, at: usize) -> u64 {
        let (index, shift) = (at >> 6, at & 63);
        let low = self.word(index) >> shift;
        if shift == 0 { low } else { low | self.word(index.saturating_add(1)) << (64 - shift) }
    }

    fn holds(&self, at: usize) -> bool {
        self.window(at) & 1 == 1
    }

    fn meets(&self, base: usize, shape: &Shape) -> bool {
        let mut words = shape.words.iter().enumerate();
        words.any(|(index, word)| *word & self.window(base.saturating_add(index.saturating_mul(64))) != 0)
    }

    fn put(&mut self, at: usize, bits: u64) {
        let (index, shift) = (at >> 6, at & 63);
        self.or(index, bits << shift);
        if shift > 0 {
            self.or(index.saturating_add(1), bits >> (64 - shift));
        }
    }

    fn or(&mut self, index: usize, bits: u64) {
        if bits == 0 {
            return;
        }
        if self.0.len() <= index {
            self.0.resize(index.saturating_add(1), 0);
        }
        self.0[index] |= bits;
    }

    fn next_free(&self, from: usize) -> usize {
        let mut index = from >> 6;
        let mut word = self.word(index) | !(u64::MAX << (from & 63));
        while word == u64::MAX {
            index = index.saturating_add(1);
            word = self.word(index);
        }
        index.saturating_mul(64).saturating_add(word.trailing_ones() as usize)
    }
}
