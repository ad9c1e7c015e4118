//! Ways to be confined, each in a cgroup of its own made as the product makes them: merely being in one
//! has a price, which must not look like the price of confinement.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use super::GIVEN;
use crate::suite::hooks::agent;

/// As deep as the product's own.
const CGROUPS: &str = "/sys/fs/cgroup/bench";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// How a program is confined.
pub(super) enum Confined {
    /// Not at all.
    No,
    /// By a loaded profile of AppArmor's.
    AppArmor(String),
    /// By the product, with the profile in this file, under a mode of its own or another.
    Stockade(String, Option<&'static str>),
}

impl Confined {
    /// Loads the profile of AppArmor's with so many rules.
    pub(super) fn load_apparmor(rules: &str) -> Result<Self> {
        let file = format!("{GIVEN}/{rules}.apparmor");
        let profile = fs::read(&file).with_context(|| format!("reading {file}"))?;
        fs::write("/sys/kernel/security/apparmor/.replace", profile).context("loading the profile")?;
        Ok(Self::AppArmor(format!("bench-{rules}")))
    }

    /// A program that will be so confined.
    pub(super) fn command(&self, program: &str) -> Result<Command> {
        let mut command = match self {
            Self::Stockade(profile, mode) => agent::run(profile, *mode),
            Self::No | Self::AppArmor(_) => {
                let cgroup = Path::new(CGROUPS).join(format!("run-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
                fs::create_dir_all(&cgroup).with_context(|| format!("making {}", cgroup.display()))?;
                let mut command = Command::new("/stockade/guest");
                command.args(["act", "join"]).arg(cgroup).stdin(Stdio::null());
                match self {
                    Self::AppArmor(profile) => command.args(["apparmor", profile]),
                    Self::No | Self::Stockade(..) => command.arg("exec"),
                };
                command
            }
        };
        command.arg(program);
        Ok(command)
    }
}
