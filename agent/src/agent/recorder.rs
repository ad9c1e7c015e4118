//! Writes down what the kernel reports: denials into the event log, observations into the database.
//! It runs on a thread of its own, because a slow disk or a stubborn `/proc` must not hold up a binding.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stockade_abi::event::Event;
use stockade_abi::reason::{Mode, Operation, Verdict};
use stockade_abi::{access, label};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::breaker::Trip;
use super::core::{Core, Who};
use super::doers::Doers;
use super::enforcer::Enforcer;
use super::report::RecorderStatus;
use super::shared::locked;
use crate::clock;
use crate::events::log::Log;
use crate::events::record::{ObjectRef, ProcessRef, Record, SubjectRef, text};
use crate::events::render::{accesses, object_name, render};
use crate::learn::evidence::{Evidence, Phase, STARTUP_S, unit};
use crate::learn::store::{Adding, Key};
use crate::status::LogStatus;
use crate::store::Store;

/// Records as they came from the ring.
pub type Batch = Vec<Vec<u8>>;

/// How long observations may wait for company.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Observations held while the database cannot be written.
const PENDING_MAX: usize = 50_000;

/// The writing end of everything that is recorded.
pub struct Recorder<E> {
    core: Arc<Mutex<Core<E>>>,
    status: Arc<Mutex<RecorderStatus>>,
    log: Log,
    store: Store,
    /// In the order of the database: neighbours are written to one page.
    pending: BTreeMap<Key, Evidence>,
    /// Baselines to be marked, with the reason.
    spoiled: BTreeMap<String, String>,
}

impl<E: Enforcer> Recorder<E> {
    /// Writes to `log` and `store`, and keeps its counts in `status`.
    pub fn new(
        core: Arc<Mutex<Core<E>>>,
        status: Arc<Mutex<RecorderStatus>>,
        log: Log,
        store: Store,
    ) -> Self {
        let mut recorder =
            Self { core, status, log, store, pending: BTreeMap::new(), spoiled: BTreeMap::new() };
        recorder.publish_log();
        recorder
    }

    /// Records until the sending end is closed. To be called on a thread that may block.
    pub fn run(mut self, runtime: &Handle, mut batches: Receiver<Batch>) {
        let mut flushed = Instant::now();
        loop {
            match runtime.block_on(async { timeout(FLUSH_EVERY, batches.recv()).await }) {
                Ok(Some(batch)) => self.take(&batch),
                Ok(None) => {
                    self.flush();
                    return;
                }
                Err(_) => {}
            }
            if flushed.elapsed() >= FLUSH_EVERY {
                self.flush();
                // Counted from its end: the slower the disk, the more is written in one go.
                flushed = Instant::now();
            }
        }
    }

    /// Records one batch.
    pub fn take(&mut self, batch: &[Vec<u8>]) {
        let offset = clock::boot_offset_ns();
        let mut lines = Vec::new();
        let mut doers = Doers::default();
        for (event, count) in self.grouped(batch) {
            let header = &event.header;
            let who = locked(&self.core).who(header.subject, header.policy, header.generation);
            let learns = event.mode == Some(Mode::Learn);
            let complete = event.reason.is_complete();
            if learns && !complete {
                let reason = format!("a decision was incomplete ({})", event.reason.word());
                self.spoil(who.profile.clone(), &reason);
            }
            let observed = event.verdict == Verdict::Allowed && complete;
            if observed {
                if learns {
                    self.observe(&event, who, offset, &mut doers);
                }
                continue;
            }
            if event.verdict == Verdict::Denied {
                locked(&self.core).denied(event.header.policy, event.header.subject, count, clock::now_s());
            }
            let facts = doers.facts(event.header.pid);
            let subject = who.subject_ref();
            let record = render(&event, offset, who.profile, subject, facts, count);
            if serde_json::to_writer(&mut lines, &record).is_ok() {
                lines.push(b'\n');
            }
        }
        self.append(&lines);
    }

    /// Writes down that profiles were demoted.
    fn record_trips(&mut self) {
        let mut lines = Vec::new();
        for trip in locked(&self.core).take_trips() {
            let record = demotion(trip, clock::rfc3339(clock::now_ns()));
            if serde_json::to_writer(&mut lines, &record).is_ok() {
                lines.push(b'\n');
            }
        }
        self.append(&lines);
    }

    fn append(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if let Some(error) = self.log.append(lines) {
            tracing::error!(error, "cannot write the event log; events are lost until it can be written");
        }
        self.publish_log();
    }

    /// The batch with equal decisions put together, in the order of the first of each.
    fn grouped<'a>(&mut self, batch: &'a [Vec<u8>]) -> Vec<(Event<'a>, u64)> {
        let mut groups: Vec<(Event<'a>, u64)> = Vec::new();
        let mut index = HashMap::new();
        for bytes in batch {
            let event = match Event::parse(bytes) {
                Ok(event) => event,
                Err(error) => {
                    tracing::error!(?error, "a record of the kernel cannot be read");
                    let learning = locked(&self.core).learning();
                    for profile in learning {
                        self.spoil(Some(profile), "a record of the kernel could not be read");
                    }
                    locked(&self.status).bad_records += 1;
                    continue;
                }
            };
            let header = &event.header;
            let key = (
                (header.subject, header.policy, header.generation, header.pid, header.flags, header.access),
                (header.operation, header.verdict, header.reason, header.view, header.skip),
                event.object,
            );
            let at = *index.entry(key).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((_, count)) => *count += 1,
                None => groups.push((event, 1)),
            }
        }
        groups
    }

    fn observe(&mut self, event: &Event<'_>, who: Who, offset: i128, doers: &mut Doers) {
        let Some(profile) = who.profile else { return };
        if event.operation == Operation::Fork {
            return;
        }
        let header = &event.header;
        let key = Key {
            profile,
            session: header.flags & label::SESSION != 0,
            operation: event.operation as u8,
            access: accesses(event),
            object: object_name(event),
        };
        if self.pending.len() >= PENDING_MAX && !self.pending.contains_key(&key) {
            locked(&self.status).observations_lost += 1;
            self.spoil(Some(key.profile), "observations could not be stored");
            return;
        }
        let name = key.object.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
        let named_by_number = key.access & access::CREATE != 0 && name.iter().any(u8::is_ascii_digit);
        let own_pid = if named_by_number { doers.own_pid(header.pid) } else { None };
        let at = i64::try_from((i128::from(header.time_ns) + offset) / 1_000_000_000).unwrap_or(0);
        let window_ms = who.window_ms.unwrap_or(at.saturating_mul(1000));
        let starting = who.run.is_some_and(|run| at.saturating_sub(run.started) < STARTUP_S);
        let comm = header.comm.split(|byte| *byte == 0).next().unwrap_or(b"");
        let evidence = Evidence {
            first: at,
            last: at,
            count: 1,
            windows: who.run.map(|run| unit(window_ms, run.number)).into_iter().collect(),
            runs: who.run.map(|run| run.number).into_iter().collect(),
            own_pids: own_pid.map(i64::from).into_iter().collect(),
            phases: if starting { Phase::Startup as u8 } else { Phase::Steady as u8 },
            exe: doers
                .program(header.pid)
                .or_else(|| (!comm.is_empty()).then(|| format!("({})", text(comm)))),
            parent: doers.program(header.ppid),
        };
        match self.pending.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().add(&evidence),
            Entry::Vacant(new) => drop(new.insert(evidence)),
        }
    }

    fn spoil(&mut self, profile: Option<String>, reason: &str) {
        if let Some(profile) = profile
            && let Entry::Vacant(entry) = self.spoiled.entry(profile)
        {
            entry.insert(reason.to_owned());
        }
    }

    /// Writes what waits to the database. What cannot be written waits on.
    pub fn flush(&mut self) {
        self.record_trips();
        if self.pending.is_empty() && self.spoiled.is_empty() {
            return;
        }
        let mut work = || {
            let full = self.store.observe(&self.pending, Adding::New)?;
            self.pending.clear();
            for profile in full {
                self.spoiled.entry(profile).or_insert_with(|| "there are too many observations".to_owned());
            }
            let now = clock::now_s();
            for (profile, reason) in &self.spoiled {
                self.store.mark_incomplete(profile, reason, now)?;
            }
            self.spoiled.clear();
            Ok::<(), crate::store::StoreError>(())
        };
        let error = work().err().map(|error| error.to_string());
        let before = std::mem::replace(&mut locked(&self.status).store_error, error.clone());
        if let (Some(error), None) = (error, before) {
            tracing::error!(error, "observations cannot be stored");
        }
    }

    fn publish_log(&mut self) {
        let (write_errors, error) = self.log.errors();
        locked(&self.status).log = LogStatus {
            path: self.log.path().display().to_string(),
            write_errors,
            error: error.map(str::to_owned),
        };
    }
}

/// The record of a demotion: of no operation of anybody, but something that the log must tell.
fn demotion(trip: Trip, time: String) -> Record {
    Record {
        time,
        kind: "breaker".to_owned(),
        verdict: Verdict::Allowed.word().to_owned(),
        reason: trip.reason,
        mode: Some(Mode::Audit.word().to_owned()),
        profile: Some(trip.profile),
        generation: trip.generation,
        subject: SubjectRef::default(),
        session: false,
        process: ProcessRef { pid: 0, ppid: 0, exe: None, args: None, uid: 0 },
        object: ObjectRef::default(),
        access: Vec::new(),
        rule: None,
        count: 1,
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
