//! The programs of this build, loaded and not yet attached.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use aya::pin::PinError;
use aya::programs::links::FdLink;
use aya::programs::{Lsm, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, VerifierLogLevel};
use stockade_abi::hook::Hook;

use super::error::KernelError;
use super::functions::Fitted;
use super::log::ProgramLog;
use super::maps::{self, PINNED};
use super::mechanism::Mechanism;
use super::pins::{Pins, make_directory};
use super::relocate::relocate;
use super::syscall::pin;
use super::{btf, object};

/// The object, and of programs that are attached to functions their descriptors.
pub(super) struct Programs {
    ebpf: Ebpf,
    functions: BTreeMap<u32, OwnedFd>,
}

impl Programs {
    /// Loads the object with its maps pinned, or with those that are pinned already.
    pub(super) fn load(pins: &Pins, mechanism: Mechanism, hooks: &[Hook]) -> Result<Self, KernelError> {
        let loaded = load_with(pins, mechanism, hooks, VerifierLogLevel::DISABLE);
        if let Err(KernelError::Program { hook, .. } | KernelError::Function { hook, .. }) = &loaded {
            // This one once more, for the log: writing it makes loading many times slower.
            load_with(pins, mechanism, &[*hook], VerifierLogLevel::DEBUG)?;
        }
        loaded
    }

    /// Attaches the program for `hook`, and pins it and its link in `directory`.
    pub(super) fn attach(&mut self, hook: Hook, directory: &Path) -> Result<(), KernelError> {
        let path = Pins::program(directory, hook);
        match self.functions.get(&(hook as u32)) {
            Some(program) => {
                pin(program, &path).map_err(KernelError::file("cannot pin to", path.clone()))?;
            }
            None => program(&mut self.ebpf, hook)?.pin(&path).map_err(not_pinned(&path))?,
        }
        // What it is attached to is in the program, whatever its kind is here.
        let mut program = Lsm::from_pin(&path).map_err(|source| refused(hook, source))?;
        let id = program.attach().map_err(|source| refused(hook, source))?;
        let link: FdLink = program.take_link(id).map_err(|source| refused(hook, source))?.into();
        let path = Pins::link(directory, hook);
        link.pin(&path).map_err(not_pinned(&path))?;
        Ok(())
    }

    /// What they have to say.
    pub(super) fn log(&mut self) -> Result<ProgramLog, KernelError> {
        ProgramLog::of_loaded(&mut self.ebpf)
    }
}

fn load_with(
    pins: &Pins,
    mechanism: Mechanism,
    hooks: &[Hook],
    log: VerifierLogLevel,
) -> Result<Programs, KernelError> {
    let object = object::bytes().ok_or(KernelError::NoObject)?;
    let object = relocate(object, &btf::offsets(mechanism)?, mechanism)?;
    let kernel = Btf::from_sys_fs()?;
    make_directory(&pins.maps())?;
    maps::make_heads(pins)?;
    maps::make_inodes(pins, mechanism)?;
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
    let functions = match mechanism {
        Mechanism::Lsm => {
            verify(&mut ebpf, &kernel, hooks)?;
            BTreeMap::new()
        }
        Mechanism::Functions => {
            let fitted = Fitted::read(&object, &ebpf)?;
            let wants_log = !log.is_empty();
            let load = |hook: Hook| Ok((hook as u32, fitted.load(hook, &kernel, wants_log)?));
            for_each(hooks.to_vec(), |hook| *hook, load)?.into_iter().collect()
        }
    };
    Ok(Programs { ebpf, functions })
}

/// Hands every program to the verifier.
fn verify(ebpf: &mut Ebpf, kernel: &Btf, hooks: &[Hook]) -> Result<(), KernelError> {
    let mut programs: BTreeMap<&str, &mut Program> = ebpf.programs_mut().collect();
    let mut waiting = Vec::new();
    for hook in hooks.iter().copied() {
        let program = programs.remove(hook.program()).ok_or(KernelError::NoProgram(hook))?;
        let program: &mut Lsm = program.try_into().map_err(|source| refused(hook, source))?;
        waiting.push((hook, program));
    }
    let load = |(hook, program): (Hook, &mut Lsm)| {
        program.load(hook.kernel_name(), kernel).map_err(|source| refused(hook, source))
    };
    for_each(waiting, |(hook, _)| *hook, load).map(drop)
}

/// Loads the programs `waiting`, as many at once as there are processors: the verifier looks at each for itself, and
/// that is nearly all the time that a first start takes.
fn for_each<T: Send, R: Send>(
    waiting: Vec<T>,
    hook: impl Fn(&T) -> Hook + Sync,
    load: impl Fn(T) -> Result<R, KernelError> + Sync,
) -> Result<Vec<R>, KernelError> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(waiting.len());
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Vec<R>, KernelError> {
        let mut loaded = Vec::new();
        while let Some(program) = next() {
            let (hook, began) = (hook(&program), Instant::now());
            let outcome = load(program);
            tracing::debug!(hook = hook.name(), took = ?began.elapsed(), "the verifier is through");
            loaded.push(outcome?);
        }
        Ok(loaded)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let loaded = workers.into_iter().map(|worker| worker.join().unwrap_or(Err(KernelError::Loader)));
        loaded.collect::<Result<Vec<_>, _>>().map(|loaded| loaded.into_iter().flatten().collect())
    })
}

fn program(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut Lsm, KernelError> {
    let program = ebpf.program_mut(hook.program()).ok_or(KernelError::NoProgram(hook))?;
    program.try_into().map_err(|source| refused(hook, source))
}

fn not_pinned(path: &Path) -> impl FnOnce(PinError) -> KernelError {
    let path = path.to_owned();
    move |source| KernelError::Pin { path, source: Box::new(source) }
}

fn refused(hook: Hook, source: ProgramError) -> KernelError {
    KernelError::Program { hook, source: Box::new(source) }
}
