//! The compiler and linker of the eBPF object: Debian's packages where there are some, else rustup's
//! nightly.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, ffi};

use anyhow::{Context, Result, bail};

use super::{entry, on_debian_12, packages};
use crate::exec::{Remedy, found, output, step};
use crate::project::Project;

const BPF_LINKER: &str = "0.13.0";
/// Where rustc-web puts its compiler.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LLVM: &str = "/usr/lib/llvm-22/bin";

/// A compiler for the bpf target, with its linker.
pub(crate) struct Toolchain {
    kind: Kind,
    linker: PathBuf,
}

enum Kind {
    Debian,
    Nightly,
}

pub(crate) fn prepare(project: &Project) -> Result<Toolchain> {
    let kind = if on_debian_12()? {
        packages::install(&packages::BUILD, "building")?;
        Kind::Debian
    } else {
        require_compiler()?;
        install_nightly()?;
        Kind::Nightly
    };
    let (name, features) = match kind {
        Kind::Debian => (format!("tools/bpf-linker-{BPF_LINKER}-llvm22"), Some("llvm-22")),
        Kind::Nightly => (format!("tools/bpf-linker-{BPF_LINKER}"), None),
    };
    let tools = entry(project, &name, |dir, _| {
        let mut install = project.cargo();
        install.args(["install", "bpf-linker", "--locked", "--version", BPF_LINKER, "--root"]).arg(dir);
        install.arg("--target-dir").arg(dir.join("build"));
        if let Some(features) = features {
            install
                .args(["--no-default-features", "--features", features])
                .env("PATH", path_with(DEBIAN_LLVM)?);
        }
        step("Building", &format!("bpf-linker {BPF_LINKER} (about a minute)"), &mut install).remedy(
            "It comes from the crate registry, and needs LLVM's development files and a C++ compiler.",
        )?;
        std::fs::remove_dir_all(dir.join("build")).context("removing what was left of building bpf-linker")
    })?;
    Ok(Toolchain { kind, linker: tools.join("bin/bpf-linker") })
}

impl Toolchain {
    /// The toolchain in words, with its version.
    pub(crate) fn describe(&self) -> Result<String> {
        Ok(match self.kind {
            Kind::Debian => {
                let version = output(Command::new(DEBIAN_RUSTC).arg("--version"))?;
                format!("Debian rustc-web ({})", version.trim())
            }
            Kind::Nightly => {
                let version = output(nightly("rustc").arg("--version"))?;
                format!("rustup nightly ({})", version.trim())
            }
        })
    }

    /// A cargo that builds for the bpf target, without what belongs to builds for the host.
    pub(crate) fn cargo(&self, project: &Project) -> Command {
        let mut cargo = match self.kind {
            Kind::Debian => {
                let mut cargo = project.cargo();
                // Its compiler is a stable one; `core` for bpf comes prebuilt.
                cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
                cargo
            }
            Kind::Nightly => {
                let mut cargo = nightly("cargo");
                cargo.current_dir(&project.root).env_remove("RUSTC");
                cargo
            }
        };
        for name in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
            cargo.env_remove(name);
        }
        cargo
    }

    /// Arguments of cargo that only this compiler needs.
    pub(crate) fn arguments(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Debian => &[],
            Kind::Nightly => &["-Zbuild-std=core"],
        }
    }

    pub(crate) fn linker(&self) -> &Path {
        &self.linker
    }
}

fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
        command.env_remove(name);
    }
    command
}

fn require_compiler() -> Result<()> {
    if found("cc") {
        return Ok(());
    }
    bail!("no C compiler: install gcc or clang (the agent's database is written in C), then try again");
}

fn install_nightly() -> Result<()> {
    if !found("rustup") {
        bail!(
            "compiling eBPF needs a nightly compiler here; install rustup (https://rustup.rs), then try again.\n\
             On Debian 12 no nightly is needed."
        );
    }
    let installed = output(Command::new("rustup").args(["toolchain", "list"]))?;
    let has_source = || -> Result<bool> {
        let root = output(nightly("rustc").args(["--print", "sysroot"]))?;
        Ok(Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").is_dir())
    };
    if installed.lines().any(|line| line.starts_with("nightly")) && has_source()? {
        return Ok(());
    }
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"]);
    step("Installing", "the nightly toolchain with rust-src", &mut install)
        .remedy("`rustup toolchain install nightly --component rust-src` must succeed.")
}

fn path_with(first: &str) -> Result<ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(PathBuf::from(first)).chain(env::split_paths(&path));
    env::join_paths(all).context("a directory in PATH that cannot be written there")
}
