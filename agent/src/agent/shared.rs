//! What the agent's tasks share, and the answers to what the command line asks.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stockade_abi::label::SHARES_HOST_ROOT;
use stockade_abi::reason::Mode;

use super::catalog::{self, Fingerprint};
use super::core::{Core, CoreError};
use super::enforcer::Enforcer;
use super::report::{RecorderStatus, Surroundings};
use super::running::running;
use super::subjects::{Given, Target, Wanted};
use super::table::Table;
use super::windows::Glance;
use crate::clock;
use crate::control::server::{Answer, Caller};
use crate::control::{Bind, ProfileRef, Request, Response, Run};
use crate::identity::{Names, cgroup};
use crate::kernel;
use crate::profile;
use crate::store::subjects::SubjectRow;

/// How long others get to take the lock between two policies.
const GIVE_WAY: Duration = Duration::from_micros(200);

/// A lock whose holder panicked still guards whole values: each change is made by one call, and a panic
/// ends the agent.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the tasks share.
pub struct Shared<E> {
    /// The state.
    pub core: Arc<Mutex<Core<E>>>,
    /// What the recorder counts.
    pub recorder: Arc<Mutex<RecorderStatus>>,
    /// Profile directory.
    pub profiles: PathBuf,
    /// State directory.
    pub state: PathBuf,
    /// Kernel release.
    pub release: String,
    /// Runs so far.
    pub runs: AtomicU64,
}

/// Answers for the tasks of the control socket.
pub struct Handler<E>(pub Arc<Shared<E>>);

impl<E: Enforcer> Answer for Handler<E> {
    fn refusal(&self, caller: Caller) -> Option<String> {
        let message = match caller.pid.map(|pid| locked(&self.0.core).kernel().subject_of(pid)) {
            Some(Ok(None)) => return None,
            Some(Ok(Some(_))) => "a confined process may not ask the agent".to_owned(),
            Some(Err(error)) => {
                format!("the agent cannot tell whether it is a confined process that asks: {error}")
            }
            None => "the agent cannot see the process that asks; is it in another pid namespace?".to_owned(),
        };
        tracing::warn!(pid = caller.pid, message, "refused");
        Some(message)
    }

    async fn answer(&self, request: Request, caller: Caller) -> Response {
        let shared = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || shared.answer(request, caller));
        answer.await.unwrap_or_else(|error| refused(format!("the agent failed to answer: {error}")))
    }
}

fn refused(message: impl Into<String>) -> Response {
    Response::Refused { message: message.into() }
}

impl<E: Enforcer> Shared<E> {
    /// Answers one request.
    pub fn answer(&self, request: Request, caller: Caller) -> Response {
        let answer = match request {
            Request::Status => self.status(),
            Request::Where => Ok(Response::Where { state: self.state.display().to_string() }),
            Request::Bind(bind) => self.bind(bind, caller),
            Request::Run(run) => {
                let answer = self.run(run, caller);
                // It may have compiled a profile.
                kernel::give_back_memory();
                answer
            }
        };
        answer.unwrap_or_else(|message| {
            // A runtime keeps to itself what its hooks say: this is where the reason can be read.
            tracing::warn!(%message, "refused");
            refused(message)
        })
    }

    fn status(&self) -> Result<Response, String> {
        let around = Surroundings {
            kernel: self.release.clone(),
            state: self.state.display().to_string(),
            profiles: self.profiles.display().to_string(),
            recorder: locked(&self.recorder).clone(),
        };
        let status = locked(&self.core).status(&around).map_err(|error| error.to_string())?;
        Ok(Response::Status(Box::new(status)))
    }

    fn bind(&self, bind: Bind, caller: Caller) -> Result<Response, String> {
        let found = cgroup::of_process(bind.pid).map_err(|error| error.to_string())?;
        // The runtime's hook is not part of the container. If it is, the container has no cgroup of its
        // own, and binding it would judge whatever else lives there.
        let callers = caller.pid.and_then(|pid| cgroup::of_process(pid).ok());
        if callers.is_some_and(|callers| callers.id == found.id) {
            return Err(format!(
                "the container has no cgroup of its own, it shares {}; run it with cgroups enabled",
                found.path.display()
            ));
        }
        let target = Target {
            cgroup: found,
            init_pid: bind.pid,
            shares_host_root: bind.shares_host_root,
            names: bind.names,
        };
        self.make_subject(&mut locked(&self.core), target, Wanted::Named(bind.profile))
    }

    fn make_subject(&self, core: &mut Core<E>, target: Target, wanted: Wanted) -> Result<Response, String> {
        let subject = target.names.id.clone();
        let dir = self.profiles.display().to_string();
        let bound =
            core.bind(target, wanted, &dir, clock::now_s(), is_alive).map_err(|error| error.to_string())?;
        Ok(Response::Bound {
            subject,
            profile: bound.profile,
            generation: bound.generation,
            mode: bound.mode.map(|mode| mode.word().to_owned()),
        })
    }

    fn run(&self, run: Run, caller: Caller) -> Result<Response, String> {
        if caller.pid != Some(run.pid) {
            return Err("a process can only ask for itself; is it in another pid namespace?".to_owned());
        }
        let mode = run.mode.as_deref().map(mode_of).transpose()?;
        let wanted = match run.profile {
            ProfileRef::Name(name) => match mode {
                Some(mode) => Wanted::NamedAs(name, mode),
                None => Wanted::Named(name),
            },
            ProfileRef::File { source, text } => {
                let profile = profile::parse(&source, &text).map_err(|error| error.to_string())?.profile;
                let table = Table::compile(&profile)
                    .map_err(|error| format!("{source}: the profile cannot be compiled: {error}"))?;
                // The command line sends what it found beside the file along; the rest was of the library.
                let text = profile.standalone(&text);
                Wanted::Given(Box::new(Given { text, profile, mode, table }))
            }
        };
        // Under the lock throughout: an empty cgroup is otherwise swept away before the process is in it.
        let mut core = locked(&self.core);
        let (id, made) = self.make_cgroup(run.pid)?;
        let path = made.path.clone();
        let cgroup_id = made.id;
        let names = Names { id, name: run.name, ..Names::default() };
        let target = Target { cgroup: made, init_pid: run.pid, shares_host_root: true, names };
        let answer = self.make_subject(&mut core, target, wanted).and_then(|answer| {
            let entered = cgroup::enter(&path, run.pid);
            entered
                .map(|()| answer)
                .map_err(|error| format!("cannot move the command into {}: {error}", path.display()))
        });
        if answer.is_err() {
            let _ = cgroup::remove(&path);
            core.sweep(clock::now_s(), |row| row.cgroup == cgroup_id).map_err(|error| error.to_string())?;
        }
        answer
    }

    fn make_cgroup(&self, pid: u32) -> Result<(String, cgroup::Cgroup), String> {
        // A number may be taken by a run of the agent before.
        for _ in 0..1000 {
            let id = format!("run-{pid}-{}", self.runs.fetch_add(1, Ordering::Relaxed));
            match cgroup::make_run(&id) {
                Ok(made) => return Ok((id, made)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("cannot make a cgroup for the command: {error}")),
            }
        }
        Err("cannot find a name for the command's cgroup".to_owned())
    }

    /// Brings the policies in line with the profile directory, if it changed since `print`.
    pub fn reload(&self, print: &mut Fingerprint) -> Result<(), CoreError> {
        let looked = match catalog::look(&self.profiles, print) {
            Ok(looked) => looked,
            Err(error) => {
                locked(&self.core).unreadable(Some(error.to_string()));
                return Ok(());
            }
        };
        locked(&self.core).unreadable(None);
        let Some((found, sources)) = looked else { return Ok(()) };
        let before = locked(&self.core).catalog().clone();
        // Compiling takes its time; bindings go on meanwhile.
        let (catalog, tables) = catalog::judge(sources, &before);
        for bad in catalog.bad.iter().filter(|bad| !before.bad.contains(bad)) {
            tracing::error!("a profile is not used:\n{}", bad.message);
        }
        let mut tables = tables;
        let steps = locked(&self.core).begin(catalog);
        for step in steps {
            // One at a time: the kernel takes a while for each, and others want the lock.
            locked(&self.core).take(&step, &mut tables, false);
            std::thread::park_timeout(GIVE_WAY);
        }
        locked(&self.core).free_unused()?;
        kernel::give_back_memory();
        *print = found;
        Ok(())
    }

    /// Closes the windows of what learns that are long enough.
    pub fn turn_windows(&self) {
        locked(&self.core).turn_windows(clock::now_ms(), |row| Glance {
            cpu_usec: cgroup::cpu_usec(&row.path),
            session: row.flags & SHARES_HOST_ROOT == 0 && cgroup::has_outsider(&row.path, row.init_pid),
        });
    }

    /// Lets go of the subjects of which nothing runs any more, and removes the cgroups of runs that ended. What has left
    /// its cgroup keeps its label, and is judged by what is known of its subject.
    pub fn sweep(&self) -> Result<(), CoreError> {
        let mut core = locked(&self.core);
        let empty: Vec<_> = cgroup::runs().into_iter().filter(|path| cgroup::is_empty(path)).collect();
        let mut gone: HashSet<u64> =
            core.subjects.values().filter(|row| has_no_cgroup(row)).map(|row| row.cgroup).collect();
        if !empty.is_empty() || !gone.is_empty() {
            match running(core.kernel()) {
                Ok(running) => {
                    gone.extend(remove_runs(&empty, &running));
                    gone.retain(|cgroup| !running.contains(cgroup));
                    core.sweep(clock::now_s(), |row| gone.contains(&row.cgroup))?;
                }
                Err(error) => tracing::warn!(%error, "subjects that may have ended stay for now"),
            }
        }
        core.kernel_mut().tidy()?;
        if let Err(error) = core.kernel_mut().guard_again() {
            // It was told before; what is there anew may be on its way.
            tracing::debug!(%error, "not everything is guarded");
        }
        core.check_losses(clock::now_s())
    }
}

fn mode_of(word: &str) -> Result<Mode, String> {
    [Mode::Learn, Mode::Audit, Mode::Enforce]
        .into_iter()
        .find(|mode| mode.word() == word)
        .ok_or_else(|| format!("`{word}` is not a mode; use learn, audit or enforce"))
}

fn has_no_cgroup(row: &SubjectRow) -> bool {
    cgroup::id_of(&row.path) != Some(row.cgroup)
}

/// Removes those of the cgroups whose subjects are not `running`, and tells which.
fn remove_runs(empty: &[PathBuf], running: &HashSet<u64>) -> Vec<u64> {
    let ended = empty.iter().filter_map(|path| cgroup::id_of(path).map(|id| (path, id)));
    ended
        .filter(|(path, id)| {
            !running.contains(id)
                && cgroup::remove(path)
                    .inspect_err(|error| tracing::debug!(%error, cgroup = %path.display(), "not removed yet"))
                    .is_ok()
        })
        .map(|(_, id)| id)
        .collect()
}

/// Whether the subject's first process still runs in its cgroup.
fn is_alive(row: &SubjectRow) -> bool {
    cgroup::of_process(row.init_pid).is_ok_and(|found| found.id == row.cgroup)
}
