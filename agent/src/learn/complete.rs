//! Is a baseline complete enough to be put in force, and if not, what is missing?

use std::borrow::Borrow as _;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stockade_abi::reason::Mode;

use super::Seen;
use super::curve::{self, Point, curve};
use super::episodes::Episodes;
use super::estimate::Spread;
use super::evidence::{Evidence, Phase, Run, Window, run_number, unit_start_ms};
use super::export::{Proposal, propose};
use super::few::Few;
use super::history::{Loss, RUNS_AFTER_LOSS, WINDOWS_AFTER_LOSS};
use super::how::How;
use super::made_code::Alike;
use super::things::{Thing, things};
use crate::clock;
use crate::compile::Power;
use crate::profile::Profile;
use crate::store::{Store, StoreError};

/// Starts that must have been seen.
pub const STARTS: usize = 3;
/// At least one part of so many of what was looked at must have come after the last new thing.
const QUIET: i64 = 2;
/// So many new things are named.
const NAMED: usize = 3;
/// The largest bound under which a baseline is ready.
pub const LIMIT: f64 = 0.05;

/// Everything that is known of a baseline.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// Name of the profile.
    pub name: String,
    /// What its own processes did.
    pub seen: Vec<Seen>,
    /// Its runs, in the order in which they began.
    pub runs: Vec<Run>,
    /// Its windows, in the order in which they began.
    pub windows: Vec<Window>,
    /// A loss that was not made good.
    pub loss: Option<Loss>,
    /// Observations of sessions.
    pub of_sessions: u64,
}

impl Baseline {
    /// Reads it from the database.
    pub fn read(store: &Store, name: &str) -> Result<Self, StoreError> {
        let status = store.baselines()?.into_iter().find(|status| status.profile == name);
        Ok(Self {
            name: name.to_owned(),
            seen: store.seen(name, false)?,
            runs: store.runs(name)?,
            windows: store.windows(name)?,
            loss: store.open_loss(name)?,
            of_sessions: status.map_or(0, |status| status.session_observations),
        })
    }
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Completeness {
    /// Name of the profile.
    pub name: String,
    /// Rules that the profile would have.
    pub rules: usize,
    /// How what is new is spread over windows as long as the next,
    pub windows: Spread,
    /// over runs,
    pub restarts: Spread,
    /// and over replicas.
    pub replicas: Spread,
    /// Windows that were looked at, whatever their length.
    pub looked_at: u64,
    /// What is missing, in words; nothing when it is ready.
    pub missing: Vec<String>,
    /// How what is known has grown.
    pub curve: Vec<Point>,
    /// How long it takes if nothing new comes, in seconds of work.
    pub ready_in_s: Option<i64>,
    /// Whether a run was seen from its first program on.
    pub saw_start: bool,
}

/// The answer as programs read it.
#[derive(Clone, Debug, Serialize)]
pub struct Answer<'a> {
    name: &'a str,
    ready: bool,
    bound: f64,
    rules: usize,
    windows: u64,
    missing: &'a [String],
}

impl Completeness {
    /// Whether it may be put in force.
    pub fn ready(&self) -> bool {
        self.missing.is_empty()
    }

    /// The answer as programs read it.
    pub fn answer(&self) -> Answer<'_> {
        Answer {
            name: &self.name,
            ready: self.ready(),
            bound: self.windows.bound(),
            rules: self.rules,
            windows: self.looked_at,
            missing: &self.missing,
        }
    }
}

/// Looks at a baseline. `current` is the profile as it is: what that allows is not new.
pub fn complete(baseline: &Baseline, current: Option<&Profile>, limit: f64, how: How<'_>) -> Completeness {
    let Proposal { profile: proposed, facilities, made_code, .. } =
        propose(&baseline.name, Mode::Enforce, current, &baseline.seen, how);
    let things = things(baseline, current, &proposed, &made_code);
    let episodes = Episodes::of(&baseline.windows, &things);
    let whole: Vec<&Run> = baseline.runs.iter().filter(|run| run.from_start).collect();
    let restarts = Spread::of(whole.len() as u64, things.iter().map(|thing| &evidence(thing).runs));
    let replicas = replicas(baseline, &things);
    let firsts: Vec<i64> = things.iter().map(evidence).map(first_ms).collect();
    let mut missing = gaps(baseline, &whole, &things);
    missing.extend(undecided(&facilities, current));
    missing.extend(made_code.alike().iter().map(of_a_person));
    let latest = things.iter().max_by_key(|thing| first_ms(evidence(thing)));
    let latest = latest.map(|thing| (first_ms(evidence(thing)), thing.shown()));
    let mut ready_in_s = None;
    let waits = waits(&baseline.windows, &episodes, latest.as_ref(), limit);
    if !things.is_empty() || !baseline.windows.is_empty() {
        ready_in_s = waits.iter().map(|(_, seconds)| *seconds).max();
        missing.extend(waits.into_iter().map(|(text, _)| text));
    }
    Completeness {
        name: baseline.name.clone(),
        rules: rules(&proposed),
        windows: episodes.spread(),
        looked_at: episodes.units(),
        restarts,
        replicas,
        missing,
        curve: curve(&baseline.windows, &firsts),
        ready_in_s,
        saw_start: !whole.is_empty(),
    }
}

/// Code about which somebody has to decide.
fn of_a_person(Alike { glob, files, started }: &Alike) -> String {
    match (started, files) {
        (true, 1) => format!(
            "{glob} was started and does not come from the image, which learning never grants: write it under `exec` \
             of the profile with `from: any`, or under `deny`"
        ),
        (true, _) => format!(
            "{files} programs {glob} were started and do not come from the image, which learning never grants: write \
             the glob under `exec` of the profile with `from: any`, or under `deny`"
        ),
        (false, _) => format!(
            "{files} files {glob} were made and mapped as code, each under a name of its own, which learning never \
             grants to the next: write the glob under `files` of the profile with `access: [map]`, or under `deny`"
        ),
    }
}

/// Facilities that were used and about which nobody has decided: in force, the profile would deny them.
fn undecided(used: &[Power], current: Option<&Profile>) -> Vec<String> {
    let denied = |word: &str| {
        current.is_some_and(|current| current.deny.facilities.iter().any(|denied| denied.word() == word))
    };
    let words = used.iter().map(|power| power.word()).filter(|word| !denied(word));
    let say = |word| {
        format!(
            "facility {word} was used, and learning never grants one: write it under `facilities` of the \
             profile, or under `deny`"
        )
    };
    words.map(say).collect()
}

/// The rules of a profile for the container's own processes.
pub fn rules(profile: &Profile) -> usize {
    profile.exec.len()
        + profile.files.len()
        + profile.peers.len()
        + profile.listen.len()
        + profile.capabilities.len()
        + profile.facilities.len()
}

fn evidence<'t>(thing: &'t Thing<'_>) -> &'t Evidence {
    thing.borrow()
}

fn first_ms(thing: &Evidence) -> i64 {
    thing.windows.first().map_or_else(|| thing.first.saturating_mul(1000), unit_start_ms)
}

fn replicas(baseline: &Baseline, things: &[Thing<'_>]) -> Spread {
    let mut numbers: BTreeMap<&str, i64> = BTreeMap::new();
    let mut of_run: BTreeMap<i64, i64> = BTreeMap::new();
    for run in &baseline.runs {
        let next = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        let number = *numbers.entry(&run.subject).or_insert(next);
        of_run.insert(run_number(&run.id), number);
    }
    let spread: Vec<Few> = things
        .iter()
        .map(|thing| evidence(thing).runs.iter().filter_map(|run| of_run.get(&run).copied()).collect())
        .collect();
    Spread::of(numbers.len() as u64, &spread)
}

/// What must be seen, whatever the numbers say.
fn gaps(baseline: &Baseline, whole: &[&Run], things: &[Thing<'_>]) -> Vec<String> {
    let mut missing = Vec::new();
    if baseline.seen.is_empty() {
        missing.push("nothing was recorded: run it under mode learn".to_owned());
        return missing;
    }
    if let Some(loss) = &baseline.loss {
        let at = clock::rfc3339(i128::from(loss.at) * 1_000_000_000);
        missing.push(format!(
            "{} since {}Z: {RUNS_AFTER_LOSS} whole runs and {WINDOWS_AFTER_LOSS} windows without a loss make it good",
            loss.reason,
            at.get(..19).unwrap_or(&at)
        ));
    }
    let ended: Vec<&&Run> = whole.iter().filter(|run| run.ended.is_some()).collect();
    if whole.is_empty() {
        missing.push("no start-up was seen: start it under mode learn".to_owned());
    } else if whole.len() < STARTS {
        missing.push(format!("{} of {STARTS} starts seen: restart it", whole.len()));
    }
    if ended.is_empty() {
        missing.push("no shutdown was seen: stop it once".to_owned());
    }
    let last: BTreeSet<i64> =
        [whole.last(), ended.last().copied()].into_iter().flatten().map(|run| run_number(&run.id)).collect();
    let edge = Phase::Startup as u8 | Phase::Shutdown as u8;
    let is_new = |thing: &&Thing<'_>| {
        let seen = evidence(thing);
        seen.phases & edge != 0 && seen.runs.len() == 1 && seen.runs.iter().all(|run| last.contains(&run))
    };
    let new: Vec<&Thing<'_>> = things.iter().filter(is_new).collect();
    if whole.len() >= STARTS && !new.is_empty() {
        missing.push(format!("the last start or shutdown brought {}: restart it once more", some_of(&new)));
    }
    let looked =
        baseline.windows.last().map(|window| window.started_ms.saturating_add(window.length_ms) / 1000);
    let open = baseline.runs.iter().filter(|run| {
        run.ended.is_none()
            && run.session_at.zip(looked).is_some_and(|(session, looked)| session >= looked - 1)
    });
    for run in open {
        missing.push(format!("a session is open in {}: close it", run.subject));
    }
    missing
}

/// How many there are, and the first few of them by name.
fn some_of(new: &[&Thing<'_>]) -> String {
    let s = if new.len() == 1 { "" } else { "s" };
    let mut names: Vec<String> = new.iter().take(NAMED).map(|thing| thing.shown()).collect();
    if new.len() > NAMED {
        names.push(format!("{} more", new.len() - NAMED));
    }
    format!("{} new thing{s} ({})", new.len(), names.join(", "))
}

/// When the latest new thing came, in milliseconds, and what it is.
type Latest = (i64, String);

/// What only time can bring, with how many seconds of work it takes if nothing new comes.
fn waits(windows: &[Window], episodes: &Episodes, latest: Option<&Latest>, limit: f64) -> Vec<(String, i64)> {
    let mut waits = Vec::new();
    let bound = episodes.spread().bound();
    if bound > limit {
        let needed = episodes.needed_ms(limit).unwrap_or(i64::MAX) / 1000 + 1;
        waits.push((
            format!(
                "the next window shows something new with a probability of up to {}, more than {}: {needed} s of work \
                 without",
                percent(bound),
                percent(limit)
            ),
            needed,
        ));
    }
    waits.extend(latest.and_then(|latest| quiet(windows, latest)));
    waits
}

/// How long nothing new must come yet, if that is not long enough.
fn quiet(windows: &[Window], (latest, shown): &Latest) -> Option<(String, i64)> {
    let all = curve::exposure_after(windows, i64::MIN);
    let since = curve::exposure_after(windows, *latest);
    if since.saturating_mul(QUIET) >= all {
        return None;
    }
    // What comes adds to both.
    let left = all.saturating_sub(since.saturating_mul(QUIET)) / (QUIET - 1) / 1000 + 1;
    let text = format!(
        "something new ({shown}) came {} s of work ago, of {} s in all: {left} s more without",
        since / 1000,
        all / 1000
    );
    Some((text, left))
}

/// A probability as people read it.
pub fn percent(probability: f64) -> String {
    format!("{:.1} %", probability * 100.0)
}

#[cfg(test)]
#[path = "complete_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "simulated_tests.rs"]
mod simulated;
