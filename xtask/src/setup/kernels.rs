//! The guests' kernels: the newest package of each family that Debian offers today.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{entry, packages};
use crate::exec::{output, say, step};
use crate::project::Project;

/// A line of kernels that are tested.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Family {
    /// Debian 12's own
    #[value(name = "6.1")]
    V6_1,
    /// Debian 12's newer one
    #[value(name = "6.12")]
    V6_12,
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::V6_1, Self::V6_12];

    /// What surrounds the number that grows with each update.
    fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::V6_1 => ("linux-image-6.1.0-", "-cloud-amd64"),
            Self::V6_12 => ("linux-image-6.12.", "+deb12-cloud-amd64"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V6_1 => "6.1",
            Self::V6_12 => "6.12",
        })
    }
}

/// A kernel with its modules, ready to boot.
pub(crate) struct Kernel {
    pub(crate) family: Family,
    pub(crate) package: String,
    pub(crate) image: PathBuf,
    /// A disk that holds what belongs under /lib/modules.
    pub(crate) modules: PathBuf,
    /// Modules that the guest must load before it sees its disks, in this order.
    pub(crate) first: Vec<PathBuf>,
}

/// Modules without which the guest has no disk.
const FIRST: [&str; 2] = ["virtio_pci", "virtio_blk"];

pub(crate) fn prepare(project: &Project, family: Family) -> Result<Kernel> {
    packages::require_debian("a guest's kernel")?;
    // Whoever boots a guest has built something for it: all at once, so that one command is enough.
    let all = [packages::BUILD.as_slice(), packages::GUEST.as_slice(), packages::DISK.as_slice()].concat();
    packages::install(&all, "building and the guests")?;
    let newest = match newest(family)? {
        Some(package) => package,
        // A fresh machine has no package lists yet.
        None => {
            packages::update()?;
            newest(family)?.with_context(|| format!("Debian offers no kernel {family} for the guests"))?
        }
    };
    let made = entry(project, &format!("kernels/{newest}"), |dir, _| make(&newest, dir));
    let (package, dir) = match (made, cached(project, family)?) {
        (Ok(dir), _) => (newest, dir),
        (Err(error), Some((package, dir))) => {
            say("warning", &format!("no newer kernel than {package}: {error:#}"));
            (package, dir)
        }
        (Err(error), None) => return Err(error),
    };
    open(family, package, &dir)
}

fn number(family: Family, package: &str) -> Option<u32> {
    let (before, after) = family.package();
    package.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
}

fn newest(family: Family) -> Result<Option<String>> {
    let (before, after) = family.package();
    let escape = |text: &str| text.replace('.', "\\.").replace('+', "\\+");
    let names = packages::search(&format!("^{}[0-9]+{}$", escape(before), escape(after)))?;
    Ok(names
        .into_iter()
        .filter(|name| number(family, name).is_some())
        .max_by_key(|name| number(family, name)))
}

fn cached(project: &Project, family: Family) -> Result<Option<(String, PathBuf)>> {
    let all = project.cache.join("kernels");
    if !all.is_dir() {
        return Ok(None);
    }
    let mut best: Option<(u32, String, PathBuf)> = None;
    for item in fs::read_dir(&all).with_context(|| format!("reading {}", all.display()))? {
        let item = item.with_context(|| format!("reading {}", all.display()))?;
        let name = item.file_name().to_string_lossy().into_owned();
        if let Some(number) = number(family, &name)
            && best.as_ref().is_none_or(|(known, ..)| number > *known)
        {
            best = Some((number, name, item.path()));
        }
    }
    Ok(best.map(|(_, name, path)| (name, path)))
}

fn make(package: &str, dir: &Path) -> Result<()> {
    if packages::download(package, dir).is_err() {
        // The lists on this machine may be older than what the server still keeps.
        packages::update()?;
        packages::download(package, dir)?;
    }
    let archive = only_file(dir, ".deb")?;
    step("Unpacking", package, Command::new("dpkg").arg("-x").arg(&archive).arg(dir))?;
    fs::remove_file(&archive).with_context(|| format!("removing {}", archive.display()))?;
    let version = version(dir)?;
    step("Indexing", "its modules", Command::new("/sbin/depmod").arg("-b").arg(dir).arg(&version))?;
    let mut image = Command::new("/sbin/mke2fs");
    image.args(["-q", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-d"]);
    image.arg(dir.join("lib/modules")).arg(dir.join("modules.img")).arg("256M");
    step("Writing", "a disk of its modules", &mut image)
}

fn open(family: Family, package: String, dir: &Path) -> Result<Kernel> {
    let version = version(dir)?;
    let mut first: Vec<PathBuf> = Vec::new();
    for module in FIRST {
        let mut modprobe = Command::new("/sbin/modprobe");
        modprobe.arg("-d").arg(dir).args(["-S", &version, "--show-depends", module]);
        for line in output(&mut modprobe)?.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["insmod", path] => {
                    let path = PathBuf::from(path);
                    if !first.contains(&path) {
                        first.push(path);
                    }
                }
                ["builtin", _] => {}
                _ => bail!("modprobe says `{line}` about {module}"),
            }
        }
    }
    let image = dir.join(format!("boot/vmlinuz-{version}"));
    if !image.is_file() {
        bail!("{} is missing; remove {} and try again", image.display(), dir.display());
    }
    Ok(Kernel { family, package, image, modules: dir.join("modules.img"), first })
}

fn version(dir: &Path) -> Result<String> {
    let modules = only_file(&dir.join("lib/modules"), "")?;
    Ok(modules.file_name().context("a kernel without modules")?.to_string_lossy().into_owned())
}

/// The one entry of a directory whose name ends so.
fn only_file(dir: &Path, suffix: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = item.with_context(|| format!("reading {}", dir.display()))?.path();
        if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(found) => bail!("{} should hold one entry `*{suffix}`, not {}", dir.display(), found.len()),
    }
}
