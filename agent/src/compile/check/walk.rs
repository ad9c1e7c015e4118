//! Everything that can be reached from the starts.

use stockade_abi::table::{DEAD, HOLD, MORE_STARTS, PLACE, PLAIN, RUN, STARTS, Table as _, high, low, step};

use super::TableError;
use super::header::Header;
use super::parts::{Part, Parts};

pub(super) fn everything(words: &[u64], header: &Header) -> Result<(), TableError> {
    let mut walk = Walk {
        words,
        header,
        parts: Parts::new(header.used),
        seen: vec![[false; 4]; header.used as usize],
        queue: Vec::new(),
    };
    for start in [words.word(STARTS), words.word(MORE_STARTS)] {
        walk.queue.extend([low(start), high(start)]);
    }
    while let Some(state) = walk.queue.pop() {
        if state == DEAD {
            continue;
        }
        if state & RUN == 0 { walk.branch(state)? } else { walk.run(state)? }
    }
    walk.parts.rest_is_zero(words, header.first)
}

struct Walk<'a> {
    words: &'a [u64],
    header: &'a Header,
    parts: Parts,
    /// Branches that were looked at, under each of the numbers that one place can have.
    seen: Vec<[bool; 4]>,
    queue: Vec<u32>,
}

impl Walk<'_> {
    fn branch(&mut self, state: u32) -> Result<(), TableError> {
        let (place, plain, holds) = (state & PLACE, state & PLAIN != 0, state & HOLD != 0);
        let outside = TableError::State(state);
        let seen = self.seen.get_mut(place as usize).filter(|_| place >= self.header.first);
        let number = usize::from(plain) | usize::from(holds) << 1;
        if std::mem::replace(&mut seen.ok_or(outside)?[number], true) {
            return Ok(());
        }
        if !plain {
            self.parts.claim(place.saturating_mul(8), 8, Part::Own)?;
            let own = self.words.word(place);
            if low(own) >= self.header.grants {
                return Err(TableError::NoGrant(state));
            }
            self.queue.push(high(own));
        }
        if holds && !self.holds(state) {
            return Err(TableError::Hold(state));
        }
        for class in &self.header.classes {
            let at = place.checked_add(*class).filter(|at| *at < self.header.used).ok_or(outside)?;
            let entry = self.words.word(at);
            if low(entry) == state {
                self.parts.claim(at.saturating_mul(8), 8, Part::Cell)?;
                self.queue.push(high(entry));
            }
        }
        Ok(())
    }

    /// Whether every byte but a slash leads from the branch back to it.
    fn holds(&self, state: u32) -> bool {
        state & PLAIN == 0
            && (0..=u8::MAX).filter(|byte| *byte != b'/').all(|byte| step(self.words, state, byte) == state)
    }

    fn run(&mut self, state: u32) -> Result<(), TableError> {
        let outside = TableError::State(state);
        // The highest bit but one means nothing in a run, and is part of no place that is inside.
        let end = self.header.used.saturating_mul(8);
        let mut at = state & !RUN;
        if at < self.header.first.saturating_mul(8) || at >= end || self.words.byte(at) == 0 {
            return Err(outside);
        }
        while self.words.byte(at) != 0 {
            if self.parts.claim(at, 1, Part::Text)? {
                // From here on it was walked before.
                return Ok(());
            }
            at = at.saturating_add(1);
            if at >= end {
                return Err(outside);
            }
        }
        let next = at.saturating_add(4) & !3;
        if next.saturating_add(4) > end {
            return Err(outside);
        }
        self.parts.claim(at, 1, Part::End)?;
        self.parts.claim(next, 4, Part::Next)?;
        self.queue.push(self.words.half(next));
        Ok(())
    }
}
