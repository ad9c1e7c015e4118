//! Throw-away virtual machines: what one is made of, and running a suite in it.

mod initramfs;
mod protocol;
mod qemu;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use self::initramfs::Archive;
pub(crate) use self::protocol::{CaseResult, Figure, Line, Outcome, Verdict};
use crate::project::Project;
use crate::setup::kernels::Kernel;

/// What every guest's kernel is told. It says its warnings, so that a death comes with its trace. A processor
/// counts as locked up after 120 s (twice the threshold) and as stalled after as long: an emulator that shares
/// its processors with others has let one wait for 44 s that was not. Programs lie at the same addresses each time
/// they start: the emulator translates anew what it finds at another address, which was most of its work, and where a
/// stack or a library lies changes what starting a program costs.
const KERNEL_ARGUMENTS: &str =
    "quiet loglevel=5 panic=-1 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 norandmaps";

/// What a guest can be asked to run.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Suite {
    /// The guest itself: mounts, devices, network
    Boot,
    /// The eBPF programs, case by case, without any distribution
    Hooks,
    /// The same where the kernel never calls BPF LSM programs, and they are attached to its functions
    Functions,
    /// The same cases beside AppArmor, for the table of what each denies
    Cases,
    /// What enforcement survives: the agent killed, replaced, damaged, flooded
    Alive,
    /// What needs processors that run at the same time to go wrong
    Races,
    /// A node that cannot enforce: the agent must refuse
    Refuse,
    /// Real runtimes, real servers
    Containers,
    /// What confinement costs, in executed instructions
    Bench,
    /// The demonstration
    Demo,
    /// A command or a shell
    Shell,
}

impl Suite {
    /// Its name on the guest's kernel command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Hooks => "hooks",
            Self::Functions => "functions",
            Self::Cases => "cases",
            Self::Alive => "alive",
            Self::Races => "races",
            Self::Refuse => "refuse",
            Self::Containers => "containers",
            Self::Bench => "bench",
            Self::Demo => "demo",
            Self::Shell => "shell",
        }
    }

    /// Whether it runs in the Debian root file system rather than straight from the initramfs.
    pub(crate) fn wants_disk(self) -> bool {
        match self {
            Self::Boot | Self::Containers | Self::Bench | Self::Demo | Self::Shell => true,
            Self::Hooks | Self::Functions | Self::Cases | Self::Alive | Self::Races | Self::Refuse => false,
        }
    }

    /// Whether its processors run in turns instead of at the same time. The kernel changes its code whenever programs are
    /// attached, and qemu's parallel processors run into breakpoints that are gone, or into each other; and two guests
    /// with parallel ones on two processors take half as long again.
    fn in_turns(self) -> bool {
        match self {
            Self::Hooks | Self::Functions | Self::Cases | Self::Alive | Self::Containers => true,
            Self::Boot | Self::Races | Self::Refuse | Self::Bench | Self::Demo | Self::Shell => false,
        }
    }

    fn timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Boot => 120,
            Self::Refuse => 180,
            Self::Races => 300,
            Self::Demo => 600,
            Self::Hooks | Self::Functions | Self::Cases => 1200,
            Self::Containers | Self::Alive => 1800,
            Self::Bench => 2400,
            Self::Shell => 24 * 3600,
        })
    }

    fn kernel_arguments(self) -> &'static str {
        match self {
            Self::Functions => " lsm=lockdown,capability,yama,apparmor",
            Self::Boot
            | Self::Hooks
            | Self::Cases
            | Self::Alive
            | Self::Races
            | Self::Refuse
            | Self::Containers
            | Self::Bench
            | Self::Demo
            | Self::Shell => "",
        }
    }
}

/// One run of a guest.
pub(crate) struct Guest<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) suite: Suite,
    pub(crate) filter: Option<&'a str>,
    /// Whether what is repeated is repeated as often as it should be once.
    pub(crate) thorough: bool,
    /// The Debian root file system, for suites that want it.
    pub(crate) disk: Option<&'a Path>,
    /// The guest's own binary, and the product.
    pub(crate) init: &'a Path,
    pub(crate) stockade: Option<&'a Path>,
    /// Further files: where they are here, and where the guest shall find them.
    pub(crate) files: &'a [(PathBuf, String)],
    /// What the suite `shell` runs.
    pub(crate) command: Option<&'a str>,
    pub(crate) timeout: Option<Duration>,
    /// In MiB.
    pub(crate) memory: u32,
}

impl Guest<'_> {
    /// Boots, runs and ends the guest; each line that it prints is handed over as it comes.
    pub(crate) fn run(&self, project: &Project, on: &mut dyn FnMut(&Line)) -> Result<Outcome> {
        self.with_machine(project, |machine| machine.run(on))
    }

    /// Boots the guest and gives it this terminal until it powers off.
    pub(crate) fn attach(&self, project: &Project) -> Result<()> {
        self.with_machine(project, |machine| machine.attach())
    }

    /// Where what it said is kept.
    pub(crate) fn log(&self, project: &Project) -> PathBuf {
        project.target.join("guests").join(format!("{}-{}.log", self.kernel.family, self.suite.name()))
    }

    fn with_machine<T>(
        &self,
        project: &Project,
        run: impl FnOnce(&qemu::Machine<'_>) -> Result<T>,
    ) -> Result<T> {
        let log = self.log(project);
        let dir = log.parent().context("a log without a directory")?;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let archive = log.with_extension("cpio");
        self.archive(project)?.write(&archive)?;
        let disk = if self.suite.wants_disk() { " stockade.disk=1" } else { "" };
        let append = format!(
            "console=ttyS0 {KERNEL_ARGUMENTS} stockade.suite={}{disk}{}",
            self.suite.name(),
            self.suite.kernel_arguments()
        );
        run(&qemu::Machine {
            kernel: &self.kernel.image,
            initramfs: &archive,
            append: &append,
            disks: match self.disk {
                Some(disk) if self.suite.wants_disk() => vec![disk, &self.kernel.modules],
                Some(_) | None => Vec::new(),
            },
            log: &log,
            console: &log.with_extension("console"),
            timeout: self.timeout.unwrap_or(self.suite.timeout()),
            memory: self.memory,
            counted: self.suite == Suite::Bench,
            in_turns: self.suite.in_turns(),
        })
    }

    fn archive(&self, project: &Project) -> Result<Archive> {
        let mut archive = Archive::default();
        archive.file("init", self.init, 0o755)?;
        let mut modules = String::new();
        if self.suite.wants_disk() {
            for module in &self.kernel.first {
                let name = module.file_name().context("a module without a name")?.to_string_lossy();
                archive.file(&format!("modules/{name}"), module, 0o644)?;
                modules.push_str(&format!("/modules/{name}\n"));
            }
        }
        archive.bytes("modules.list", modules.as_bytes(), 0o644)?;
        // The guest copies what lies under /overlay into the root that its suite sees.
        let root = if self.suite.wants_disk() { "overlay/" } else { "" };
        if let Some(stockade) = self.stockade {
            archive.file(&format!("{root}stockade/stockade"), stockade, 0o755)?;
        }
        archive.file(&format!("{root}stockade/guest"), self.init, 0o755)?;
        for tree in ["tests/cases", "profiles"] {
            let inside = tree.rsplit('/').next().unwrap_or(tree);
            archive.tree(&format!("{root}stockade/{inside}"), &project.root.join(tree))?;
        }
        if let Some(filter) = self.filter {
            archive.bytes(&format!("{root}stockade/filter"), filter.as_bytes(), 0o644)?;
        }
        if self.thorough {
            archive.bytes(&format!("{root}stockade/thorough"), b"", 0o644)?;
        }
        if let Some(command) = self.command {
            archive.bytes(&format!("{root}stockade/command"), command.as_bytes(), 0o644)?;
        }
        for (here, there) in self.files {
            let inside = format!("{root}{}", there.trim_start_matches('/'));
            if here.is_dir() {
                archive.tree(&inside, here)?;
            } else {
                archive.file(&inside, here, 0)?;
            }
        }
        Ok(archive)
    }
}
