//! What crosses between the kernel programs and the agent, defined once.
//!
//! Everything here is `no_std`, free of pointers and of host byte-order questions (both sides run on
//! the same machine), and laid out by hand: integers and byte arrays only, explicit padding, sizes
//! proven in `layout.rs`.

#![no_std]
#![forbid(unsafe_code)]

pub mod access;
pub mod capability;
pub mod event;
pub mod facility;
pub mod head;
pub mod hook;
pub mod known;
pub mod label;
mod layout;
pub mod object;
pub mod offsets;
pub mod owner;
pub mod peer;
pub mod reason;
pub mod table;

/// Version of everything in this crate. Pinned beside the maps; an agent that finds another value
/// there refuses to adopt them.
pub const ABI_VERSION: u32 = 7;

/// The oldest version whose labels and subjects ([`label`]) are laid out and meant as here: an agent takes
/// over what is pinned by versions from this one on. Whoever changes them raises it to [`ABI_VERSION`].
pub const LABELS_SINCE: u32 = 2;

const _: () = assert!(LABELS_SINCE <= ABI_VERSION);

/// Policy slots of a node. Slot 0 is never filled, so that a zeroed label finds no policy, and neither is the last.
pub const POLICY_SLOTS: u32 = 1024;

/// The slot whose word is no head: the programs count there the renames of directories, below [`ROOTS_CHANGED`].
pub const RENAMES_SLOT: u32 = 0;

/// Set in the word of [`RENAMES_SLOT`] as soon as a process of any subject has changed its root directory. The highest
/// bit, which one instruction tests.
pub const ROOT_CHANGED: u64 = 1 << 63;

/// The bit beside [`ROOT_CHANGED`] of those subjects that the policy in `slot` judges, and of a sixteenth of all others.
/// Until it is set none of them looks for the root that it began with.
pub const fn root_changed_under(slot: u32) -> u64 {
    1 << (FIRST_ROOT_BIT + slot % ROOT_BITS)
}

const ROOT_BITS: u32 = 16;
const FIRST_ROOT_BIT: u32 = u64::BITS - 1 - ROOT_BITS;

/// All the bits of roots. What is below them counts, and takes longer than a node lives to reach them.
pub const ROOTS_CHANGED: u64 = !0 << FIRST_ROOT_BIT;

/// The slot whose word is no head either, but 1 while the policy in any slot names contents: without that, nobody
/// takes them down.
pub const CONTENTS_SLOT: u32 = POLICY_SLOTS - 1;

/// The slots that heads can be in.
pub const SLOTS_OF_POLICIES: core::ops::Range<u32> = 1..CONTENTS_SLOT;

/// Subjects a node can hold at once.
pub const SUBJECTS_MAX: u32 = 16_384;

/// Longest object (path, socket name) that is judged, in bytes without a terminator: `PATH_MAX - 1`.
pub const OBJECT_MAX: usize = 4095;
