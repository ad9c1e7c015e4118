//! One way to write down where each class leads: the most common target is the default.

/// A state's row in a list of cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) default: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Debug)]
pub(crate) struct RowMaker {
    dense: Vec<u32>,
    sorted: Vec<u32>,
    /// The classes of the last row that do not lead to its default, in order.
    pub(crate) cells: Vec<(u8, u32)>,
}

impl RowMaker {
    /// For automata of `width` classes.
    pub(crate) fn new(width: usize) -> Self {
        Self { dense: vec![0; width], sorted: Vec::new(), cells: Vec::new() }
    }

    /// The default of a row, given with any other. Two rows that lead to the same targets come out the
    /// same, and the choice depends on the targets' places in the row, not on their numbers.
    pub(crate) fn normal(&mut self, default: u32, cells: impl Iterator<Item = (u8, u32)>) -> u32 {
        self.cells.clear();
        self.cells.extend(cells.filter(|(_, target)| *target != default));
        if self.cells.len().saturating_mul(2) < self.dense.len() {
            return default;
        }
        self.dense.fill(default);
        for (class, target) in &self.cells {
            self.dense[usize::from(*class)] = *target;
        }
        self.sorted.clone_from(&self.dense);
        self.sorted.sort_unstable();
        let most = self.sorted.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
        let often = |target: &u32| {
            self.sorted.partition_point(|at| at <= target) - self.sorted.partition_point(|at| at < target)
                == most
        };
        let chosen = self.dense.iter().find(|target| often(target)).copied().unwrap_or(default);
        self.cells.clear();
        let classes = (0..=u8::MAX).zip(&self.dense).filter(|(_, target)| **target != chosen);
        self.cells.extend(classes.map(|(class, target)| (class, *target)));
        chosen
    }
}
