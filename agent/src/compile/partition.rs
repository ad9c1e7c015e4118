//! States in blocks, each block in one piece, its states that must be looked at again in front.

use super::dfa::StateId;

/// Number of a block.
pub(crate) type BlockId = u32;

#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    end: usize,
    /// States up to here are dirty.
    dirty: usize,
}

#[derive(Debug)]
pub(crate) struct Partition {
    states: Vec<StateId>,
    /// Where each state is in `states`.
    places: Vec<usize>,
    block_of: Vec<BlockId>,
    blocks: Vec<Block>,
    /// Blocks with dirty states.
    queue: std::collections::VecDeque<BlockId>,
}

impl Partition {
    /// Blocks as they begin, at most `count`; every state is dirty.
    pub(crate) fn new(first: &[BlockId], count: usize) -> Self {
        let mut states: Vec<StateId> = (0..).take(first.len()).collect();
        states.sort_by_key(|state| first[*state as usize]);
        let mut places = vec![0; states.len()];
        let mut block_of = vec![0; states.len()];
        let mut blocks: Vec<Block> = Vec::with_capacity(count);
        let mut last = None;
        for (place, state) in states.iter().enumerate() {
            let of = first[*state as usize];
            if last.replace(of) != Some(of) {
                blocks.push(Block { start: place, end: place, dirty: place });
            }
            if let Some(block) = blocks.last_mut() {
                block.end = place.saturating_add(1);
                block.dirty = block.end;
            }
            places[*state as usize] = place;
            block_of[*state as usize] = id(blocks.len().saturating_sub(1));
        }
        let queue = (0..).take(blocks.len()).collect();
        Self { states, places, block_of, blocks, queue }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn block(&self, state: StateId) -> BlockId {
        self.block_of[state as usize]
    }

    pub(crate) fn first(&self, block: BlockId) -> StateId {
        self.states[self.blocks[block as usize].start]
    }

    pub(crate) fn members_of(&self, block: BlockId, into: &mut Vec<StateId>) {
        let block = self.blocks[block as usize];
        into.clear();
        into.extend_from_slice(&self.states[block.start..block.end]);
    }

    /// A block to look at.
    pub(crate) fn next_dirty(&mut self) -> Option<BlockId> {
        self.queue.pop_front()
    }

    pub(crate) fn dirty(&self, block: BlockId) -> &[StateId] {
        let block = self.blocks[block as usize];
        &self.states[block.start..block.dirty]
    }

    /// One state of the block that is not dirty.
    pub(crate) fn clean(&self, block: BlockId) -> Option<StateId> {
        let block = self.blocks[block as usize];
        self.states[block.dirty..block.end].first().copied()
    }

    /// The state has to be looked at again.
    pub(crate) fn mark(&mut self, state: StateId) {
        let of = self.block_of[state as usize];
        let block = &mut self.blocks[of as usize];
        let place = self.places[state as usize];
        if place < block.dirty {
            return;
        }
        if block.dirty == block.start {
            self.queue.push_back(of);
        }
        let with = block.dirty;
        block.dirty = with.saturating_add(1);
        self.swap(place, with);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.states.swap(a, b);
        self.places[self.states[a] as usize] = a;
        self.places[self.states[b] as usize] = b;
    }

    /// Splits a block: `order` are its dirty states and `clean`, which stands for all clean ones, by
    /// group. The largest group stays the block; the answer is the new ones.
    pub(crate) fn split(
        &mut self,
        block: BlockId,
        clean: Option<StateId>,
        order: &[StateId],
        group_of: &[u32],
    ) -> std::ops::Range<BlockId> {
        let whole = self.blocks[block as usize];
        let cleans = whole.end.saturating_sub(whole.dirty);
        let clean_group =
            clean.and_then(|clean| order.iter().position(|state| *state == clean)).map(|at| group_of[at]);
        // Dirty states of the other groups go to the front, in the order of their groups; those that are
        // like the clean ones end up next to them.
        let mut at = whole.start;
        let mut parts: Vec<(usize, usize)> = Vec::new();
        let mut last = None;
        for (state, group) in order.iter().zip(group_of).filter(|(_, group)| Some(**group) != clean_group) {
            if last.replace(*group) != Some(*group) {
                parts.push((at, at));
            }
            self.swap(self.places[*state as usize], at);
            at = at.saturating_add(1);
            if let Some(part) = parts.last_mut() {
                part.1 = at;
            }
        }
        if cleans > 0 {
            parts.push((at, whole.end));
        }
        let largest = (0..parts.len()).max_by_key(|part| parts[*part].1.saturating_sub(parts[*part].0));
        let fresh = id(self.blocks.len());
        for (part, (start, end)) in parts.into_iter().enumerate() {
            let made = Block { start, end, dirty: start };
            if Some(part) == largest {
                self.blocks[block as usize] = made;
                continue;
            }
            let number = id(self.blocks.len());
            self.blocks.push(made);
            for state in &self.states[start..end] {
                self.block_of[*state as usize] = number;
            }
        }
        fresh..id(self.blocks.len())
    }
}

fn id(index: usize) -> BlockId {
    // There are no more blocks than states, whose numbers fit.
    BlockId::try_from(index).unwrap_or(BlockId::MAX)
}
