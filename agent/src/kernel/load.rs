//! Bringing the programs into force, and taking them over from an agent that is gone.

use std::fs;
use std::path::{Path, PathBuf};

use aya::programs::links::FdLink;
use aya::programs::{Lsm, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use stockade_abi::head::{Head, Size};
use stockade_abi::hook::Hook;
use stockade_abi::label::SubjectEntry;
use stockade_abi::reason::Mode;

use super::error::KernelError;
use super::events::Events;
use super::log::ProgramLog;
use super::maps::{Maps, PINNED};
use super::pins::Pins;
use super::relocate::relocate;
use super::tables::{BLANK, Number, Placed, Tables};
use super::{Counters, btf, canary, object};

/// How the programs come into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing was pinned.
    Fresh,
    /// The pinned programs of the same build go on.
    Adopted,
    /// Programs of another build are pinned; they stay until those of this one are attached.
    Upgraded,
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
    /// Runs of the program that the kernel skipped.
    pub recursion_misses: u64,
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
    /// The table, checked.
    pub words: &'a [u64],
    /// What tells equal tables: the SHA-256 of the words.
    pub digest: &'a str,
}

/// The programs and their maps.
pub struct Kernel {
    pins: Pins,
    maps: Maps,
    tables: Tables,
    /// Loaded but not yet attached; `None` once they are in force.
    loaded: Option<Box<Ebpf>>,
    proven: Vec<Hook>,
    log: Option<ProgramLog>,
}

impl Kernel {
    /// Opens the pinned state under `pin_dir`, or loads programs and pins their maps. Nothing is attached
    /// by this; [`Self::attach`] does it when the policies are in place.
    pub fn start(pin_dir: &Path) -> Result<(Self, Start), KernelError> {
        let pins = Pins::new(pin_dir);
        pins.check_abi()?;
        let own = pins.build(&object::build_id());
        let (loaded, start) = if Pins::is_complete(&own) {
            (None, Start::Adopted)
        } else {
            let others = pins.builds()?.iter().any(|build| Pins::is_complete(build));
            let start = if others { Start::Upgraded } else { Start::Fresh };
            (Some(Box::new(load(&pins)?)), start)
        };
        let maps = Maps::open(&pins)?;
        let tables = Tables::of(maps.heads()?.into_iter());
        Ok((Self { pins, maps, tables, loaded, proven: Vec::new(), log: None }, start))
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
            Pins::remove(&own)?;
            make_directory(&unfinished)?;
            for hook in Hook::ALL {
                attach(&mut loaded, hook, &unfinished)?;
            }
            fs::rename(&unfinished, &own).map_err(KernelError::file("cannot rename", unfinished))?;
        }
        for build in self.pins.builds()?.iter().filter(|build| **build != own) {
            Pins::remove(build)?;
        }
        if self.log.is_none() {
            self.log = Some(ProgramLog::of_pinned(&own)?);
        }
        Ok(())
    }

    /// Proves each hook by a canary: `exe` is this program, started once more. Takes well under a second.
    pub fn prove(&mut self, exe: &Path) -> Result<Vec<HookState>, KernelError> {
        let outcome = canary::run(&mut self.maps, exe, self.pins.root())?;
        self.proven = outcome.iter().filter(|(_, refused)| *refused).map(|(hook, _)| *hook).collect();
        Ok(self.hooks())
    }

    /// The state of each hook now.
    pub fn hooks(&self) -> Vec<HookState> {
        let own = self.pins.build(&object::build_id());
        let state = |hook: Hook| HookState {
            name: hook.kernel_name(),
            attached: Pins::link(&own, hook).exists(),
            proven: self.proven.contains(&hook),
            recursion_misses: recursion_misses(&Pins::program(&own, hook)),
        };
        Hook::ALL.into_iter().map(state).collect()
    }

    /// Puts a policy in force in a slot: its table first, unless an equal one is there, then its head.
    pub fn set_policy(&mut self, slot: u32, swap: &Swap<'_>) -> Result<(), KernelError> {
        let size = Size::of(swap.words.len()).ok_or(KernelError::TableSize(swap.words.len()))?;
        let number = match self.tables.place(swap.digest, size).ok_or(KernelError::TablesFull(size))? {
            Placed::There(number) => number,
            Placed::Fresh(number) => {
                self.maps.put_table(number, swap.words)?;
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

    /// Binds a cgroup: the next program started in it makes its processes a subject.
    pub fn bind(&mut self, cgroup: u64, entry: SubjectEntry) -> Result<(), KernelError> {
        self.maps.bind(cgroup, entry)
    }

    /// Forgets a cgroup. Processes labelled before keep their label.
    pub fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        self.maps.unbind(cgroup)
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
fn load(pins: &Pins) -> Result<Ebpf, KernelError> {
    match load_with(pins, VerifierLogLevel::DISABLE) {
        // Once more, for the log: writing it makes loading many times slower.
        Err(KernelError::Program { .. }) => load_with(pins, VerifierLogLevel::DEBUG),
        outcome => outcome,
    }
}

fn load_with(pins: &Pins, log: VerifierLogLevel) -> Result<Ebpf, KernelError> {
    let object = object::bytes().ok_or(KernelError::NoObject)?;
    let object = relocate(object, &btf::offsets()?)?;
    let kernel = Btf::from_sys_fs()?;
    make_directory(&pins.maps())?;
    let paths: Vec<(&str, PathBuf)> = PINNED.iter().map(|name| (*name, pins.map(name))).collect();

    let mut loader = EbpfLoader::new();
    loader.btf(Some(&kernel)).allow_unsupported_maps().verifier_log_level(log);
    for (name, path) in &paths {
        loader.map_pin_path(name, path.as_path());
    }
    let mut ebpf = loader.load(&object).map_err(|error| KernelError::Load(Box::new(error)))?;
    for hook in Hook::ALL {
        let began = std::time::Instant::now();
        let loaded = program(&mut ebpf, hook)?.load(hook.kernel_name(), &kernel);
        tracing::debug!(hook = hook.kernel_name(), took = ?began.elapsed(), "the verifier is through");
        loaded.map_err(|source| refused(hook, source))?;
    }
    Ok(ebpf)
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
fn make_directory(path: &Path) -> Result<(), KernelError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(KernelError::file("cannot make", path))
}

/// Runs that the kernel skipped, from what it says about the open program; 0 when it says nothing.
fn recursion_misses(pinned: &Path) -> u64 {
    use std::os::fd::{AsFd as _, AsRawFd as _};
    let Ok(program) = Lsm::from_pin(pinned) else { return 0 };
    let Ok(fd) = program.fd() else { return 0 };
    let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())) else {
        return 0;
    };
    let line = info.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
