//! The maps that agent and programs share, opened from their pins.

use std::borrow::Borrow;
use std::os::fd::{AsRawFd as _, OwnedFd};

use aya::Pod;
use aya::maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use stockade_abi::head::{Head, Size};
use stockade_abi::hook::Hook;
use stockade_abi::known::{FileId, Guard, InodeMemory};
use stockade_abi::label::{Label, Root, SubjectEntry};
use stockade_abi::owner::Owner;
use stockade_abi::reason::Reason;
use stockade_abi::{CONTENTS_SLOT, POLICY_SLOTS, RENAMES_SLOT, ROOTS_CHANGED, SLOTS_OF_POLICIES, table};

use super::error::KernelError;
use super::mechanism::Mechanism;
use super::pins::Pins;
use super::syscall::{freeze, open_to_write};
use super::tables::Number;
use super::words::Words;

/// Names of the pinned maps. The others belong to one build of the programs and go with it.
pub(super) const PINNED: [&str; 16] = [
    LABELS, INODES, GUARDS, OWNER, SUBJECTS, STARTED, ROOTS, HEADS, SMALL, MEDIUM, LARGE, EVENTS, SEEN,
    REASONS, LOST, CANARY,
];

/// Those of them that go on under another ABI.
pub(super) const CARRIED: [&str; 4] = [LABELS, SUBJECTS, STARTED, ROOTS];

const LABELS: &str = "LABELS";
const SUBJECTS: &str = "SUBJECTS";
pub(super) const STARTED: &str = "STARTED";
pub(super) const ROOTS: &str = "ROOTS";
const INODES: &str = "INODES";
const GUARDS: &str = "GUARDS";
const OWNER: &str = "OWNER";
pub(super) const HEADS: &str = "HEADS";
/// Flag of a map that can be mapped into memory (`linux/bpf.h`).
const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Its name in the object, where it is a section.
const HEADS_SECTION: &str = ".bss.heads";
const SMALL: &str = "TABLES_S";
const MEDIUM: &str = "TABLES_M";
const LARGE: &str = "TABLES_L";
const EVENTS: &str = "EVENTS";
const SEEN: &str = "SEEN";
const REASONS: &str = "REASONS";
const LOST: &str = "LOST";
const CANARY: &str = "CANARY";

/// The name in the object of a map that is pinned under `name`.
pub(super) fn in_object(name: &'static str) -> &'static str {
    if name == HEADS { HEADS_SECTION } else { name }
}

/// Makes and pins the map of the heads, unless it is there. As one made by the loader it could not be mapped.
pub(super) fn make_heads(pins: &Pins) -> Result<(), KernelError> {
    let path = pins.map(HEADS);
    if path.exists() {
        return Ok(());
    }
    let heads: Array<MapData, [u64; POLICY_SLOTS as usize]> =
        Array::create(1, BPF_F_MMAPABLE).map_err(KernelError::map(HEADS))?;
    heads.pin(&path).map_err(|source| KernelError::Pin { path, source: Box::new(source) })
}

/// Where only security modules have storages of inodes, pins something else in the place of the map: the programs
/// name it, and never ask it.
pub(super) fn make_inodes(pins: &Pins, mechanism: Mechanism) -> Result<(), KernelError> {
    let path = pins.map(INODES);
    if mechanism == Mechanism::Lsm || path.exists() {
        return Ok(());
    }
    let nothing: Array<MapData, Shared<InodeMemory>> =
        Array::create(1, 0).map_err(KernelError::map(INODES))?;
    nothing.pin(&path).map_err(|source| KernelError::Pin { path, source: Box::new(source) })
}

/// What the map of the heads is to hold while the object is loaded, which writes a section's words into its
/// map even if that is in use: those that are in force, and a count of renames that nobody has seen yet, so
/// that none is lost which is counted meanwhile.
pub(super) fn heads_to_load(pins: &Pins) -> Result<Vec<u64>, KernelError> {
    let map = MapData::from_pin(pins.map(HEADS)).map_err(KernelError::map(HEADS))?;
    let heads: Array<MapData, [u64; POLICY_SLOTS as usize]> =
        Array::try_from(Map::Array(map)).map_err(KernelError::map(HEADS))?;
    let mut words = heads.get(&0, 0).map_err(KernelError::map(HEADS))?;
    let [renames, ..] = &mut words;
    *renames = renames.wrapping_add(RENAMES_OF_A_LOAD);
    Ok(words.to_vec())
}

/// More renames than one build of the programs ever counts.
const RENAMES_OF_A_LOAD: u64 = 1 << 40;
const _: () = assert!(RENAMES_SLOT == 0);

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
// SAFETY: as above.
unsafe impl Pod for Shared<Root> {}
// SAFETY: as above.
unsafe impl Pod for Shared<InodeMemory> {}
// SAFETY: as above.
unsafe impl Pod for Shared<FileId> {}
// SAFETY: as above.
unsafe impl Pod for Shared<Owner> {}

type TablesOf<const WORDS: usize> = ArrayOfMaps<MapData, Array<MapData, [u64; WORDS]>>;

/// Open handles.
pub(super) struct Maps {
    labels: HashMap<MapData, i32, Shared<Label>>,
    subjects: HashMap<MapData, u64, Shared<SubjectEntry>>,
    started: HashMap<MapData, u64, u64>,
    roots: HashMap<MapData, u64, Shared<Root>>,
    inodes: HashMap<MapData, i32, Shared<InodeMemory>>,
    guards: HashMap<MapData, Shared<FileId>, u64>,
    owner: Array<MapData, Shared<Owner>>,
    heads: Array<MapData, [u64; POLICY_SLOTS as usize]>,
    /// The same once more, to be stored to.
    head_words: MapData,
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
            started: HashMap::try_from(Map::HashMap(open(STARTED)?)).map_err(KernelError::map(STARTED))?,
            roots: HashMap::try_from(Map::HashMap(open(ROOTS)?)).map_err(KernelError::map(ROOTS))?,
            // As task storage, with a descriptor of the file.
            inodes: HashMap::try_from(Map::HashMap(open(INODES)?)).map_err(KernelError::map(INODES))?,
            guards: HashMap::try_from(Map::HashMap(open(GUARDS)?)).map_err(KernelError::map(GUARDS))?,
            owner: Array::try_from(Map::Array(open(OWNER)?)).map_err(KernelError::map(OWNER))?,
            heads: Array::try_from(Map::Array(open(HEADS)?)).map_err(KernelError::map(HEADS))?,
            head_words: open(HEADS)?,
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

    /// Makes this process the one that the maps belong to: from now on, as long as it lives, the programs that are
    /// attached let nobody else open them. To be called once; whether they have noticed, is the answer.
    pub(super) fn own(&self, pins: &Pins) -> Result<bool, KernelError> {
        let path = pins.map(OWNER);
        let owner = || self.owner.get(&0, 0).map(|Shared(owner)| owner).map_err(KernelError::map(OWNER));
        let before = owner()?;
        open_to_write(&path).map_err(KernelError::file("cannot open", path))?;
        Ok(owner()? != before)
    }

    /// Labels the process that `pidfd` refers to.
    pub(super) fn label(&mut self, pidfd: &OwnedFd, label: Label) -> Result<(), KernelError> {
        self.labels.insert(pidfd.as_raw_fd(), Shared(label), 0).map_err(KernelError::map(LABELS))
    }

    /// The subject of the process that `pidfd` refers to; `None` without a label.
    pub(super) fn subject_of(&self, pidfd: &OwnedFd) -> Result<Option<u64>, KernelError> {
        match self.labels.get(&pidfd.as_raw_fd(), 0) {
            Ok(Shared(label)) => Ok(Some(label.subject)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(KernelError::map(LABELS)(error)),
        }
    }

    /// Guards the file that `file` is open for.
    pub(super) fn guard(&mut self, file: &OwnedFd, guard: Guard) -> Result<(), KernelError> {
        let memory = Shared(InodeMemory::guarded(guard));
        self.inodes.insert(file.as_raw_fd(), memory, 0).map_err(KernelError::map(INODES))
    }

    /// Guards these files and no others, where inodes have no storage.
    pub(super) fn guard_only(&mut self, files: &[FileId]) -> Result<(), KernelError> {
        for file in files {
            self.guards.insert(Shared(*file), 1, 0).map_err(KernelError::map(GUARDS))?;
        }
        let guarded: Vec<_> =
            self.guards.keys().collect::<Result<_, _>>().map_err(KernelError::map(GUARDS))?;
        for file in guarded.into_iter().filter(|Shared(file)| !files.contains(file)) {
            gone(self.guards.remove(&file)).map_err(KernelError::map(GUARDS))?;
        }
        Ok(())
    }

    /// First since when, then that it is one: without the former, nothing would come from its image.
    pub(super) fn bind(&mut self, cgroup: u64, entry: SubjectEntry, started: u64) -> Result<(), KernelError> {
        self.started.insert(cgroup, started, 0).map_err(no_room(STARTED))?;
        self.subjects.insert(cgroup, Shared(entry), 0).map_err(no_room(SUBJECTS))
    }

    /// Notes since when the cgroup is a subject, unless that is known.
    pub(super) fn started(&mut self, cgroup: u64, started: u64) -> Result<(), KernelError> {
        match self.started.insert(cgroup, started, BPF_NOEXIST) {
            Err(error) if errno(&error) != Some(EXISTS) => Err(no_room(STARTED)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        gone(self.subjects.remove(&cgroup)).map_err(KernelError::map(SUBJECTS))?;
        gone(self.roots.remove(&cgroup)).map_err(KernelError::map(ROOTS))?;
        gone(self.started.remove(&cgroup)).map_err(KernelError::map(STARTED))
    }

    /// Has the programs look for the roots that are noted: the word that tells them may be new, or be written as it was
    /// a moment before one was noted.
    pub(super) fn find_roots(&self) -> Result<(), KernelError> {
        if self.roots.keys().next().is_some() {
            self.words()?.set(RENAMES_SLOT as usize, ROOTS_CHANGED);
        }
        Ok(())
    }

    fn words(&self) -> Result<Words, KernelError> {
        Words::map(&self.head_words, POLICY_SLOTS as usize).map_err(KernelError::Words)
    }

    pub(super) fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError> {
        let entries = self.subjects.iter().map(|entry| entry.map(|(cgroup, Shared(entry))| (cgroup, entry)));
        entries.collect::<Result<_, _>>().map_err(KernelError::map(SUBJECTS))
    }

    fn head_words_now(&self) -> Result<[u64; POLICY_SLOTS as usize], KernelError> {
        self.heads.get(&0, 0).map_err(KernelError::map(HEADS))
    }

    /// The head in a slot.
    pub(super) fn head(&self, slot: u32) -> Result<Head, KernelError> {
        check_slot(slot)?;
        Ok(Head::from_word(self.head_words_now()?[slot as usize]))
    }

    /// Every slot in use, with its head.
    pub(super) fn heads(&self) -> Result<Vec<(u32, Head)>, KernelError> {
        let words = self.head_words_now()?;
        let heads = (0..).zip(words).map(|(slot, word)| (slot, Head::from_word(word)));
        Ok(heads.filter(|(slot, head)| is_policy(*slot) && !head.is_empty()).collect())
    }

    /// Puts a head into a slot, or empties it, in one store: programs see the old or the new one, whole.
    pub(super) fn flip(&mut self, slot: u32, head: Head) -> Result<(), KernelError> {
        check_slot(slot)?;
        let words = self.words()?;
        // Contents are taken down from before one is asked for until after.
        if head.names_contents() {
            words.store(CONTENTS_SLOT as usize, 1);
        }
        words.store(slot as usize, head.word());
        if !self.heads()?.iter().any(|(_, head)| head.names_contents()) {
            words.store(CONTENTS_SLOT as usize, 0);
        }
        Ok(())
    }

    /// Puts a table in place. When this returns, no program that was running when it was called is
    /// running still: the kernel waits for them.
    pub(super) fn put_table(&mut self, number: Number, words: &[u64]) -> Result<(), KernelError> {
        let put = match number.0 {
            Size::Small => self.small.set(number.1, words)?,
            Size::Medium => self.medium.set(number.1, words)?,
            Size::Large => self.large.set(number.1, words)?,
        };
        if put { Ok(()) } else { Err(KernelError::TableSize(words.len())) }
    }

    /// Removes a table.
    pub(super) fn drop_table(&mut self, number: Number) -> Result<(), KernelError> {
        match number.0 {
            Size::Small => self.small.clear(number.1),
            Size::Medium => self.medium.clear(number.1),
            Size::Large => self.large.clear(number.1),
        }
    }

    /// Renames of directories that the programs have noticed.
    pub(super) fn renames(&self) -> Result<u64, KernelError> {
        Ok(self.head_words_now()?[RENAMES_SLOT as usize] & !ROOTS_CHANGED)
    }

    /// Forgets what learning has reported, so that it is reported again.
    pub(super) fn forget_observations(&mut self) -> Result<(), KernelError> {
        let keys: Vec<_> = self.seen.keys().collect::<Result<_, _>>().map_err(KernelError::map(SEEN))?;
        for key in keys {
            gone(self.seen.remove(&key)).map_err(KernelError::map(SEEN))?;
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
const EXISTS: i32 = 17;
/// Flag of an insertion that replaces nothing (`linux/bpf.h`).
const BPF_NOEXIST: u64 = 1;

fn check_slot(slot: u32) -> Result<(), KernelError> {
    if is_policy(slot) { Ok(()) } else { Err(KernelError::Slot(slot)) }
}

/// Whether a head can be in the slot.
fn is_policy(slot: u32) -> bool {
    SLOTS_OF_POLICIES.contains(&slot)
}

fn no_room(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |error| {
        if errno(&error) == Some(TOO_BIG) { KernelError::SubjectsFull } else { KernelError::map(map)(error) }
    }
}

/// What was not there is as gone as what was removed.
fn gone(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(error) if !is_absent(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
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

/// The tables of one size.
struct Sized<const WORDS: usize> {
    name: &'static str,
    tables: TablesOf<WORDS>,
    /// The same map as a plain one: the loader has no call to empty an entry of a map of maps.
    entries: HashMap<MapData, u32, u32>,
}

impl<const WORDS: usize> Sized<WORDS> {
    fn open(pins: &Pins, name: &'static str) -> Result<Self, KernelError> {
        let open = || MapData::from_pin(pins.map(name)).map_err(KernelError::map(name));
        Ok(Self {
            name,
            tables: TablesOf::try_from(Map::ArrayOfMaps(open()?)).map_err(KernelError::map(name))?,
            entries: HashMap::try_from(Map::HashMap(open()?)).map_err(KernelError::map(name))?,
        })
    }

    /// False when `words` is not of this size.
    fn set(&mut self, number: u32, words: &[u64]) -> Result<bool, KernelError> {
        let Some(words) = words.as_array::<WORDS>() else { return Ok(false) };
        let mut table = Array::create(1, 0).map_err(KernelError::map(self.name))?;
        table.set(0, words, 0).map_err(KernelError::map(self.name))?;
        self.tables.set(number, &table, 0).map_err(KernelError::map(self.name))?;
        // It is never written again, and nobody else shall.
        let id = self.entries.get(&number, 0).map_err(KernelError::map(self.name))?;
        let table = MapData::from_id(id).map_err(KernelError::map(self.name))?;
        freeze(table.fd()).map_err(|source| KernelError::Freeze { map: self.name, source })?;
        Ok(true)
    }

    fn clear(&mut self, number: u32) -> Result<(), KernelError> {
        gone(self.entries.remove(&number)).map_err(KernelError::map(self.name))
    }
}
