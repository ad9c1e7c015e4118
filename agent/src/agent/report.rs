//! The core's part of `status`, and what counts as a problem.

use std::collections::BTreeMap;
use std::time::Duration;

use super::core::{Core, CoreError};
use super::enforcer::Enforcer;
use crate::clock;
use crate::identity::process::image_test;
use crate::status::{BadFile, Hook, Losses, PolicyState, PolicyStatus, Status, SubjectStatus};

/// What is known outside of the core.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Kernel release.
    pub kernel: String,
    /// State directory.
    pub state: String,
    /// Profile directory.
    pub profiles: String,
    /// The recorder's part.
    pub recorder: RecorderStatus,
}

/// What the recorder counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderStatus {
    /// Where the log is.
    pub log: crate::status::LogStatus,
    /// Records that could not be read.
    pub bad_records: u64,
    /// Observations that could not be stored.
    pub observations_lost: u64,
    /// Why observations cannot be stored now.
    pub store_error: Option<String>,
}

impl<E: Enforcer> Core<E> {
    /// The state of everything.
    pub fn status(&self, around: &Surroundings) -> Result<Status, CoreError> {
        let counters = self.kernel.counters()?;
        let hooks: Vec<Hook> = self
            .kernel
            .hooks()
            .into_iter()
            .map(|hook| Hook {
                name: hook.name.to_owned(),
                attached: hook.attached,
                proven: hook.proven,
                beyond: hook.beyond.map(str::to_owned),
                recursion_misses: hook.recursion_misses,
                runs: hook.runs,
                run_time_ns: hook.run_time_ns,
                verified_instructions: hook.verified_instructions,
            })
            .collect();
        let mut by_profile: BTreeMap<String, u64> = BTreeMap::new();
        for (slot, lost) in counters.lost_by_policy.iter().filter(|(_, lost)| **lost > 0) {
            let name =
                self.rows.get(slot).map_or_else(|| format!("slot {slot}"), |row| row.key.profile.clone());
            *by_profile.entry(name).or_default() += lost;
        }
        let mut status = Status {
            healthy: false,
            problems: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: crate::kernel::build_id(),
            pid: std::process::id(),
            kernel: around.kernel.clone(),
            state: around.state.clone(),
            profiles: around.profiles.clone(),
            mechanism: self.kernel.mechanism().name().to_owned(),
            mechanism_lacks: self.kernel.mechanism().lacks().map(str::to_owned),
            hooks,
            policies: self.policy_statuses(),
            bad_files: self
                .catalog
                .bad
                .iter()
                .map(|bad| BadFile { path: bad.path.display().to_string(), message: bad.message.clone() })
                .collect(),
            subjects: self.subject_statuses(),
            decisions: counters.reasons.iter().map(|(reason, n)| (reason.word().to_owned(), *n)).collect(),
            losses: Losses {
                events_lost: counters.events_lost,
                by_profile,
                bad_records: around.recorder.bad_records,
                observations: around.recorder.observations_lost,
            },
            log: around.recorder.log.clone(),
            learn: self.store.baselines()?,
        };
        status.problems = self.problems(&status, around);
        status.healthy = status.problems.is_empty();
        Ok(status)
    }

    fn policy_statuses(&self) -> Vec<PolicyStatus> {
        let statuses = self.live.iter().filter_map(|(slot, live)| {
            let row = self.rows.get(slot)?;
            Some(PolicyStatus {
                name: row.key.profile.clone(),
                slot: *slot,
                generation: row.generation,
                mode: live.mode.map(|mode| mode.word().to_owned()),
                mode_override: row.key.mode.is_some(),
                state: live.state,
                message: live.message.clone(),
                source: row.source.clone(),
                words: live.size.words,
                states: live.size.states,
                compile_us: microseconds(live.took.compile),
                swap_us: microseconds(live.took.swap),
                subjects: self.users(*slot),
            })
        });
        let mut statuses: Vec<_> = statuses.collect();
        statuses.sort_by(|a, b| (&a.name, a.slot).cmp(&(&b.name, b.slot)));
        statuses
    }

    fn subject_statuses(&self) -> Vec<SubjectStatus> {
        let mut statuses: Vec<_> = self
            .subjects
            .values()
            .map(|row| SubjectStatus {
                names: row.names.clone(),
                profile: self
                    .rows
                    .get(&row.slot)
                    .map_or_else(|| format!("slot {}", row.slot), |slot| slot.key.profile.clone()),
                slot: row.slot,
                mode: self.live.get(&row.slot).and_then(|live| live.mode).map(|mode| mode.word().to_owned()),
                cgroup: row.cgroup,
                cgroup_path: row.path.display().to_string(),
                init_pid: row.init_pid,
                image_test: image_test(row.init_pid).map(str::to_owned),
                bound_at: clock::rfc3339(i128::from(row.bound_at) * 1_000_000_000),
            })
            .collect();
        statuses.sort_by(|a, b| (&a.bound_at, &a.names.id).cmp(&(&b.bound_at, &b.names.id)));
        statuses
    }

    fn problems(&self, status: &Status, around: &Surroundings) -> Vec<String> {
        let mut problems = Vec::new();
        for hook in &status.hooks {
            if !hook.attached {
                problems.push(format!("hook {} is not attached: start the agent again", hook.name));
            } else if !hook.proven && hook.beyond.is_none() {
                problems.push(format!("hook {} is attached, but no denial through it was seen", hook.name));
            }
            if hook.recursion_misses > 0 {
                problems.push(format!(
                    "the kernel skipped the program of hook {} {} times, and allowed what it should have judged",
                    hook.name, hook.recursion_misses
                ));
            }
        }
        if status.hooks.is_empty() {
            problems.push("no hook is attached".to_owned());
        }
        problems.extend(self.unreadable.iter().map(|error| format!("{}: {error}", around.profiles)));
        problems.extend(self.catalog.bad.iter().map(|bad| bad.message.clone()));
        problems.extend(self.breaker_problems());
        problems.extend(self.failed.iter().map(|(name, error)| format!("profile `{name}`: {error}")));
        for policy in &status.policies {
            let message = policy.message.as_deref().unwrap_or("");
            match policy.state {
                // Bad files are told above; a removed one is somebody's decision.
                PolicyState::Ok | PolicyState::Bad | PolicyState::Removed => {}
                PolicyState::Failed | PolicyState::Unknown => problems.push(format!(
                    "policy `{}` in slot {} is {}: {message}",
                    policy.name,
                    policy.slot,
                    policy.state.word()
                )),
            }
        }
        problems
            .extend(self.store_error.iter().map(|error| format!("the database cannot be written: {error}")));
        problems.extend(
            around.recorder.store_error.iter().map(|error| format!("observations cannot be stored: {error}")),
        );
        problems
            .extend(status.log.error.iter().map(|error| format!("the event log cannot be written: {error}")));
        problems
    }
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
