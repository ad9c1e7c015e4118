//! Finding a policy's table and walking it.

use stockade_abi::head::{Head, Size};
use stockade_abi::object::View;
use stockade_abi::reason::Reason;
use stockade_abi::table::{self, Table, high, low};
use stockade_abi::{CONTENTS_SLOT, POLICY_SLOTS, RENAMES_SLOT, ROOT_CHANGED, root_changed_under};

use super::atomic;
use super::maps::{HEADS, TABLES_L, TABLES_M, TABLES_S};
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{OBJECT_SIZE, byte_at};

/// The head in `slot`. In the slots of other words stands none, and none is found.
#[inline(always)]
pub(crate) fn head(slot: u32) -> Head {
    if slot == RENAMES_SLOT || slot == CONTENTS_SLOT { Head::EMPTY } else { word(slot) }
}

/// Whether the policy in any slot names contents.
#[inline(always)]
pub(crate) fn any_names_contents() -> bool {
    !word(CONTENTS_SLOT).is_empty()
}

/// The word of `slot`. In the slots of other words it is no head, which the caller has to know.
#[inline(always)]
pub(crate) fn word(slot: u32) -> Head {
    let at = HEADS.words().wrapping_add(slot as usize & (POLICY_SLOTS as usize - 1));
    // SAFETY: inside the value, by the mask; volatile, since the agent may store at any moment.
    Head::from_word(unsafe { core::ptr::read_volatile(at) })
}

/// How many directories were about to be renamed until now, and under which policies a root was changed.
#[inline(always)]
pub(crate) fn renames() -> u64 {
    // SAFETY: inside the value; volatile, since others count.
    unsafe { core::ptr::read_volatile(HEADS.words().wrapping_add(RENAMES_SLOT as usize)) }
}

/// Counts a directory that is about to be renamed.
#[inline(always)]
pub(crate) fn count_rename() {
    // SAFETY: inside the value.
    unsafe { atomic::increment(HEADS.words().wrapping_add(RENAMES_SLOT as usize)) };
}

/// Whether any process has changed its root directory, by the word of [`renames`].
#[inline(always)]
pub(crate) fn any_left(renames: u64) -> bool {
    renames & ROOT_CHANGED != 0
}

/// Whether a process that the policy in `slot` judges may have, likewise.
#[inline(always)]
pub(crate) fn may_have_left(renames: u64, slot: u32) -> bool {
    any_left(renames) && renames & root_changed_under(slot) != 0
}

/// Notes that one is about to.
#[inline(always)]
pub(crate) fn root_changes(slot: u32) {
    let bits = ROOT_CHANGED | root_changed_under(slot);
    // SAFETY: inside the value.
    unsafe { atomic::set(HEADS.words().wrapping_add(RENAMES_SLOT as usize), bits) };
}

/// A table in a map, of one of three sizes.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    Small(Words<{ table::SMALL }>),
    Medium(Words<{ table::MEDIUM }>),
    Large(Words<{ table::LARGE }>),
}

/// A table of `N` words. `N` is a power of two.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Words<const N: usize>(*const u64);

// The agent checked every place; the masks are what the verifier needs to see.
impl<const N: usize> Table for Words<N> {
    #[inline(always)]
    fn word(&self, index: u32) -> u64 {
        let at = self.0.wrapping_add(index as usize & (N - 1));
        // SAFETY: inside the map value, by the mask.
        unsafe { core::ptr::read_volatile(at) }
    }

    #[inline(always)]
    fn byte(&self, index: u32) -> u8 {
        let at = self.0.cast::<u8>().wrapping_add(index as usize & (8 * N - 1));
        // SAFETY: inside the map value, by the mask.
        unsafe { core::ptr::read_volatile(at) }
    }

    #[inline(always)]
    fn half(&self, index: u32) -> u32 {
        let at = self.0.cast::<u8>().wrapping_add(index as usize & (8 * N - 4));
        // SAFETY: inside the map value, by the mask, which also aligns it.
        unsafe { core::ptr::read_volatile(at.cast()) }
    }
}

/// The object of a decision: the first `len` bytes of the buffer's object, less `skip` that a view replaces; or why
/// there is none.
///
/// Numbers where enumerations would say more: these are put where the verifier cannot follow them, or it
/// would look at a whole decision once for each of their values.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Object {
    pub(crate) skip: u32,
    /// Where the last component begins; `len` when that is not known.
    pub(crate) split: u32,
    pub(crate) len: u32,
    /// A [`View`], or [`PEER`].
    pub(crate) start: u32,
    /// A [`Reason`], or 0.
    pub(crate) problem: u32,
}

/// The object is a peer.
pub(crate) const PEER: u32 = 0xff;

impl Object {
    /// What is judged has no object.
    pub(crate) const NOTHING: Self = Self { skip: 0, split: 0, len: 0, start: 0, problem: 0 };

    /// No object, for `problem`.
    #[inline(always)]
    pub(crate) fn none(problem: Reason) -> Self {
        Self { skip: 0, split: 0, len: 0, start: 0, problem: problem as u32 }
    }
}

/// What a table says of an object.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Grants {
    /// Granted to the container, and to a session.
    pub(crate) granted: u64,
    /// Taken by deny rules, likewise.
    pub(crate) denied: u64,
    /// Groups of parents: those that it belongs to, and those that may start it.
    pub(crate) groups: u64,
    /// The state in which the last component begins.
    pub(crate) below: u32,
    /// Sets of contents, looked up for whole paths only.
    pub(crate) pins: u32,
}

/// How a table goes on below a directory.
#[derive(Clone, Copy)]
pub(crate) struct Below {
    /// The state in which names in it begin.
    pub(crate) state: u32,
    /// Whether the same is granted on everything below.
    pub(crate) is_all: bool,
    /// That, to the container and to a session.
    pub(crate) granted: u64,
    /// Groups of parents, likewise.
    pub(crate) groups: u64,
}

/// The half of `word` that is for who has these flags of a label.
#[inline(always)]
pub(crate) fn side(word: u64, flags: u32) -> u32 {
    if flags & stockade_abi::label::SESSION == 0 { low(word) } else { high(word) }
}

impl Grants {
    /// What a table says of nothing.
    pub(crate) const NOTHING: Self = Self { granted: 0, denied: 0, groups: 0, below: 0, pins: 0 };
}

impl Policy {
    /// The table that `head` names.
    #[inline(always)]
    pub(crate) fn find(head: Head) -> Option<Self> {
        let number = head.table();
        match head.size()? {
            Size::Small => TABLES_S.get_value(number, &0).map(|words| Self::Small(Words(words.as_ptr()))),
            Size::Medium => TABLES_M.get_value(number, &0).map(|words| Self::Medium(Words(words.as_ptr()))),
            Size::Large => TABLES_L.get_value(number, &0).map(|words| Self::Large(Words(words.as_ptr()))),
        }
    }

    /// One of the first words of the table.
    #[inline(always)]
    pub(crate) fn word(&self, index: u32) -> u64 {
        match self {
            Self::Small(table) => table.word(index),
            Self::Medium(table) => table.word(index),
            Self::Large(table) => table.word(index),
        }
    }

    /// How the table goes on below the directory `object`.
    #[inline(always)]
    pub(crate) fn below(&self, object: &Object, bytes: *const u8) -> Below {
        match self {
            Self::Small(table) => below(table, object, bytes),
            Self::Medium(table) => below(table, object, bytes),
            Self::Large(table) => below(table, object, bytes),
        }
    }

    /// What is granted on `object`.
    #[inline(always)]
    pub(crate) fn grants(&self, object: &Object, bytes: *const u8) -> Grants {
        match self {
            Self::Small(table) => walk(table, object, bytes),
            Self::Medium(table) => walk(table, object, bytes),
            Self::Large(table) => walk(table, object, bytes),
        }
    }
}

/// What `table` grants where `state` was reached.
#[inline(always)]
pub(crate) fn grants_in<const N: usize>(table: &Words<N>, state: u32, below: u32) -> Grants {
    let number = table::grant_number(table, state);
    Grants {
        granted: table::grant_word(table, number, 0),
        denied: table::grant_word(table, number, 1),
        groups: table::grant_word(table, number, 2),
        below,
        pins: 0,
    }
}

#[inline(always)]
fn walk<const N: usize>(table: &Words<N>, object: &Object, bytes: *const u8) -> Grants {
    let state = match object.start {
        PLAIN => low(table.word(table::STARTS)),
        PROC_SELF => high(table.word(table::STARTS)),
        THREAD_SELF => low(table.word(table::MORE_STARTS)),
        3.. => high(table.word(table::MORE_STARTS)),
    };
    let mut walk = Walk { table: *table, bytes, from: object.skip, end: object.split, state };
    rounds(OBJECT_SIZE as u32, &mut walk, visit::<N>);
    let below = walk.state;
    walk.from = object.split;
    walk.end = object.len;
    rounds(OBJECT_SIZE as u32, &mut walk, visit::<N>);
    let pins = low(table::grant_word(table, table::grant_number(table, walk.state), 3));
    Grants { pins, ..grants_in(table, walk.state, below) }
}

#[inline(always)]
fn below<const N: usize>(table: &Words<N>, object: &Object, bytes: *const u8) -> Below {
    let start = low(table.word(table::STARTS));
    let mut walk = Walk { table: *table, bytes, from: 0, end: object.len, state: start };
    rounds(OBJECT_SIZE as u32, &mut walk, visit::<N>);
    let state = table::step(table, walk.state, b'/');
    let grants = grants_in(table, state, 0);
    let is_all = state & table::HOLD != 0 && table::step(table, state, b'/') == state;
    Below { state, is_all, granted: grants.granted, groups: grants.groups }
}

const PLAIN: u32 = View::Plain as u32;
const PROC_SELF: u32 = View::ProcSelf as u32;
const THREAD_SELF: u32 = View::ThreadSelf as u32;

/// A walk under way.
#[repr(C)]
struct Walk<const N: usize> {
    table: Words<N>,
    bytes: *const u8,
    from: u32,
    end: u32,
    state: u32,
}

extern "C" fn visit<const N: usize>(round: u32, walk: &mut Walk<N>) -> i64 {
    let at = walk.from + round;
    if at >= walk.end || walk.state == table::DEAD {
        return STOP;
    }
    let byte = byte_at(walk.bytes, at);
    walk.state = table::step(&walk.table, walk.state, byte);
    CONTINUE
}

/// Walks `len` bytes of a buffer from `state`.
#[inline(always)]
pub(crate) fn walk_bytes<const N: usize>(table: &Words<N>, state: u32, bytes: *const u8, len: u32) -> u32 {
    let mut walk = Walk { table: *table, bytes, from: 0, end: len, state };
    rounds(OBJECT_SIZE as u32, &mut walk, visit::<N>);
    walk.state
}
