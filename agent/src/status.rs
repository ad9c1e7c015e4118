//! What is truly enforced, as `stockade status` shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::identity::Names;
use crate::learn::store::BaselineStatus;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether everything that should be enforced is.
    pub healthy: bool,
    /// Why not.
    pub problems: Vec<String>,
    /// Version of the agent.
    pub version: String,
    /// Build of the eBPF programs.
    pub build: String,
    /// Process id of the agent.
    pub pid: u32,
    /// Kernel release.
    pub kernel: String,
    /// State directory.
    pub state: String,
    /// Profile directory.
    pub profiles: String,
    /// How the kernel comes to ask the programs: `lsm`, or `fmod_ret` where it was booted without `bpf` among its
    /// security modules.
    #[serde(default)]
    pub mechanism: String,
    /// What the other could do and this one cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism_lacks: Option<String>,
    /// Hooks.
    pub hooks: Vec<Hook>,
    /// Policies.
    pub policies: Vec<PolicyStatus>,
    /// Files that hold no usable profile, and why.
    pub bad_files: Vec<BadFile>,
    /// Subjects.
    pub subjects: Vec<SubjectStatus>,
    /// Decisions that no rule made, by reason.
    pub decisions: BTreeMap<String, u64>,
    /// What was lost on the way.
    pub losses: Losses,
    /// The event log.
    pub log: LogStatus,
    /// Learned baselines.
    pub learn: Vec<BaselineStatus>,
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Name.
    pub name: String,
    /// Whether the program is attached.
    pub attached: bool,
    /// Whether a denial through it was seen.
    pub proven: bool,
    /// Why none could be, where that is no fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyond: Option<String>,
    /// Runs that the kernel skipped.
    pub recursion_misses: u64,
    /// Runs of the program while `kernel.bpf_stats_enabled` was set.
    #[serde(default)]
    pub runs: u64,
    /// Nanoseconds that they took, with the reading of the clock.
    #[serde(default)]
    pub run_time_ns: u64,
    /// Instructions that the kernel's verifier looked at before it accepted the program.
    #[serde(default)]
    pub verified_instructions: u32,
}

/// How a policy stands to its profile's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyState {
    /// The file says what is in force.
    Ok,
    /// The file is bad; its last good version is in force.
    Bad,
    /// The file is gone; the policy stays while subjects use it.
    Removed,
    /// The policy could not be put in force.
    Failed,
    /// In force from before, and nothing is known of its profile.
    Unknown,
}

impl PolicyState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Removed => "removed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Name of its profile.
    pub name: String,
    /// Its slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u64,
    /// The mode it is judged under; null when it is not known.
    pub mode: Option<String>,
    /// Whether that mode was asked for in place of the profile's own.
    pub mode_override: bool,
    /// How it stands.
    pub state: PolicyState,
    /// Why it does not stand well.
    pub message: Option<String>,
    /// File it came from; null for a profile given to `stockade run`.
    pub source: Option<String>,
    /// Words in use.
    pub words: usize,
    /// States of the automaton.
    pub states: usize,
    /// Microseconds that compiling took; 0 where this agent has put nothing in force.
    #[serde(default)]
    pub compile_us: u64,
    /// Microseconds that it took to fill the table in the kernel and to name it in the slot.
    #[serde(default)]
    pub swap_us: u64,
    /// Subjects that use it.
    pub subjects: usize,
}

/// A file without a usable profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadFile {
    /// The file.
    pub path: String,
    /// The complete message.
    pub message: String,
}

/// One subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectStatus {
    /// Its names.
    #[serde(flatten)]
    pub names: Names,
    /// Name of its profile.
    pub profile: String,
    /// Slot of its policy.
    pub slot: u32,
    /// Mode it is judged under.
    pub mode: Option<String>,
    /// Cgroup id.
    pub cgroup: u64,
    /// Directory of its cgroup.
    pub cgroup_path: String,
    /// Its first process.
    pub init_pid: u32,
    /// When it was bound (RFC 3339).
    pub bound_at: String,
    /// What makes a program count as part of its image: `lower-layers` of an overlay, or `unchanged` since it was
    /// bound. Null when its root directory cannot be looked at.
    #[serde(default)]
    pub image_test: Option<String>,
}

/// What was lost on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Events that found the ring full.
    pub events_lost: u64,
    /// The same, by profile.
    pub by_profile: BTreeMap<String, u64>,
    /// Records that could not be read.
    pub bad_records: u64,
    /// Observations that could not be stored.
    pub observations: u64,
}

/// The event log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStatus {
    /// Where it is.
    pub path: String,
    /// Writes that failed.
    pub write_errors: u64,
    /// The failure that lasts.
    pub error: Option<String>,
}

impl Status {
    /// The human form.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{}", if self.healthy { "healthy" } else { "NOT HEALTHY" });
        for problem in &self.problems {
            let _ = writeln!(out, "  problem: {}", problem.trim_end().replace('\n', "\n    "));
        }
        let _ = writeln!(
            out,
            "agent     {} (pid {}), programs {}, kernel {}",
            self.version, self.pid, self.build, self.kernel
        );
        let _ = writeln!(out, "profiles  {}   state {}", self.profiles, self.state);
        let _ = writeln!(out, "hooks     {}: {}", self.mechanism, hooks(&self.hooks));
        if let Some(lacks) = &self.mechanism_lacks {
            let _ = writeln!(out, "  without `bpf` in lsm=: {lacks}");
        }
        self.tables(&mut out);
        let decisions: Vec<String> = self
            .decisions
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(reason, n)| format!("{reason} {n}"))
            .collect();
        let none = || "none".to_owned();
        let shown = if decisions.is_empty() { none() } else { decisions.join(", ") };
        let _ = writeln!(out, "refused or recorded: {shown}");
        let losses = &self.losses;
        let lost: Vec<String> = [
            ("events", losses.events_lost),
            ("unreadable records", losses.bad_records),
            ("observations", losses.observations),
            ("log writes", self.log.write_errors),
        ]
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(what, n)| format!("{what} {n}"))
        .collect();
        let _ = writeln!(out, "lost: {}", if lost.is_empty() { none() } else { lost.join(", ") });
        out
    }

    fn tables(&self, out: &mut String) {
        let _ = writeln!(out, "policies  {}", self.policies.len());
        for policy in &self.policies {
            let _ = writeln!(
                out,
                "  {} {}{} generation {} slot {} {} subjects {} words {} {}",
                policy.name,
                policy.mode.as_deref().unwrap_or("?"),
                if policy.mode_override { " (asked for)" } else { "" },
                policy.generation,
                policy.slot,
                policy.state.word(),
                policy.subjects,
                policy.words,
                policy.source.as_deref().unwrap_or("-")
            );
        }
        let _ = writeln!(out, "subjects  {}", self.subjects.len());
        for subject in &self.subjects {
            let names = &subject.names;
            let short = names.id.get(..12).filter(|_| names.id.len() == 64).unwrap_or(&names.id);
            let _ = writeln!(
                out,
                "  {} {} profile {} {} pid {} image by {}",
                short,
                names.name.as_deref().unwrap_or("-"),
                subject.profile,
                subject.mode.as_deref().unwrap_or("?"),
                subject.init_pid,
                subject.image_test.as_deref().unwrap_or("?")
            );
        }
        for baseline in &self.learn {
            let _ = writeln!(
                out,
                "learned   {} {} observations{}",
                baseline.profile,
                baseline.observations,
                baseline
                    .incomplete_reason
                    .as_ref()
                    .map(|reason| format!(", INCOMPLETE: {reason}"))
                    .unwrap_or_default()
            );
        }
    }
}

/// How many hooks there are, and by name those of which something is to be said.
fn hooks(hooks: &[Hook]) -> String {
    let named = |is: fn(&&Hook) -> bool, what: &str| {
        let names: Vec<&str> = hooks.iter().filter(is).map(|hook| hook.name.as_str()).collect();
        if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
    };
    let count = |is: fn(&&Hook) -> bool| hooks.iter().filter(is).count();
    let mut said = format!("{} attached, {} proven", count(|hook| hook.attached), count(|hook| hook.proven));
    said += &named(|hook| !hook.attached, "NOT ATTACHED");
    said += &named(|hook| hook.attached && !hook.proven && hook.beyond.is_none(), "UNPROVEN");
    said += &named(|hook| hook.attached && !hook.proven && hook.beyond.is_some(), "beyond a test here");
    for hook in hooks.iter().filter(|hook| hook.recursion_misses > 0) {
        let _ = write!(said, "; {}: {} runs skipped", hook.name, hook.recursion_misses);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_in_a_line() {
        let hook = |name: &str, attached, proven, beyond: Option<&str>| Hook {
            name: name.to_owned(),
            attached,
            proven,
            beyond: beyond.map(str::to_owned),
            recursion_misses: u64::from(name == "e"),
            runs: 0,
            run_time_ns: 0,
            verified_instructions: 0,
        };
        assert_eq!(hooks(&[hook("a", true, true, None)]), "1 attached, 1 proven");
        let all = [
            hook("a", true, true, None),
            hook("b", true, false, Some("why")),
            hook("c", true, false, None),
            hook("d", false, false, Some("why")),
            hook("e", true, true, None),
        ];
        assert_eq!(
            hooks(&all),
            "4 attached, 2 proven; NOT ATTACHED: d; UNPROVEN: c; beyond a test here: b; e: 1 runs skipped"
        );
    }
}
