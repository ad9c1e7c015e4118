//! Subjects that try everything all the while, and tell when a verdict was wrong.

use std::fs;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, setpriority_process};

use crate::suite::hooks::agent::{self, PATIENCE};
use crate::suite::is_thorough;
use crate::suite::wait::eventually;

const DIR: &str = "/tmp/alive";
/// Name of their profile, which is in the profile directory.
pub(super) const PROFILE: &str = "alive";
/// As many as there are processors: more only wait for each other.
const SUBJECTS: usize = 2;
/// How far they stand back behind the agent where things are not done as often as they should be once: they go on in
/// every moment of a start, and do not make it three times as long.
const NICE: i32 = 5;

/// The profile and the files.
pub(super) fn prepare() -> Result<()> {
    fs::create_dir_all(DIR).context(DIR)?;
    for name in ["allowed", "denied"] {
        fs::write(format!("{DIR}/{name}"), name).context(DIR)?;
    }
    fs::create_dir_all(agent::PROFILES).context(agent::PROFILES)?;
    fs::write(profile_path(), profile()).context(agent::PROFILES)
}

pub(super) fn profile_path() -> String {
    format!("{}/{PROFILE}.yaml", agent::PROFILES)
}

pub(super) fn profile() -> String {
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {PROFILE} }}\nspec:\n  mode: \
         enforce\n  exec:\n    - path: /stockade/guest\n  files:\n    - path: {DIR}/allowed\n      access: \
         [read]\n    - path: {DIR}/made-*\n      access: [create, delete]\n    - path: /proc/self/**\n      \
         access: [read]\n    - path: /dev/null\n      access: [read, write]\n"
    )
}

/// The subjects, until they are dropped.
pub(super) struct Crowd(Vec<Child>);

impl Crowd {
    /// Needs an agent that runs.
    pub(super) fn start() -> Result<Self> {
        let stop = format!("{DIR}/stop");
        if fs::exists(&stop).context(DIR)? {
            fs::remove_file(&stop).context(DIR)?;
        }
        let mut crowd = Self(Vec::new());
        for _ in 0..SUBJECTS {
            let subject = agent::run(PROFILE, None)
                .args(["/stockade/guest", "act", "probe", DIR])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let subject = subject.context("starting a subject")?;
            if !is_thorough() {
                let pid = Pid::from_child(&subject);
                setpriority_process(Some(pid), NICE).context("the priority of a subject")?;
            }
            crowd.0.push(subject);
        }
        let pids: Vec<u32> = crowd.0.iter().map(Child::id).collect();
        eventually(PATIENCE, "the subjects", || {
            let status = agent::status()?;
            let all = status["subjects"].as_array().context("no subjects in status")?;
            let is_bound = |pid: &u32| all.iter().any(|one| one["init_pid"] == *pid);
            Ok(pids.iter().all(is_bound).then_some(()))
        })?;
        Ok(crowd)
    }

    /// None of them has ended, as they do at the first wrong verdict.
    pub(super) fn still(&mut self) -> Result<()> {
        for at in 0..self.0.len() {
            if self.0[at].try_wait().context("a subject")?.is_some() {
                let output = self.0.remove(at).wait_with_output().context("a subject")?;
                ensure!(false, "a subject ended: {}", agent::told(&output));
            }
        }
        Ok(())
    }

    /// Lets them end; how often they went around.
    pub(super) fn end(mut self) -> Result<u64> {
        self.still()?;
        fs::write(format!("{DIR}/stop"), "").context(DIR)?;
        let mut rounds: u64 = 0;
        for subject in self.0.drain(..) {
            let output = subject.wait_with_output().context("a subject")?;
            ensure!(output.status.success(), "{}", agent::told(&output));
            let printed = String::from_utf8_lossy(&output.stdout);
            rounds += printed.trim().parse::<u64>().with_context(|| printed.into_owned())?;
        }
        Ok(rounds)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for subject in &mut self.0 {
            // Ended already is as good.
            let _ = subject.kill();
            let _ = subject.wait();
        }
    }
}
