//! The agent's tasks. Each is owned here, and the end of any of them is the end of the agent.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::catalog::Fingerprint;
use super::enforcer::Enforcer;
use super::recorder::{Batch, Recorder};
use super::shared::{Handler, Shared, locked};
use super::start::AgentError;
use crate::clock;
use crate::control::server;
use crate::events::log::{Log, ROTATE_AT};
use crate::kernel::{Events, ProgramLog};
use crate::store::Store;

/// How often the profile directory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many looks until what failed is tried again.
const RETRY_AFTER: u32 = 30;
/// How often subjects are looked after.
const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// How often the windows of what learns are looked at: a quarter of the shortest, so that they grow in small steps.
const WINDOWS_EVERY: Duration = Duration::from_millis(250);
/// Batches between the ring and the recorder. More wait in the ring, where losses are counted.
const BATCHES: usize = 2;
/// How long the recorder may take to write what it has.
const LAST_WORDS: Duration = Duration::from_secs(5);

type Outcome = (&'static str, Result<(), String>);

/// Every task of the agent.
pub(super) struct Tasks {
    set: JoinSet<Outcome>,
    recorder: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { set: JoinSet::new(), recorder: None, stop: watch::Sender::new(false) }
    }
}

impl Tasks {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<(), String>> + Send + 'static) {
        self.set.spawn(async move { (name, task.await) });
    }

    /// Reads the ring and records what comes.
    pub(super) fn record<E: Enforcer>(&mut self, events: Events, shared: &Arc<Shared<E>>, store: Store) {
        let (sender, receiver) = mpsc::channel(BATCHES);
        let log = Log::new(&shared.state, ROTATE_AT);
        let recorder = Recorder::new(Arc::clone(&shared.core), Arc::clone(&shared.recorder), log, store);
        let runtime = Handle::current();
        self.recorder = Some(tokio::task::spawn_blocking(move || recorder.run(&runtime, receiver)));
        let stop = self.stop.subscribe();
        self.spawn("reading events", consume(events, sender, stop));
    }

    /// Passes on what the programs in the kernel have to say.
    pub(super) fn listen(&mut self, mut log: ProgramLog) {
        self.spawn("reading the programs' log", async move {
            loop {
                log.next().await.map_err(|error| error.to_string())?;
            }
        });
    }

    /// Answers the command line.
    pub(super) fn serve<E: Enforcer>(&mut self, listener: UnixListener, shared: &Arc<Shared<E>>) {
        let handler = Arc::new(Handler(Arc::clone(shared)));
        self.spawn("the control socket", async move {
            server::serve(listener, handler).await.map_err(|error| error.to_string())
        });
    }

    /// Follows the profile directory. Whoever notifies makes it look at once, and at everything.
    pub(super) fn watch<E: Enforcer>(&mut self, shared: &Arc<Shared<E>>) -> Arc<Notify> {
        let shared = Arc::clone(shared);
        let reload = Arc::new(Notify::new());
        let asked = Arc::clone(&reload);
        self.spawn("watching profiles", async move {
            let mut ticks = interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut print = Fingerprint::default();
            let mut since_retry = 0;
            loop {
                tokio::select! {
                    _ = ticks.tick() => since_retry += 1,
                    () = asked.notified() => print = Fingerprint::default(),
                }
                if since_retry >= RETRY_AFTER {
                    since_retry = 0;
                    if locked(&shared.core).wants_retry() {
                        print = Fingerprint::default();
                    }
                }
                let shared = Arc::clone(&shared);
                let looked = tokio::task::spawn_blocking(move || {
                    let outcome = shared.reload(&mut print);
                    outcome.map(|()| print)
                });
                print =
                    looked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            }
        });
        reload
    }

    /// Looks after subjects.
    pub(super) fn sweep<E: Enforcer>(&mut self, shared: &Arc<Shared<E>>) {
        let shared = Arc::clone(shared);
        self.spawn("sweeping", async move {
            let mut ticks = interval(SWEEP_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // Whoever sets the clock back does not make files younger.
                clock::file_ns();
                let shared = Arc::clone(&shared);
                let swept = tokio::task::spawn_blocking(move || shared.sweep());
                swept.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            }
        });
    }

    /// Closes the windows of what learns.
    pub(super) fn turn_windows<E: Enforcer>(&mut self, shared: &Arc<Shared<E>>) {
        let shared = Arc::clone(shared);
        self.spawn("learning windows", async move {
            let mut ticks = interval(WINDOWS_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let shared = Arc::clone(&shared);
                let turned = tokio::task::spawn_blocking(move || shared.turn_windows());
                turned.await.map_err(|error| error.to_string())?;
            }
        });
    }

    /// Waits for the first task to end, which none should.
    async fn first_to_end(&mut self) -> AgentError {
        let recorder = async {
            match &mut self.recorder {
                Some(recorder) => {
                    recorder.await.err().map_or("it stopped".to_owned(), |error| error.to_string())
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = self.set.join_next() => match ended {
                Some(Ok((task, outcome))) => AgentError::Task {
                    task,
                    error: outcome.err().unwrap_or_else(|| "it stopped".to_owned()),
                },
                Some(Err(error)) => AgentError::Task { task: "a task", error: error.to_string() },
                None => AgentError::Task { task: "everything", error: "nothing was started".to_owned() },
            },
            error = recorder => {
                self.recorder = None;
                AgentError::Task { task: "recording", error }
            },
        }
    }

    /// Stops reading, then lets the recorder write what it has.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(recorder) = self.recorder.take()
            && timeout(LAST_WORDS, recorder).await.is_err()
        {
            tracing::error!("some events could not be written in time");
        }
        self.set.shutdown().await;
    }
}

async fn consume(
    mut events: Events,
    sender: mpsc::Sender<Batch>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    loop {
        let mut batch = Batch::new();
        let mut keep = |record: &[u8]| batch.push(record.to_vec());
        tokio::select! {
            outcome = events.next(&mut keep) => outcome.map_err(|error| error.to_string())?,
            _ = stop.changed() => return Ok(()),
        }
        if !batch.is_empty() {
            sender.send(batch).await.map_err(|_| "the recorder is gone".to_owned())?;
        }
    }
}

/// Runs until a signal says stop, or until a task ends that should not.
pub(super) async fn until_stopped(tasks: &mut Tasks, reload: &Notify) -> Result<(), AgentError> {
    let on = |kind| signal(kind).map_err(|source| AgentError::System { what: "signals", source });
    let mut terminate: Signal = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {
                tracing::info!("reloading profiles");
                reload.notify_one();
            }
            error = tasks.first_to_end() => return Err(error),
        }
    }
}
