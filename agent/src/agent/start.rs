//! How an agent comes up: nothing is touched before it is clear that this node can enforce and that
//! nobody else does, and nothing is called ready before each hook has refused something.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::catalog::{self, Catalog, Fingerprint};
use super::core::{Core, CoreError};
use super::lock::{self, LockError};
use super::shared::Shared;
use super::tasks::{self, Tasks};
use crate::control::server;
use crate::identity::process;
use crate::kernel::probe::{self, Support};
use crate::kernel::{HookState, Kernel, KernelError, PIN_DIR, Removed, Start};
use crate::store::{Store, StoreError};

/// What the agent is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Profile directory.
    pub profiles: PathBuf,
    /// State directory.
    pub state: PathBuf,
    /// Control socket.
    pub socket: PathBuf,
}

/// Why the agent does not run, or runs no longer. Whatever was in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Not root.
    #[error("the agent must be started as root: it loads programs into the kernel")]
    NotRoot,
    /// It is a subject itself.
    #[error("the agent was started inside a subject, under a profile; start it outside of every container")]
    Confined,
    /// Not the only one.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel cannot enforce.
    #[error("this node cannot enforce (kernel {}):\n{}", .0.release, failed_checks(.0))]
    Unsupported(Box<Support>),
    /// The profile directory cannot be read.
    #[error("profile directory {path}: {source}\nMake it, or name another one with --profiles.")]
    Profiles {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel side failed.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A hook let the canary pass.
    #[error(
        "the kernel does not call these hooks: {}. A denial that should have come did not, so nothing would \
         truly be enforced. {consequence}", hooks.join(", ")
    )]
    Unproven {
        /// The hooks.
        hooks: Vec<&'static str>,
        /// What became of the programs.
        consequence: &'static str,
    },
    /// Subjects of an older ABI whose policy nobody remembers.
    #[error(
        "an older stockade is in force, and the policies of these subjects are neither in the database nor in \
         the profile directory: {}. To take over would be to deny them everything; what is in force goes on. Put \
         the database or the profiles back, or stop the subjects first", subjects.join(", ")
    )]
    Unknown {
        /// Their names.
        subjects: Vec<String>,
    },
    /// The control socket cannot be opened.
    #[error("control socket {path}: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else of the system failed.
    #[error("{what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A part of the agent came to its end.
    #[error("{task} ended: {error}; everything stays in force, start the agent again")]
    Task {
        /// The part.
        task: &'static str,
        /// Why.
        error: String,
    },
}

impl From<CoreError> for AgentError {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Kernel(error) => Self::Kernel(error),
            CoreError::Store(error) => Self::Store(error),
        }
    }
}

fn failed_checks(support: &Support) -> String {
    let failed = support.checks.iter().filter(|check| check.required && !check.ok);
    let lines: Vec<String> =
        failed.map(|check| format!("  {}: {}\n    {}", check.name, check.found, check.remedy)).collect();
    lines.join("\n")
}

fn root() -> Result<(), AgentError> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(AgentError::NotRoot) }
}

/// Removes everything that is in force.
pub fn uninstall() -> Result<Removed, AgentError> {
    root()?;
    let _lock = lock::acquire(Path::new(lock::PATH))?;
    Ok(Kernel::uninstall(Path::new(PIN_DIR))?)
}

/// Runs until it is told to stop.
pub async fn run(options: Options) -> Result<(), AgentError> {
    root()?;
    let _lock = lock::acquire(Path::new(lock::PATH))?;
    let support = probe::probe();
    if !support.can_enforce() {
        return Err(AgentError::Unsupported(Box::new(support)));
    }
    protect_itself();
    let (catalog, tables) = first_look(&options.profiles)?;
    let mut store = Store::open(&options.state)?;
    let recording = Store::open(&options.state)?;
    let boot = process::boot_id().map_err(|source| AgentError::System { what: "boot id", source })?;
    let new_boot = store.enter_boot(&boot)?;

    let (mut kernel, start) = Kernel::start(Path::new(PIN_DIR))?;
    is_free(&kernel)?;
    // Whatever the last agent read but did not write down is reported again.
    kernel.forget_observations()?;
    let mut core = Core::recover(kernel, store, new_boot)?;
    core.apply(catalog, tables, true)?;
    crate::kernel::give_back_memory();
    if start == Start::Migrated {
        let bare = core.without_policy()?;
        if !bare.is_empty() {
            return Err(AgentError::Unknown { subjects: bare });
        }
    }
    prove(core.kernel_mut(), start, &options)?;
    let events = core.kernel_mut().take_events()?;
    let said = core.kernel_mut().take_log();
    tracing::info!(
        ?start,
        build = crate::kernel::build_id(),
        kernel = support.release,
        "every hook is proven"
    );

    let shared = Arc::new(Shared {
        core: Arc::new(Mutex::new(core)),
        recorder: Arc::default(),
        profiles: options.profiles.clone(),
        state: options.state.clone(),
        release: support.release,
        runs: AtomicU64::new(0),
    });
    let mut tasks = Tasks::default();
    tasks.record(events, &shared, recording);
    if let Some(log) = said {
        tasks.listen(log);
    }
    let listener = server::open(&options.socket)
        .map_err(|source| AgentError::Socket { path: options.socket.clone(), source })?;
    tasks.serve(listener, &shared);
    let reload = tasks.watch(&shared);
    tasks.sweep(&shared);
    tasks.turn_windows(&shared);
    tracing::info!(socket = %options.socket.display(), profiles = %options.profiles.display(), "ready");
    let outcome = tasks::until_stopped(&mut tasks, &reload).await;
    tasks.stop().await;
    tracing::info!("stopped; everything stays in force");
    outcome
}

/// Nobody without the capability to trace reads this process's memory or takes its descriptors, and it is
/// the last one that the kernel ends for want of memory.
fn protect_itself() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the agent's memory can be dumped");
    }
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-999") {
        tracing::warn!(%error, "the agent may be ended when memory is short");
    }
}

/// An agent that was started inside a subject would judge itself.
fn is_free(kernel: &Kernel) -> Result<(), AgentError> {
    let pid = std::process::id();
    let cgroup = crate::identity::cgroup::of_process(pid).ok().map(|cgroup| cgroup.id);
    let bound = kernel.bound()?.iter().any(|(bound, _)| Some(*bound) == cgroup);
    if bound || kernel.subject_of(pid)?.is_some() { Err(AgentError::Confined) } else { Ok(()) }
}

fn first_look(
    dir: &Path,
) -> Result<(Catalog, std::collections::BTreeMap<String, super::table::Table>), AgentError> {
    let looked = catalog::look(dir, &Fingerprint::default())
        .map_err(|source| AgentError::Profiles { path: dir.to_owned(), source })?;
    let sources = looked.map(|(_, sources)| sources).unwrap_or_default();
    let (catalog, tables) = catalog::judge(sources, &Catalog::default());
    for bad in &catalog.bad {
        tracing::error!("a profile is not used:\n{}", bad.message);
    }
    for finding in catalog.good.values().flat_map(|good| &good.findings) {
        tracing::warn!("{finding}");
    }
    Ok((catalog, tables))
}

/// Attaches the programs and makes each of them refuse something.
fn prove(kernel: &mut Kernel, start: Start, options: &Options) -> Result<(), AgentError> {
    let exe = std::env::current_exe()
        .map_err(|source| AgentError::System { what: "cannot find the agent's own program", source })?;
    let mut attempt = || {
        kernel.attach()?;
        kernel.guard(own_things(&exe, options))?;
        kernel.prove(&exe)
    };
    let outcome: Result<Vec<HookState>, KernelError> = attempt();
    let unproven: Vec<&'static str> = match &outcome {
        Ok(hooks) => {
            hooks.iter().filter(|hook| !hook.proven && hook.beyond.is_none()).map(|hook| hook.name).collect()
        }
        Err(_) => Vec::new(),
    };
    if outcome.is_ok() && unproven.is_empty() {
        return Ok(());
    }
    let consequence = match start {
        Start::Fresh => {
            // What was not in force before is not left half in force.
            match Kernel::uninstall(Path::new(PIN_DIR)) {
                Ok(_) => "The programs were removed again.",
                Err(error) => {
                    tracing::error!(%error, "cannot remove the programs");
                    "The programs could not be removed; `stockade agent --uninstall` does it."
                }
            }
        }
        Start::Adopted | Start::Upgraded | Start::Migrated | Start::Repaired => {
            "The programs were left in place."
        }
    };
    outcome?;
    Err(AgentError::Unproven { hooks: unproven, consequence })
}

/// The agent's own program, directories and socket. The socket may be in a directory that is not its own.
fn own_things(exe: &Path, options: &Options) -> Vec<PathBuf> {
    let mut own =
        vec![exe.to_owned(), options.profiles.clone(), options.state.clone(), options.socket.clone()];
    own.extend(Path::new(lock::PATH).parent().map(Path::to_owned));
    own
}
