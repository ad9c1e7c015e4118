//! Bringing the programs into force, and taking them over from an agent that is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stockade_abi::head::{Head, Size};
use stockade_abi::hook::Hook;
use stockade_abi::label::SubjectEntry;
use stockade_abi::reason::Mode;
use stockade_abi::table::{PINS, high};

use super::canary::Proof;
use super::error::KernelError;
use super::events::Events;
use super::facts::Facts;
use super::guard::Guards;
use super::log::ProgramLog;
use super::maps::{Maps, PINNED};
use super::mechanism::Mechanism;
use super::pins::{Pins, make_directory};
use super::programs::Programs;
use super::tables::{BLANK, Number, Placed, Tables};
use super::{Counters, btf, canary, heritage, object};

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
    /// Runs of the program, while the kernel counts them.
    pub runs: u64,
    /// Nanoseconds that they took.
    pub run_time_ns: u64,
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
    mechanism: Mechanism,
    /// Those that this kernel has.
    present: Vec<Hook>,
    /// Loaded but not yet attached; `None` once they are in force.
    loaded: Option<Box<Programs>>,
    proofs: BTreeMap<u32, Proof>,
    guards: Guards,
    log: Option<ProgramLog>,
}

impl Kernel {
    /// Opens the pinned state under `pin_dir`, or loads programs and pins their maps. Nothing is attached
    /// by this; [`Self::attach`] does it when the policies are in place.
    pub fn start(pin_dir: &Path) -> Result<(Self, Start), KernelError> {
        let pins = Pins::new(pin_dir);
        let mechanism = Mechanism::of_this_kernel();
        let present = btf::hooks(mechanism)?;
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
                Some(Box::new(Programs::load(&pins, mechanism, &present)?))
            }
        };
        let maps = Maps::open(&pins)?;
        maps.find_roots()?;
        let tables = Tables::of(maps.heads()?.into_iter());
        Ok((
            Self {
                pins,
                maps,
                tables,
                mechanism,
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
            self.log = Some(loaded.log()?);
            Pins::remove(&unfinished)?;
            make_directory(&unfinished)?;
            for hook in &self.present {
                loaded.attach(*hook, &unfinished)?;
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
        if !self.maps.own(&self.pins)? {
            tracing::warn!(
                "the programs did not notice whose the maps are: any process of the host's root opens them"
            );
        }
        Ok(())
    }

    /// How the kernel comes to ask the programs.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Guards the agent's own program and directories against labelled processes. To be called before
    /// [`Self::prove`], by which what was remembered of them ends.
    pub fn guard(&mut self, own: Vec<PathBuf>) -> Result<(), KernelError> {
        self.guards = Guards::new(own);
        self.guard_again()
    }

    /// The same once more, for what has been put in the place of something that was guarded.
    pub fn guard_again(&mut self) -> Result<(), KernelError> {
        self.guards.tell(&mut self.maps, self.pins.root(), self.mechanism)
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
                runs: facts.runs,
                run_time_ns: facts.run_time_ns,
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
        let names_contents = swap.words.get(PINS as usize).is_some_and(|pins| high(*pins) != 0);
        let head = Head::new(swap.generation, swap.mode, size, number.1).naming_contents(names_contents);
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
        let fresh = Head::new(generation, mode, size, head.table());
        self.maps.flip(slot, fresh.naming_contents(head.names_contents()))
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

    /// The subject of a process, by its cgroup id; `None` without a label. An error when it is gone.
    pub fn subject_of(&self, pid: u32) -> Result<Option<u64>, KernelError> {
        let gone = |error| KernelError::file("cannot look at", format!("/proc/{pid}"))(error);
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = process.ok_or_else(|| gone(io::ErrorKind::NotFound.into()))?;
        let pidfd = pidfd_open(process, PidfdFlags::empty()).map_err(|errno| gone(errno.into()))?;
        self.maps.subject_of(&pidfd)
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
