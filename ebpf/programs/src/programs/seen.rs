//! What was reported already while learning, so that each observation is recorded once.

use stockade_abi::object::View;
use stockade_abi::reason::Operation;
use stockade_abi::table::{high, low, pair};

use super::emit::Record;
use super::kernel::{Pointer, load, part};
use super::label::Tag;
use super::maps::SEEN;
use super::name::{self, SHORT};
use super::policy::{self, Object};
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{self, OBJECT_SIZE, byte_at};

/// An observation, as it is remembered. The generation is part of it, so that a new policy, and an
/// agent that came back, see everything once more.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct SeenKey {
    subject: u64,
    /// [`Hashed::whole`], or 0 without an object.
    object: u64,
    generation: u64,
    access: u32,
    kind: u32,
}

impl SeenKey {
    #[inline(always)]
    pub(crate) fn of(record: &Record<'_>, object: u64) -> Self {
        Self {
            subject: record.label.subject,
            object,
            generation: record.generation,
            access: record.access,
            kind: kind(record.operation, record.object.start, record.label.flags),
        }
    }

    #[inline(always)]
    pub(crate) fn is_remembered(&self) -> bool {
        // SAFETY: only whether there is a value matters.
        unsafe { SEEN.get(self) }.is_some()
    }

    #[inline(always)]
    pub(crate) fn remember(&self) {
        // Not remembered means reported once more: never a loss.
        let _reported_again = SEEN.insert(self, 1, 0);
    }
}

#[inline(always)]
fn kind(operation: u32, start: u32, flags: u32) -> u32 {
    operation | start << 8 | flags << 16
}

/// Whether `access` to the entry of a directory was reported. `directory` is [`Hashed::directory`] of all names
/// in it.
#[inline(always)]
pub(crate) fn has_name(directory: u64, dentry: Pointer, subject: u64, tag: Tag, access: u32) -> bool {
    has(directory, dentry, subject, tag.policy, pair(access, tag.flags))
}

/// A function of its own, for the stack that it takes; two of its arguments in one, since it may have five.
#[inline(never)]
fn has(directory: u64, dentry: Pointer, subject: u64, policy: u32, access_and_flags: u64) -> bool {
    let Some(object) = add_name(directory, dentry) else { return false };
    let key = SeenKey {
        subject,
        object,
        generation: policy::head(policy).generation(),
        access: low(access_and_flags),
        kind: kind(Operation::File as u32, View::Plain as u32, high(access_and_flags)),
    };
    key.is_remembered()
}

/// Hashes of the part of an object that is matched: 64-bit FNV-1a.
#[derive(Clone, Copy)]
pub(crate) struct Hashed {
    /// Of what is before the last component.
    pub(crate) directory: u64,
    pub(crate) whole: u64,
}

const START: u64 = 0xcbf2_9ce4_8422_2325;

impl Hashed {
    #[inline(always)]
    pub(crate) fn of(object: &Object, bytes: *const u8) -> Self {
        let directory = add(START, bytes, object.skip, object.split);
        Self { directory, whole: add(directory, bytes, object.split, object.len) }
    }
}

#[inline(always)]
fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// A hash under way.
#[repr(C)]
struct Adding {
    hash: u64,
    bytes: *const u8,
    from: u32,
    end: u32,
}

#[inline(always)]
fn add(hash: u64, bytes: *const u8, from: u32, end: u32) -> u64 {
    let mut adding = Adding { hash, bytes, from, end };
    rounds(OBJECT_SIZE as u32, &mut adding, add_byte);
    adding.hash
}

extern "C" fn add_byte(round: u32, adding: &mut Adding) -> i64 {
    let at = adding.from + round;
    if at >= adding.end {
        return STOP;
    }
    adding.hash = step(adding.hash, byte_at(adding.bytes, at));
    CONTINUE
}

/// `hash` with the name of an entry behind it; `None` when the name cannot be had.
#[inline(always)]
fn add_name(hash: u64, dentry: Pointer) -> Option<u64> {
    let len: u32 = load!(dentry, dentry_name_len as u32);
    let inside = part!(dentry, dentry_short);
    let name: u64 = load!(dentry, dentry_name as u64);
    if len <= SHORT && name == inside as u64 {
        Some(add_short(hash, inside, len))
    } else {
        add_long(hash, name as Pointer, len)
    }
}

#[inline(always)]
fn add_short(mut hash: u64, inside: Pointer, len: u32) -> u64 {
    macro_rules! eight {
        ($word:literal) => {
            // SAFETY: part of the entry; the verifier checks the access.
            let mut bytes = unsafe { core::ptr::read_volatile(inside.cast::<u64>().wrapping_add($word)) };
            let mut index = 1;
            while index <= 8 {
                hash = step(hash, bytes as u8);
                if len == 8 * $word + index {
                    return hash;
                }
                bytes >>= 8;
                index += 1;
            }
        };
    }
    eight!(0);
    eight!(1);
    hash
}

#[inline(always)]
fn add_long(hash: u64, name: Pointer, len: u32) -> Option<u64> {
    let (slot, len) = name::copied(name, len)?;
    let hash = add(hash, scratch::object(slot), 0, len);
    scratch::release(slot);
    Some(hash)
}
