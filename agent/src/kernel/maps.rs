//! The maps that agent and programs share, opened from their pins.

use std::borrow::Borrow;
use std::os::fd::{AsRawFd as _, OwnedFd};

use aya::Pod;
use aya::maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use stockade_abi::hook::Hook;
use stockade_abi::label::{Label, SubjectEntry};
use stockade_abi::reason::Reason;
use stockade_abi::{POLICY_SLOTS, table};

use super::error::KernelError;
use super::pins::Pins;

/// Names of the pinned maps. The others belong to one build of the programs and go with it.
pub(super) const PINNED: [&str; 10] =
    [LABELS, SUBJECTS, SMALL, MEDIUM, LARGE, EVENTS, SEEN, REASONS, LOST, CANARY];

const LABELS: &str = "LABELS";
const SUBJECTS: &str = "SUBJECTS";
const SMALL: &str = "POLICIES_S";
const MEDIUM: &str = "POLICIES_M";
const LARGE: &str = "POLICIES_L";
const EVENTS: &str = "EVENTS";
const SEEN: &str = "SEEN";
const REASONS: &str = "REASONS";
const LOST: &str = "LOST";
const CANARY: &str = "CANARY";

/// Bytes of a key of the map of reported observations; the agent only ever clears it.
const SEEN_KEY: usize = 32;

/// A structure of the shared ABI, as map value.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Shared<T>(T);

// SAFETY: integers only, no padding (proven in stockade_abi), any bytes are a value.
unsafe impl Pod for Shared<Label> {}
// SAFETY: as above.
unsafe impl Pod for Shared<SubjectEntry> {}

type Policies<const WORDS: usize> = ArrayOfMaps<MapData, Array<MapData, [u64; WORDS]>>;

/// Open handles.
pub(super) struct Maps {
    labels: HashMap<MapData, i32, Shared<Label>>,
    subjects: HashMap<MapData, u64, Shared<SubjectEntry>>,
    small: Sized<{ table::SMALL }>,
    medium: Sized<{ table::MEDIUM }>,
    large: Sized<{ table::LARGE }>,
    seen: HashMap<MapData, [u8; SEEN_KEY], u64>,
    reasons: PerCpuArray<MapData, u64>,
    lost: PerCpuArray<MapData, u64>,
    canary: PerCpuArray<MapData, u64>,
}

impl Maps {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        let open = |name: &'static str| MapData::from_pin(pins.map(name)).map_err(KernelError::map(name));
        Ok(Self {
            // Task storage takes a pidfd as key where a hash takes its own; the calls are the same.
            labels: HashMap::try_from(Map::HashMap(open(LABELS)?)).map_err(KernelError::map(LABELS))?,
            subjects: HashMap::try_from(Map::HashMap(open(SUBJECTS)?)).map_err(KernelError::map(SUBJECTS))?,
            small: Sized::open(pins, SMALL)?,
            medium: Sized::open(pins, MEDIUM)?,
            large: Sized::open(pins, LARGE)?,
            seen: HashMap::try_from(Map::LruHashMap(open(SEEN)?)).map_err(KernelError::map(SEEN))?,
            reasons: PerCpuArray::try_from(Map::PerCpuArray(open(REASONS)?))
                .map_err(KernelError::map(REASONS))?,
            lost: PerCpuArray::try_from(Map::PerCpuArray(open(LOST)?)).map_err(KernelError::map(LOST))?,
            canary: PerCpuArray::try_from(Map::PerCpuArray(open(CANARY)?))
                .map_err(KernelError::map(CANARY))?,
        })
    }

    pub(super) fn open_events(pins: &Pins) -> Result<RingBuf<MapData>, KernelError> {
        let data = MapData::from_pin(pins.map(EVENTS)).map_err(KernelError::map(EVENTS))?;
        RingBuf::try_from(Map::RingBuf(data)).map_err(KernelError::map(EVENTS))
    }

    /// Labels the process that `pidfd` refers to.
    pub(super) fn label(&mut self, pidfd: &OwnedFd, label: Label) -> Result<(), KernelError> {
        self.labels.insert(pidfd.as_raw_fd(), Shared(label), 0).map_err(KernelError::map(LABELS))
    }

    pub(super) fn bind(&mut self, cgroup: u64, entry: SubjectEntry) -> Result<(), KernelError> {
        self.subjects.insert(cgroup, Shared(entry), 0).map_err(|error| {
            if errno(&error) == Some(TOO_BIG) {
                KernelError::SubjectsFull
            } else {
                KernelError::map(SUBJECTS)(error)
            }
        })
    }

    pub(super) fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        match self.subjects.remove(&cgroup) {
            Err(error) if !is_absent(&error) => Err(KernelError::map(SUBJECTS)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError> {
        let entries = self.subjects.iter().map(|entry| entry.map(|(cgroup, Shared(entry))| (cgroup, entry)));
        entries.collect::<Result<_, _>>().map_err(KernelError::map(SUBJECTS))
    }

    /// Puts `words` in force in `slot`. The new table is complete before the slot names it, and the slot
    /// is never empty in between: a table of another size goes only when the new one is in place, and the
    /// kernel waits for running programs before the call that put it there returns.
    pub(super) fn set_policy(&mut self, slot: u32, words: &[u64]) -> Result<(), KernelError> {
        check_slot(slot)?;
        if self.small.set(slot, words)? {
            self.medium.clear(slot)?;
            self.large.clear(slot)
        } else if self.medium.set(slot, words)? {
            self.small.clear(slot)?;
            self.large.clear(slot)
        } else if self.large.set(slot, words)? {
            self.small.clear(slot)?;
            self.medium.clear(slot)
        } else {
            Err(KernelError::TableSize(words.len()))
        }
    }

    pub(super) fn clear_policy(&mut self, slot: u32) -> Result<(), KernelError> {
        check_slot(slot)?;
        self.small.clear(slot)?;
        self.medium.clear(slot)?;
        self.large.clear(slot)
    }

    /// Whether a table is in force in `slot`.
    pub(super) fn has_policy(&self, slot: u32) -> Result<bool, KernelError> {
        check_slot(slot)?;
        Ok(self.small.has(slot)? || self.medium.has(slot)? || self.large.has(slot)?)
    }

    /// Forgets what learning has reported, so that it is reported again.
    pub(super) fn forget_observations(&mut self) -> Result<(), KernelError> {
        let keys: Vec<_> = self.seen.keys().collect::<Result<_, _>>().map_err(KernelError::map(SEEN))?;
        for key in keys {
            match self.seen.remove(&key) {
                Err(error) if !is_absent(&error) => return Err(KernelError::map(SEEN)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn reasons(&self) -> Result<Vec<(Reason, u64)>, KernelError> {
        Reason::ALL
            .iter()
            .map(|reason| {
                let count =
                    sum(&self.reasons, u32::from(*reason as u8)).map_err(KernelError::map(REASONS))?;
                Ok((*reason, count))
            })
            .collect()
    }

    /// Records lost to a full ring, for each slot that lost any.
    pub(super) fn lost(&self) -> Result<Vec<(u32, u64)>, KernelError> {
        let mut found = Vec::new();
        for slot in 0..POLICY_SLOTS {
            let count = sum(&self.lost, slot).map_err(KernelError::map(LOST))?;
            if count > 0 {
                found.push((slot, count));
            }
        }
        Ok(found)
    }

    /// How often `hook` has refused a canary.
    pub(super) fn canary(&self, hook: Hook) -> Result<u64, KernelError> {
        sum(&self.canary, hook as u32).map_err(KernelError::map(CANARY))
    }
}

const TOO_BIG: i32 = 7;
const NOT_FOUND: i32 = 2;

fn check_slot(slot: u32) -> Result<(), KernelError> {
    if (1..POLICY_SLOTS).contains(&slot) { Ok(()) } else { Err(KernelError::Slot(slot)) }
}

fn is_absent(error: &MapError) -> bool {
    matches!(error, MapError::KeyNotFound | MapError::ElementNotFound) || errno(error) == Some(NOT_FOUND)
}

fn errno(error: &MapError) -> Option<i32> {
    if let MapError::SyscallError(call) = error { call.io_error.raw_os_error() } else { None }
}

fn sum<T: Borrow<MapData>>(counters: &PerCpuArray<T, u64>, index: u32) -> Result<u64, MapError> {
    Ok(counters.get(&index, 0)?.iter().sum())
}

/// The policies of one table size.
struct Sized<const WORDS: usize> {
    name: &'static str,
    tables: Policies<WORDS>,
    /// The same map as a plain one: the loader has no call to empty an entry of a map of maps, nor to
    /// ask for one without opening it.
    entries: HashMap<MapData, u32, u32>,
}

impl<const WORDS: usize> Sized<WORDS> {
    fn open(pins: &Pins, name: &'static str) -> Result<Self, KernelError> {
        let open = || MapData::from_pin(pins.map(name)).map_err(KernelError::map(name));
        Ok(Self {
            name,
            tables: Policies::try_from(Map::ArrayOfMaps(open()?)).map_err(KernelError::map(name))?,
            entries: HashMap::try_from(Map::HashMap(open()?)).map_err(KernelError::map(name))?,
        })
    }

    /// False when `words` is not of this size.
    fn set(&mut self, slot: u32, words: &[u64]) -> Result<bool, KernelError> {
        let Some(words) = words.as_array::<WORDS>() else { return Ok(false) };
        let mut table = Array::create(1, 0).map_err(KernelError::map(self.name))?;
        table.set(0, words, 0).map_err(KernelError::map(self.name))?;
        self.tables.set(slot, &table, 0).map_err(KernelError::map(self.name))?;
        Ok(true)
    }

    fn has(&self, slot: u32) -> Result<bool, KernelError> {
        match self.entries.get(&slot, 0) {
            Ok(_id) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(KernelError::map(self.name)(error)),
        }
    }

    fn clear(&mut self, slot: u32) -> Result<(), KernelError> {
        match self.entries.remove(&slot) {
            Err(error) if !is_absent(&error) => Err(KernelError::map(self.name)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
