//! What can go wrong between the agent and the kernel.

use std::io;
use std::path::PathBuf;

use aya::maps::MapError;
use aya::pin::PinError;
use aya::programs::ProgramError;
use stockade_abi::hook::Hook;

use super::btf::BtfError;
use super::relocate::RelocateError;

/// Failure of the BPF side.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The binary was built without its eBPF object.
    #[error("this binary was built without its eBPF programs; build it with `cargo xtask build`")]
    NoObject,
    /// The kernel describes no types, or not those needed.
    #[error("cannot read the kernel's type information: {0}")]
    Btf(#[from] BtfError),
    /// The type information could not be handed to the loader.
    #[error("cannot load the kernel's type information: {0}")]
    AyaBtf(#[from] aya::BtfError),
    /// The object was refused as a whole.
    #[error("the kernel refused the eBPF object: {0}")]
    Load(#[source] Box<aya::EbpfError>),
    /// One program was refused.
    #[error("the kernel refused the program for hook {}: {source:?}", hook.name())]
    Program {
        /// Its hook.
        hook: Hook,
        /// The loader's error, with the verifier's log.
        #[source]
        source: Box<ProgramError>,
    },
    /// One program was refused that is attached to the function that calls its hook.
    #[error("the kernel refused the program for hook {}: {source}\n{log}", hook.name())]
    Function {
        /// Its hook.
        hook: Hook,
        /// The kernel's answer.
        #[source]
        source: io::Error,
        /// The end of the verifier's log, once it was asked for.
        log: String,
    },
    /// The programs could not be fitted to the functions that call the hooks.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Handing a program to the kernel came to no end.
    #[error("loading the programs failed inside the agent; this is a bug")]
    Loader,
    /// The object has no such program.
    #[error("the eBPF object has no program for hook {}", .0.name())]
    NoProgram(Hook),
    /// A map operation failed.
    #[error("map {map}: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// The loader's error.
        #[source]
        source: Box<MapError>,
    },
    /// A table could not be closed.
    #[error("cannot keep others from writing to a table of {map}: {source}")]
    Freeze {
        /// The map of such tables.
        map: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Every place for subjects is taken.
    #[error(
        "the kernel's table of subjects is full ({} are bound); remove containers or raise SUBJECTS_MAX",
        stockade_abi::SUBJECTS_MAX
    )]
    SubjectsFull,
    /// A table is none of the three sizes.
    #[error("a policy table of {0} words has none of the sizes the kernel maps take")]
    TableSize(usize),
    /// Every place for tables of a size is taken.
    #[error("the kernel's places for policy tables of {words} words are all taken", words = .0.words())]
    TablesFull(stockade_abi::head::Size),
    /// The words that heads are stored in could not be mapped.
    #[error("cannot map the kernel's words of policies: {0}")]
    Words(#[source] io::Error),
    /// The programs cannot be fitted to this kernel.
    #[error(transparent)]
    Relocate(#[from] RelocateError),
    /// A slot outside of the map.
    #[error("policy slot {0} does not exist")]
    Slot(u32),
    /// Pinning failed.
    #[error("cannot pin to {path}: {source}", path = path.display())]
    Pin {
        /// Where to.
        path: PathBuf,
        /// The loader's error.
        #[source]
        source: Box<PinError>,
    },
    /// A file operation failed.
    #[error("{doing} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Pins of a newer version are in force.
    #[error(
        "{path} is in force and belongs to a newer stockade (ABI {found}, this one has {}): what that version \
         has put into the kernel goes on, but this one cannot look after it. Start the newer version; or, to go \
         back, stop the containers it confines, run `stockade agent --uninstall`, and start this one",
        stockade_abi::ABI_VERSION, path = path.display()
    )]
    NewerAbi {
        /// Where they are pinned.
        path: PathBuf,
        /// Their version.
        found: u32,
    },
    /// Pins of a version that is too old are in force.
    #[error(
        "{path} is in force and belongs to an older stockade (ABI {found}; this one has {} and takes over from \
         {} on): what that version has put into the kernel goes on. Upgrade by way of a version in between; or \
         stop the containers it confines, run `stockade agent --uninstall`, and start this one",
        stockade_abi::ABI_VERSION, stockade_abi::LABELS_SINCE, path = path.display()
    )]
    OlderAbi {
        /// Where they are pinned.
        path: PathBuf,
        /// Their version.
        found: u32,
    },
    /// Programs are in force, and a map that they use has no pin any more and cannot be found.
    #[error(
        "{path} is gone, and the programs in force use that map: what is in force goes on, but nobody can look \
         after it. Stop the containers that are confined, run `stockade agent --uninstall`, and start again",
        path = path.display()
    )]
    MapGone {
        /// Where it was pinned.
        path: PathBuf,
    },
    /// The canary could not be run.
    #[error("the canary process failed: {0}")]
    Canary(String),
    /// The programs' own log could not be opened.
    #[error("cannot read the log of the programs: {0}")]
    Log(String),
    /// The ring buffer could not be watched.
    #[error("cannot watch the event ring: {0}")]
    Ring(#[source] io::Error),
}

/// Why the object cannot be loaded for functions.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Neither object nor kernel can do without.
    #[error("the eBPF object or the kernel has no type information")]
    NoTypes,
    /// A part of it.
    #[error("the eBPF object cannot be fitted to this kernel: {0}")]
    Part(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    pub(super) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Part(Box::new(error))
    }
}

impl KernelError {
    pub(super) fn map(map: &'static str) -> impl FnOnce(MapError) -> Self {
        move |source| Self::Map { map, source: Box::new(source) }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { doing, path: path.into(), source }
    }
}
