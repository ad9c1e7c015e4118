//! Bringing the programs into force, and taking them over from an agent that is gone.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{fs, io, thread};

use aya::programs::links::FdLink;
use aya::programs::{Lsm, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stockade_abi::head::{Head, Size};
use stockade_abi::hook::Hook;
use stockade_abi::label::SubjectEntry;
use stockade_abi::reason::Mode;

use super::canary::Proof;
use super::error::KernelError;
use super::events::Events;
use super::facts::Facts;
use super::guard::Guards;
use super::log::ProgramLog;
use super::maps::{Maps, PINNED};
use super::pins::Pins;
use super::relocate::relocate;
use super::tables::{BLANK, Number, Placed, Tables};
use super::{Counters, btf, canary, heritage, maps, object};

/// How the programs come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing was pinned.
    Fresh,
    /// The pinned programs of the same build go on.
    Adopted,
    /// Programs of another build are pinned; they stay until those of this one are attached.
    Upgraded,
    /// The same, and what is kept of the maps is of an older ABI.
    Migrated,
    /// Some of the pinned programs of this build are gone; the others stay until all are attached anew.
    Repaired,
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// Name of the LSM hook.
    pub name: &'static str,
    /// Whether our program is attached to it.
    pub attached: bool,
    /// Whether it refused the canary.
    pub proven: bool,
    /// Why the canary did not get as far, where that is no fault.
    pub beyond: Option<&'static str>,
    /// Runs of the program that the kernel skipped.
    pub recursion_misses: u64,
    /// Instructions that the verifier looked at before it accepted the program.
    pub verified_instructions: u32,
}

/// What `uninstall` removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Pinned maps.
    pub maps: usize,
    /// Pinned links.
    pub links: usize,
}

/// A policy about to be put in force.
#[derive(Clone, Copy, Debug)]
pub struct Swap<'a> {
    /// Number of the swap; no two swaps of a node have the same.
    pub generation: u64,
    /// The mode to judge under.
    pub mode: Mode,
    /// The table, checked; what is missing to its size is zeroes.
    pub words: &'a [u64],
    /// What tells equal tables: the SHA-256 of the words.
    pub digest: &'a str,
}

/// The programs and their maps.
pub struct Kernel {
    pins: Pins,
    maps: Maps,
    tables: Tables,
    /// Those that this kernel has.
    present: Vec<Hook>,
    /// Loaded but not yet attached; `None` once they are in force.
    loaded: Option<Box<Ebpf>>,
    proofs: BTreeMap<u32, Proof>,
    guards: Guards,
    log: Option<ProgramLog>,
}

impl Kernel {
    /// Opens the pinned state under `pin_dir`, or loads programs and pins their maps. Nothing is attached
    /// by this; [`Self::attach`] does it when the policies are in place.
    pub fn start(pin_dir: &Path) -> Result<(Self, Start), KernelError> {
        let pins = Pins::new(pin_dir);
        let present = btf::hooks()?;
        let predecessor = pins.predecessor()?;
        let own = pins.build(&object::build_id());
        let finished = pins.finished()?;
        let start = if Pins::is_complete(&own, &present) {
            Start::Adopted
        } else if finished.contains(&own) {
            Start::Repaired
        } else if !finished.is_empty() {
            Start::Upgraded
        } else if predecessor.is_some() {
            Start::Migrated
        } else {
            Start::Fresh
        };
        match (start, &predecessor) {
            (Start::Fresh, _) | (Start::Migrated, None) => {}
            (Start::Migrated, Some(predecessor)) => heritage::carry(predecessor, &pins)?,
            (Start::Adopted | Start::Upgraded | Start::Repaired, _) => heritage::find(&pins, &finished)?,
        }
        let loaded = match start {
            Start::Adopted => None,
            Start::Fresh | Start::Upgraded | Start::Migrated | Start::Repaired => {
                Some(Box::new(load(&pins, &present)?))
            }
        };
        let maps = Maps::open(&pins)?;
        let tables = Tables::of(maps.heads()?.into_iter());
        Ok((
            Self {
                pins,
                maps,
                tables,
                present,
                loaded,
                proofs: BTreeMap::new(),
                guards: Guards::default(),
                log: None,
            },
            start,
        ))
    }

    /// Attaches the programs of this build, then drops those of any other. With programs that are in
    /// force already, only the second.
    pub fn attach(&mut self) -> Result<(), KernelError> {
        let id = object::build_id();
        let own = self.pins.build(&id);
        if let Some(mut loaded) = self.loaded.take() {
            let unfinished = self.pins.unfinished(&id);
            self.log = Some(ProgramLog::of_loaded(&mut loaded)?);
            Pins::remove(&unfinished)?;
            make_directory(&unfinished)?;
            for hook in &self.present {
                attach(&mut loaded, *hook, &unfinished)?;
            }
            if own.exists() {
                let replaced = self.pins.replaced(&id);
                Pins::remove(&replaced)?;
                fs::rename(&own, replaced).map_err(KernelError::file("cannot rename", own.clone()))?;
            }
            fs::rename(&unfinished, &own).map_err(KernelError::file("cannot rename", unfinished))?;
        }
        for build in self.pins.builds()?.iter().filter(|build| **build != own) {
            Pins::remove(build)?;
        }
        for (_, other) in self.pins.others()? {
            Pins::remove(&other.abi())?;
        }
        if self.log.is_none() {
            self.log = Some(ProgramLog::of_pinned(&own)?);
        }
        Ok(())
    }

    /// Guards the agent's own program and directories against labelled processes. To be called before
    /// [`Self::prove`], by which what was remembered of them ends.
    pub fn guard(&mut self, own: Vec<PathBuf>) -> Result<(), KernelError> {
        self.guards = Guards::new(own);
        self.guard_again()
    }

    /// The same once more, for what has been put in the place of something that was guarded.
    pub fn guard_again(&mut self) -> Result<(), KernelError> {
        self.guards.tell(&mut self.maps, self.pins.root())
    }

    /// Proves each hook by a canary: `exe` is this program, started once more. Takes well under a second.
    pub fn prove(&mut self, exe: &Path) -> Result<Vec<HookState>, KernelError> {
        let outcome = canary::run(&mut self.maps, exe, self.pins.root())?;
        self.proofs = outcome.into_iter().map(|(hook, proof)| (hook as u32, proof)).collect();
        Ok(self.hooks())
    }

    /// The state of each hook of this kernel now.
    pub fn hooks(&self) -> Vec<HookState> {
        let own = self.pins.build(&object::build_id());
        let state = |hook: Hook| {
            let facts = Facts::of(&Pins::program(&own, hook));
            let proof = self.proofs.get(&(hook as u32)).copied();
            HookState {
                name: hook.name(),
                attached: Pins::link(&own, hook).exists(),
                proven: proof == Some(Proof::Proven),
                beyond: if proof == Some(Proof::Beyond) { hook.beyond() } else { None },
                recursion_misses: facts.recursion_misses,
                verified_instructions: facts.verified_instructions,
            }
        };
        self.present.iter().copied().map(state).collect()
    }

    /// Puts a policy in force in a slot: its table first, unless an equal one is there, then its head.
    pub fn set_policy(&mut self, slot: u32, swap: &Swap<'_>) -> Result<(), KernelError> {
        let size = Size::of(swap.words.len()).ok_or(KernelError::TableSize(swap.words.len()))?;
        let number = match self.tables.place(swap.digest, size).ok_or(KernelError::TablesFull(size))? {
            Placed::There(number) => number,
            Placed::Fresh(number) => {
                let mut words = swap.words.to_vec();
                words.resize(size.words(), 0);
                self.maps.put_table(number, &words)?;
                number
            }
        };
        let head = Head::new(swap.generation, swap.mode, size, number.1);
        self.maps.flip(slot, head)?;
        self.tables.flipped(slot, number, swap.digest);
        Ok(())
    }

    /// Gives the policy that is in a slot a new generation.
    pub fn begin_generation(&mut self, slot: u32, generation: u64) -> Result<(), KernelError> {
        let head = self.maps.head(slot)?;
        let (Some(mode), Some(size)) = (head.mode(), head.size()) else {
            return Err(KernelError::Slot(slot));
        };
        self.maps.flip(slot, Head::new(generation, mode, size, head.table()))
    }

    /// The highest generation that is in any slot; 0 when all are empty.
    pub fn last_generation(&self) -> Result<u64, KernelError> {
        Ok(self.maps.heads()?.iter().map(|(_, head)| head.generation()).max().unwrap_or(0))
    }

    /// Whether a policy is in force in a slot.
    pub fn has_policy(&self, slot: u32) -> Result<bool, KernelError> {
        Ok(!self.maps.head(slot)?.is_empty())
    }

    /// Removes tables that no policy names any more.
    pub fn tidy(&mut self) -> Result<(), KernelError> {
        let retired: Vec<Number> = self.tables.retired().collect();
        if retired.is_empty() {
            return Ok(());
        }
        // A decision that began before the head was flipped may be about to look for the old table. The
        // kernel waits for it when any table is put in place.
        self.maps.put_table(BLANK, &[0; stockade_abi::table::SMALL])?;
        for number in retired {
            self.maps.drop_table(number)?;
            self.tables.removed(number);
        }
        Ok(())
    }

    /// Binds a cgroup: the next program started in it makes its processes a subject. `started`: as of when, as
    /// [`crate::clock::file_ns`] says.
    pub fn bind(&mut self, cgroup: u64, entry: SubjectEntry, started: u64) -> Result<(), KernelError> {
        self.maps.bind(cgroup, entry, started)
    }

    /// Notes since when a bound cgroup is a subject, unless that is known.
    pub fn started(&mut self, cgroup: u64, started: u64) -> Result<(), KernelError> {
        self.maps.started(cgroup, started)
    }

    /// Forgets a cgroup. Processes labelled before keep their label.
    pub fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        self.maps.unbind(cgroup)
    }

    /// Whether the process is labelled.
    pub fn is_labelled(&self, pid: u32) -> Result<bool, KernelError> {
        let gone = |error| KernelError::file("cannot look at", format!("/proc/{pid}"))(error);
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| gone(io::ErrorKind::NotFound.into()))?;
        let pidfd = pidfd_open(process, PidfdFlags::empty()).map_err(|errno| gone(errno.into()))?;
        self.maps.is_labelled(&pidfd)
    }

    /// Every bound cgroup.
    pub fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError> {
        self.maps.bound()
    }

    /// What the programs have counted.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        let lost = self.maps.lost()?;
        Ok(Counters {
            reasons: self.maps.reasons()?,
            events_lost: lost.iter().map(|(_, count)| count).sum(),
            lost_by_policy: lost.into_iter().collect(),
        })
    }

    /// The reading end of the ring. Only one reader gets each record.
    pub fn take_events(&mut self) -> Result<Events, KernelError> {
        Events::new(Maps::open_events(&self.pins)?)
    }

    /// The log of the programs, once they are attached.
    pub fn take_log(&mut self) -> Option<ProgramLog> {
        self.log.take()
    }

    /// Lets the kernel report every observation once more.
    pub fn forget_observations(&mut self) -> Result<(), KernelError> {
        self.maps.forget_observations()
    }

    /// Removes every pin: programs first, so that nothing is judged by maps that are half gone.
    pub fn uninstall(pin_dir: &Path) -> Result<Removed, KernelError> {
        let pins = Pins::new(pin_dir);
        let mut removed = Removed { maps: 0, links: 0 };
        for build in pins.builds()? {
            removed.links += Hook::ALL.iter().filter(|hook| Pins::link(&build, **hook).exists()).count();
            Pins::remove(&build)?;
        }
        removed.maps = PINNED.iter().filter(|name| pins.map(name).exists()).count();
        Pins::remove(pin_dir)?;
        Ok(removed)
    }
}

/// Loads the object with its maps pinned, or with those that are pinned already.
fn load(pins: &Pins, hooks: &[Hook]) -> Result<Ebpf, KernelError> {
    match load_with(pins, hooks, VerifierLogLevel::DISABLE) {
        // This one once more, for the log: writing it makes loading many times slower.
        Err(KernelError::Program { hook, source }) => {
            load_with(pins, &[hook], VerifierLogLevel::DEBUG)?;
            Err(KernelError::Program { hook, source })
        }
        outcome => outcome,
    }
}

fn load_with(pins: &Pins, hooks: &[Hook], log: VerifierLogLevel) -> Result<Ebpf, KernelError> {
    let object = object::bytes().ok_or(KernelError::NoObject)?;
    let object = relocate(object, &btf::offsets()?)?;
    let kernel = Btf::from_sys_fs()?;
    make_directory(&pins.maps())?;
    maps::make_heads(pins)?;
    let heads = maps::heads_to_load(pins)?;
    let paths: Vec<(&str, PathBuf)> =
        PINNED.iter().map(|name| (maps::in_object(name), pins.map(name))).collect();

    let mut loader = EbpfLoader::new();
    loader.btf(Some(&kernel)).allow_unsupported_maps().verifier_log_level(log);
    loader.override_global(maps::HEADS, heads.as_slice(), true);
    for (name, path) in &paths {
        loader.map_pin_path(name, path.as_path());
    }
    let mut ebpf = loader.load(&object).map_err(|error| KernelError::Load(Box::new(error)))?;
    verify(&mut ebpf, &kernel, hooks)?;
    Ok(ebpf)
}

/// Hands every program to the verifier, as many at once as there are processors: it looks at each for
/// itself, and that is nearly all the time that a first start takes.
fn verify(ebpf: &mut Ebpf, kernel: &Btf, hooks: &[Hook]) -> Result<(), KernelError> {
    let mut programs: BTreeMap<&str, &mut Program> = ebpf.programs_mut().collect();
    let mut waiting = Vec::new();
    for hook in hooks.iter().copied() {
        let program = programs.remove(hook.program()).ok_or(KernelError::NoProgram(hook))?;
        let program: &mut Lsm = program.try_into().map_err(|source| refused(hook, source))?;
        waiting.push((hook, program));
    }
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(waiting.len());
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<(), KernelError> {
        while let Some((hook, program)) = next() {
            let began = Instant::now();
            let loaded = program.load(hook.kernel_name(), kernel);
            tracing::debug!(hook = hook.name(), took = ?began.elapsed(), "the verifier is through");
            loaded.map_err(|source| refused(hook, source))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or(Err(KernelError::Loader)))
    })
}

fn attach(ebpf: &mut Ebpf, hook: Hook, directory: &Path) -> Result<(), KernelError> {
    let program = program(ebpf, hook)?;
    let id = program.attach().map_err(|source| refused(hook, source))?;
    let link: FdLink = program.take_link(id).map_err(|source| refused(hook, source))?.into();
    let pinned = |path: &Path| {
        let path = path.to_owned();
        move |source| KernelError::Pin { path, source: Box::new(source) }
    };
    let path = Pins::program(directory, hook);
    program.pin(&path).map_err(pinned(&path))?;
    let path = Pins::link(directory, hook);
    link.pin(&path).map_err(pinned(&path))?;
    Ok(())
}

fn program(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut Lsm, KernelError> {
    let program = ebpf.program_mut(hook.program()).ok_or(KernelError::NoProgram(hook))?;
    program.try_into().map_err(|source| refused(hook, source))
}

fn refused(hook: Hook, source: ProgramError) -> KernelError {
    KernelError::Program { hook, source: Box::new(source) }
}

/// Only root may look: whoever opens a pinned map for writing rules the node.
pub(super) fn make_directory(path: &Path) -> Result<(), KernelError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(KernelError::file("cannot make", path))
}
