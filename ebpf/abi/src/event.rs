//! The record of one decision, as it stands in the ring buffer: a header, then the object's bytes.

use crate::object::View;
use crate::reason::{Mode, Operation, Reason, UnknownValue, Verdict};

/// Fixed part of a record. `object_len` bytes of the object follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct EventHeader {
    /// Nanoseconds since boot, suspended time included.
    pub time_ns: u64,
    /// Cgroup id of the subject.
    pub subject: u64,
    /// Generation of the policy that judged.
    pub generation: u64,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Process id of the parent.
    pub ppid: u32,
    /// Real user id in the initial user namespace.
    pub uid: u32,
    /// Slot of the policy that judged.
    pub policy: u32,
    /// Flags of the process's label.
    pub flags: u32,
    /// Accesses asked for; of a capability or a facility, its number.
    pub access: u32,
    /// Those of the accesses that no rule grants.
    pub missing: u32,
    /// [`Operation`].
    pub operation: u8,
    /// [`Verdict`].
    pub verdict: u8,
    /// [`Reason`].
    pub reason: u8,
    /// [`Mode`]; 0 when the policy could not be read.
    pub mode: u8,
    /// [`View`].
    pub view: u8,
    /// Zero.
    pub reserved: u8,
    /// Bytes at the start of the object that the view replaces.
    pub skip: u16,
    /// Bytes of the object that follow this header.
    pub object_len: u32,
    /// Zero.
    pub reserved2: u32,
    /// Name of the thread.
    pub comm: [u8; 16],
}

/// Size of [`EventHeader`] in bytes.
pub const HEADER_LEN: usize = size_of::<EventHeader>();

/// A record of the ring buffer, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The numbers of the record.
    pub header: EventHeader,
    /// The operation judged.
    pub operation: Operation,
    /// The answer.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Mode of the policy; `None` when it could not be read.
    pub mode: Option<Mode>,
    /// Which prefix of the object was replaced.
    pub view: View,
    /// The object as the kernel named it: a path, or an encoded peer.
    pub object: &'a [u8],
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEvent {
    /// It is shorter than it says.
    Truncated {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// A byte stands for no known value.
    Unknown(UnknownValue),
    /// The replaced prefix is longer than the object.
    Skip,
}

impl From<UnknownValue> for BadEvent {
    fn from(value: UnknownValue) -> Self {
        Self::Unknown(value)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        // The caller has checked the length of the whole header.
        match self.0.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.0 = rest;
                *head
            }
            None => [0; N],
        }
    }

    fn u8(&mut self) -> u8 {
        u8::from_ne_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_ne_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take())
    }
}

impl<'a> Event<'a> {
    /// Reads one record.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadEvent> {
        if bytes.len() < HEADER_LEN {
            return Err(BadEvent::Truncated { need: HEADER_LEN, have: bytes.len() });
        }
        let (head, rest) = bytes.split_at(HEADER_LEN);
        let mut read = Reader(head);
        let header = EventHeader {
            time_ns: read.u64(),
            subject: read.u64(),
            generation: read.u64(),
            pid: read.u32(),
            tid: read.u32(),
            ppid: read.u32(),
            uid: read.u32(),
            policy: read.u32(),
            flags: read.u32(),
            access: read.u32(),
            missing: read.u32(),
            operation: read.u8(),
            verdict: read.u8(),
            reason: read.u8(),
            mode: read.u8(),
            view: read.u8(),
            reserved: read.u8(),
            skip: read.u16(),
            object_len: read.u32(),
            reserved2: read.u32(),
            comm: read.take(),
        };
        let len = header.object_len as usize;
        let object = rest
            .get(..len)
            .ok_or(BadEvent::Truncated { need: HEADER_LEN.saturating_add(len), have: bytes.len() })?;
        if usize::from(header.skip) > len {
            return Err(BadEvent::Skip);
        }
        let mode = if header.mode == 0 { None } else { Some(Mode::try_from(header.mode)?) };
        Ok(Self {
            header,
            operation: header.operation.try_into()?,
            verdict: header.verdict.try_into()?,
            reason: header.reason.try_into()?,
            mode,
            view: header.view.try_into()?,
            object,
        })
    }

    /// The object's name in two parts as a profile would write it: what the replaced prefix stands
    /// for, and the rest.
    pub fn name(&self) -> (&'static [u8], &'a [u8]) {
        (self.view.prefix(), self.object.get(usize::from(self.header.skip)..).unwrap_or(b""))
    }
}
