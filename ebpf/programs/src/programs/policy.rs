//! Finding a policy's table and walking it.

use stockade_abi::object::View;
use stockade_abi::reason::{Mode, Reason};
use stockade_abi::table::{self, Words, high, low};

use super::maps::{POLICIES_L, POLICIES_M, POLICIES_S};
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{OBJECT_SIZE, byte_at};

/// A table in a map, of one of three sizes.
#[derive(Clone, Copy)]
pub(crate) enum Policy {
    Small(Table<{ table::SMALL }>),
    Medium(Table<{ table::MEDIUM }>),
    Large(Table<{ table::LARGE }>),
}

/// A table of `N` words. `N` is a power of two.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Table<const N: usize>(*const u64);

impl<const N: usize> Words for Table<N> {
    #[inline(always)]
    fn word(&self, index: u32) -> u64 {
        // The agent checked every index; the mask is what the verifier needs to see.
        let at = self.0.wrapping_add(index as usize & (N - 1));
        // SAFETY: inside the map value, by the mask.
        unsafe { core::ptr::read_volatile(at) }
    }
}

/// The object of a decision: the first `len` bytes of `bytes`, less `skip` that a view replaces; or why
/// there is none.
///
/// Not a `Result`: what its other variant leaves undefined, the compiler may still copy, and the
/// verifier refuses to read it.
#[derive(Clone, Copy)]
pub(crate) struct Object {
    pub(crate) bytes: *const u8,
    pub(crate) skip: u32,
    pub(crate) len: u32,
    pub(crate) start: Start,
    pub(crate) problem: Option<Reason>,
}

impl Object {
    /// No object, for `problem`.
    #[inline(always)]
    pub(crate) fn none(problem: Reason) -> Self {
        let start = Start::Path(View::Plain);
        Self { bytes: core::ptr::null(), skip: 0, len: 0, start, problem: Some(problem) }
    }
}

/// Where a walk begins.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Path(View),
    Peer,
}

impl Policy {
    /// The policy in `slot`.
    #[inline(always)]
    pub(crate) fn find(slot: u32) -> Option<Self> {
        if let Some(words) = POLICIES_S.get_value(slot, &0) {
            return Some(Self::Small(Table(words.as_ptr())));
        }
        if let Some(words) = POLICIES_M.get_value(slot, &0) {
            return Some(Self::Medium(Table(words.as_ptr())));
        }
        POLICIES_L.get_value(slot, &0).map(|words| Self::Large(Table(words.as_ptr())))
    }

    #[inline(always)]
    pub(crate) fn generation(&self) -> u64 {
        self.header(table::GENERATION)
    }

    #[inline(always)]
    pub(crate) fn mode(&self) -> Option<Mode> {
        Mode::from_u64(self.header(table::MODE))
    }

    #[inline(always)]
    fn header(&self, index: u32) -> u64 {
        match self {
            Self::Small(table) => table.word(index),
            Self::Medium(table) => table.word(index),
            Self::Large(table) => table.word(index),
        }
    }

    /// Accesses granted on `object`, to the container and to a session.
    #[inline(always)]
    pub(crate) fn grants(&self, object: &Object) -> (u32, u32) {
        match self {
            Self::Small(table) => walk(table, object),
            Self::Medium(table) => walk(table, object),
            Self::Large(table) => walk(table, object),
        }
    }
}

#[inline(always)]
fn walk<const N: usize>(table: &Table<N>, object: &Object) -> (u32, u32) {
    let state = match object.start {
        Start::Path(View::Plain) => low(table.word(table::STARTS)),
        Start::Path(View::ProcSelf) => high(table.word(table::STARTS)),
        Start::Path(View::ThreadSelf) => low(table.word(table::MORE_STARTS)),
        Start::Peer => high(table.word(table::MORE_STARTS)),
    };
    let mut walk = Walk { table: *table, bytes: object.bytes, skip: object.skip, len: object.len, state };
    rounds(OBJECT_SIZE as u32, &mut walk, visit::<N>);
    table::grants(table, walk.state)
}

/// A walk under way.
#[repr(C)]
struct Walk<const N: usize> {
    table: Table<N>,
    bytes: *const u8,
    skip: u32,
    len: u32,
    state: u32,
}

extern "C" fn visit<const N: usize>(round: u32, walk: &mut Walk<N>) -> i64 {
    let at = walk.skip + round;
    if at >= walk.len || walk.state == table::DEAD {
        return STOP;
    }
    let byte = byte_at(walk.bytes, at);
    walk.state = table::step(&walk.table, walk.state, byte);
    CONTINUE
}
