//! The policy table: one deterministic automaton as an array of 64-bit words, and its one step
//! function, which the kernel programs, the host tests and `explain` share.
//!
//! ```text
//! word 0         MAGIC | FORMAT << 32
//! word 1         words in use | number of grants << 32
//! word 2         start state of paths | of /proc/self << 32
//! word 3         start state of /proc/self/task/<own> | of peers << 32
//! words 4..9     powers: what is granted without an object
//! word 9         where the pins stand | how many there are << 32
//! words 10..42   class of each byte value, one byte each
//! words 42..     grants, GRANT_WORDS each; the first of them grants nothing
//! then           pins, PIN_WORDS each
//! then           states
//! ```
//!
//! A state is a number of 32 bits: where it stands in the table, and of which kind it is.
//!
//! - [`DEAD`] grants nothing and leads only to itself.
//! - A *branch* (no flag) is the index of a word, `grant | default << 32`: the number of the grant for
//!   an object that ends here, and the state that follows on every class without a transition. The word
//!   at `index + class` is its transition on that class if the low half of that word is the state
//!   (`state | next << 32`). The transitions of many branches overlap in one area (row displacement).
//!   Classes begin with 1, as 0 is the state's own word. Where all 256 byte values differ, one has class 0
//!   and always takes the default.
//! - A *plain branch* ([`PLAIN`]) has no word of its own: it grants nothing and its default is `DEAD`.
//! - A branch that [holds](HOLD) is one of the first kind.
//! - A *run* ([`RUN`]) is the index of a byte of the table: the one byte that leads on, to the state at
//!   the next byte. Where the next byte is zero the run is over, and the state that follows stands as
//!   32 bits at the next multiple of four behind that zero. Runs grant nothing and hold no zero byte.
//!
//! So a step is at most three loads, and a long literal name costs about one byte of table a byte.

use crate::capability::{self, CapabilitySet};
use crate::facility::{self, FacilitySet};

/// First half of word 0.
pub const MAGIC: u32 = 0x4b53_5453;
/// Second half of word 0: the version of this format.
pub const FORMAT: u32 = 4;

/// Index of the word that holds the words in use and the number of grants.
pub const USED: u32 = 1;
/// Index of the word that holds the start states of paths and of the process's own procfs entries.
pub const STARTS: u32 = 2;
/// Index of the word that holds the start states of the thread's own procfs entries and of peers.
pub const MORE_STARTS: u32 = 3;
/// Index of the first word of the powers.
pub const POWERS: u32 = 4;
/// Index of the word that says where the pins stand, and how many there are.
pub const PINS: u32 = POWERS + POWER_WORDS;
/// Index of the first word of the class map.
pub const CLASSES: u32 = PINS + 1;
/// Index of the first grant.
pub const GRANTS: u32 = CLASSES + 32;
/// Words of the powers.
pub const POWER_WORDS: u32 = 5;
/// Words of one grant.
pub const GRANT_WORDS: u32 = 4;
/// Words of one pin.
pub const PIN_WORDS: u32 = 5;
/// Pins that a table can have.
pub const PINS_MAX: u32 = 1024;

/// The dead state.
pub const DEAD: u32 = 0;
/// Flag of a run.
pub const RUN: u32 = 1 << 31;
/// Flag of a branch without a word of its own.
pub const PLAIN: u32 = 1 << 30;
/// Flag of a branch that every byte but a slash leads back to, as `*` and `**` do: whatever the rest of a
/// name is, it ends here. It says nothing that the branch does not, and saves looking.
pub const HOLD: u32 = 1 << 29;
/// The bits of a state that say where it stands.
pub const PLACE: u32 = HOLD - 1;

/// Words of a table of the smallest size, 16 KiB.
pub const SMALL: usize = 2 * 1024;
/// Words of a table of the middle size, 256 KiB.
pub const MEDIUM: usize = 32 * 1024;
/// Words of a table of the largest size, 4 MiB: the largest value an array map takes on 6.1.
pub const LARGE: usize = 512 * 1024;

/// What an object may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    /// Accesses granted to the container's own processes.
    pub container: u32,
    /// Accesses granted to a session.
    pub session: u32,
    /// Accesses that a deny rule takes from the container.
    pub denied: u32,
    /// Accesses that a deny rule takes from a session.
    pub session_denied: u32,
    /// As a program: the groups of parents it belongs to, one bit each.
    pub member: u32,
    /// The groups of parents whose members may start it, besides what is granted to everybody.
    pub parents: u32,
    /// The sets of [pins](Pin) whose contents let it start, wherever it comes from, one bit each.
    pub pins: u32,
}

/// The content that a program may have, for rules that name contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin {
    /// The set it belongs to: one bit.
    pub set: u32,
    /// The groups of parents whose members it lets start the program; 0: everybody.
    pub parents: u32,
    /// SHA-256 of the content, as little-endian words.
    pub digest: [u64; 4],
}

impl Pin {
    /// The words of the table that stand for it.
    pub const fn words(&self) -> [u64; PIN_WORDS as usize] {
        let [a, b, c, d] = self.digest;
        [pair(self.set, self.parents), a, b, c, d]
    }

    /// The pin that stands in a table as `words`.
    pub const fn from_words(words: [u64; PIN_WORDS as usize]) -> Self {
        let [first, a, b, c, d] = words;
        Self { set: low(first), parents: high(first), digest: [a, b, c, d] }
    }

    /// Whether it lets a member of the groups `member` start a program of the sets `sets`.
    #[inline(always)]
    pub const fn is_for(&self, sets: u32, member: u32) -> bool {
        self.set & sets != 0 && (self.parents == 0 || self.parents & member != 0)
    }
}

impl Grant {
    /// The words of the table that stand for it.
    pub const fn words(&self) -> [u64; GRANT_WORDS as usize] {
        [
            pair(self.container, self.session),
            pair(self.denied, self.session_denied),
            pair(self.member, self.parents),
            pair(self.pins, 0),
        ]
    }

    /// The grant that stands in a table as `words`.
    pub const fn from_words(words: [u64; GRANT_WORDS as usize]) -> Self {
        let [granted, denied, groups, pins] = words;
        Self {
            container: low(granted),
            session: high(granted),
            denied: low(denied),
            session_denied: high(denied),
            member: low(groups),
            parents: high(groups),
            pins: low(pins),
        }
    }
}

/// What is granted without an object, ready to be asked: what deny rules take is not among the granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// Capabilities that the container may use.
    pub capabilities: CapabilitySet,
    /// Capabilities that a session may use.
    pub session_capabilities: CapabilitySet,
    /// Capabilities that deny rules take from both.
    pub denied_capabilities: CapabilitySet,
    /// Facilities that the container may use.
    pub facilities: FacilitySet,
    /// Facilities that a session may use.
    pub session_facilities: FacilitySet,
    /// Facilities that deny rules take from both.
    pub denied_facilities: FacilitySet,
}

/// Index of the word of capabilities granted to the container; that of a session is the next.
pub const CAPABILITIES: u32 = POWERS;
/// Index of the word of capabilities denied.
pub const CAPABILITIES_DENIED: u32 = POWERS + 2;
/// Index of the word of facilities granted: to the container, and in the high half to a session.
pub const FACILITIES: u32 = POWERS + 3;
/// Index of the word of facilities denied.
pub const FACILITIES_DENIED: u32 = POWERS + 4;

impl Powers {
    /// The words of the table that stand for them.
    pub const fn words(&self) -> [u64; POWER_WORDS as usize] {
        [
            self.capabilities,
            self.session_capabilities,
            self.denied_capabilities,
            pair(self.facilities, self.session_facilities),
            pair(self.denied_facilities, 0),
        ]
    }

    /// The powers that stand in a table as `words`; `None` when they contradict themselves.
    pub const fn from_words(words: [u64; POWER_WORDS as usize]) -> Option<Self> {
        let [capabilities, session_capabilities, denied_capabilities, facilities, denied_facilities] = words;
        let powers = Self {
            capabilities,
            session_capabilities,
            denied_capabilities,
            facilities: low(facilities),
            session_facilities: high(facilities),
            denied_facilities: low(denied_facilities),
        };
        let known = (session_capabilities | denied_capabilities) & !capability::ALL == 0
            && (powers.session_facilities | powers.denied_facilities) & !facility::ALL == 0
            && high(denied_facilities) == 0;
        // A session may do what the container may.
        let sound = capabilities & !session_capabilities == 0
            && session_capabilities & denied_capabilities == 0
            && powers.facilities & !powers.session_facilities == 0
            && powers.session_facilities & powers.denied_facilities == 0;
        if known && sound { Some(powers) } else { None }
    }
}

/// Read access to a table. A place outside of it may give anything: a table is checked before it is
/// used, so that a walk never leaves it.
pub trait Table {
    /// The word at `index`.
    fn word(&self, index: u32) -> u64;
    /// The byte at `index`, counted in bytes; words are little-endian.
    fn byte(&self, index: u32) -> u8;
    /// The 32 bits at `index`, counted in bytes and a multiple of four.
    fn half(&self, index: u32) -> u32;
}

impl Table for [u64] {
    #[inline(always)]
    fn word(&self, index: u32) -> u64 {
        // An index outside reads as the dead state's word would: nothing is granted.
        self.get(index as usize).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn byte(&self, index: u32) -> u8 {
        self.word(index >> 3).to_le_bytes()[(index & 7) as usize]
    }

    #[inline(always)]
    fn half(&self, index: u32) -> u32 {
        let word = self.word(index >> 3);
        if index & 4 == 0 { low(word) } else { high(word) }
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
pub fn step<T: Table + ?Sized>(table: &T, state: u32, byte: u8) -> u32 {
    if state == DEAD {
        return DEAD;
    }
    if state & RUN != 0 {
        let at = state & PLACE;
        if table.byte(at) != byte {
            return DEAD;
        }
        if table.byte(at.wrapping_add(1)) != 0 {
            return state.wrapping_add(1);
        }
        return table.half(at.wrapping_add(5) & !3);
    }
    let class = table.byte((CLASSES << 3).wrapping_add(byte as u32));
    let at = state & PLACE;
    let entry = table.word(at.wrapping_add(class as u32));
    if low(entry) == state {
        high(entry)
    } else if state & PLAIN != 0 {
        DEAD
    } else {
        high(table.word(at))
    }
}

/// The number of the grant for an object whose name ends in `state`; 0 grants nothing.
#[inline(always)]
pub fn grant_number<T: Table + ?Sized>(table: &T, state: u32) -> u32 {
    if state == DEAD || state & (RUN | PLAIN) != 0 { 0 } else { low(table.word(state & PLACE)) }
}

/// One word of a grant: 0 what is granted, 1 what is denied, 2 groups of parents, 3 sets of pins.
#[inline(always)]
pub fn grant_word<T: Table + ?Sized>(table: &T, number: u32, word: u32) -> u64 {
    table.word(GRANTS.wrapping_add(number.wrapping_mul(GRANT_WORDS)).wrapping_add(word))
}

/// The grant for an object whose name ends in `state`.
#[inline(always)]
pub fn grant<T: Table + ?Sized>(table: &T, state: u32) -> Grant {
    let number = grant_number(table, state);
    Grant::from_words([
        grant_word(table, number, 0),
        grant_word(table, number, 1),
        grant_word(table, number, 2),
        grant_word(table, number, 3),
    ])
}

/// The state after all of `bytes`, from `state`.
pub fn walk<T: Table + ?Sized>(table: &T, state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, byte| step(table, state, *byte))
}
