//! The policy table: one deterministic automaton as an array of 64-bit words, and its one step
//! function, which the kernel programs, the host tests and `explain` share.
//!
//! ```text
//! word 0         MAGIC | FORMAT << 32
//! word 1         generation
//! word 2         mode
//! word 3         words in use
//! word 4         start state of paths | of /proc/self << 32
//! word 5         start state of /proc/self/task/<own> | of peers << 32
//! words 8..40    class of each byte value, 8 to a word, lowest byte first
//! words 40..     states and transitions
//! ```
//!
//! A state is the index of its first word. It owns two: `base | default << 32`, and the accesses it
//! grants if the object ends here, `container | session << 32`. Its transition on class `c` is the word
//! at `base + c` if the low half of that word names the state (`state | next << 32`), and `default`
//! otherwise. Rows of many states overlap in one area (row displacement), which keeps a table of long
//! literal paths at about three words a byte and a step at three loads.

/// First half of word 0.
pub const MAGIC: u32 = 0x4b53_5453;
/// Second half of word 0: the version of this format.
pub const FORMAT: u32 = 1;

/// Index of the word that holds the generation.
pub const GENERATION: u32 = 1;
/// Index of the word that holds the mode.
pub const MODE: u32 = 2;
/// Index of the word that holds the number of words in use.
pub const USED: u32 = 3;
/// Index of the word that holds the start states of paths and of the process's own procfs entries.
pub const STARTS: u32 = 4;
/// Index of the word that holds the start states of the thread's own procfs entries and of peers.
pub const MORE_STARTS: u32 = 5;
/// Index of the first word of the class map.
pub const CLASSES: u32 = 8;
/// Index of the first word after the header.
pub const BODY: u32 = 40;
/// The dead state: it grants nothing and leads only to itself. Always the first state.
pub const DEAD: u32 = BODY;

/// Words of a table of the smallest size, 64 KiB.
pub const SMALL: usize = 8 * 1024;
/// Words of a table of the middle size, 512 KiB.
pub const MEDIUM: usize = 64 * 1024;
/// Words of a table of the largest size, 4 MiB: the largest value an array map takes on 6.1.
pub const LARGE: usize = 512 * 1024;

/// Read access to the words of a table. An index outside of it may give any word: a table is checked
/// before it is used, so that the step never leaves it.
pub trait Words {
    /// The word at `index`.
    fn word(&self, index: u32) -> u64;
}

impl Words for [u64] {
    #[inline(always)]
    fn word(&self, index: u32) -> u64 {
        // An index outside reads as the dead state's word would: nothing is granted.
        self.get(index as usize).copied().unwrap_or(0)
    }
}

/// Low half of a word.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
pub const fn low(word: u64) -> u32 {
    word as u32
}

/// High half of a word.
#[inline(always)]
pub const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// A word of two halves.
#[inline(always)]
pub const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// The state that follows `state` on `byte`.
#[inline(always)]
pub fn step<W: Words + ?Sized>(table: &W, state: u32, byte: u8) -> u32 {
    let class = (table.word(CLASSES + u32::from(byte >> 3)) >> (u32::from(byte & 7) * 8)) & 0xff;
    let row = table.word(state);
    let entry = table.word(low(row).wrapping_add(low(class)));
    if low(entry) == state { high(entry) } else { high(row) }
}

/// Accesses granted to the container's own processes, and those granted to a session, for an object
/// whose name ends in `state`.
#[inline(always)]
pub fn grants<W: Words + ?Sized>(table: &W, state: u32) -> (u32, u32) {
    let word = table.word(state.wrapping_add(1));
    (low(word), high(word))
}

/// The state after all of `bytes`, from `state`.
pub fn walk<W: Words + ?Sized>(table: &W, state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, byte| step(table, state, *byte))
}
