//! `cargo xtask build`: the eBPF object, then the one binary that carries it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::exec::{self, output, say, seconds, stream};
use crate::project::Project;
use crate::setup::toolchain::{self, Toolchain};

const BPF_TARGET: &str = "bpfel-unknown-none";
/// A release build of the programs; the last word on what the workspace's profile says for the host.
const BPF_PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "2"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the eBPF object; prints its path
    #[arg(long)]
    object: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    if options.object {
        println!("{}", object(project)?.display());
    } else {
        stockade(project)?;
    }
    Ok(true)
}

/// Builds the eBPF object.
pub(crate) fn object(project: &Project) -> Result<PathBuf> {
    let toolchain = toolchain::prepare(project)?;
    say("eBPF", &format!("toolchain: {}", toolchain.describe()?));
    let started = Instant::now();
    let object = bpf_bin(project, &toolchain, "stockade-ebpf")?;
    check_object(&object)?;
    say("Built", &format!("{} in {}", shown(project, &object), seconds(started)));
    Ok(object)
}

/// Builds the object of empty programs, with which the product is compared.
pub(crate) fn floor(project: &Project) -> Result<PathBuf> {
    bpf_bin(project, &toolchain::prepare(project)?, "stockade-floor")
}

fn bpf_bin(project: &Project, toolchain: &Toolchain, bin: &str) -> Result<PathBuf> {
    let mut cargo = bpf_cargo(project, toolchain, "build", "ebpf", &[]);
    stream(cargo.args(["--bin", bin])).with_context(|| format!("the eBPF object `{bin}`"))?;
    Ok(project.target.join("ebpf").join(BPF_TARGET).join("release").join(bin))
}

/// Compiles the eBPF programs without linking them; a warning is an error.
pub(crate) fn check_programs(project: &Project) -> Result<()> {
    let toolchain = toolchain::prepare(project)?;
    stream(&mut bpf_cargo(project, &toolchain, "check", "ebpf-check", &["-Dwarnings"]))
}

/// A cargo that is about to do something with the eBPF programs, in a directory of its own below the
/// target directory.
fn bpf_cargo(project: &Project, toolchain: &Toolchain, verb: &str, dir: &str, more: &[&str]) -> Command {
    let linker = format!("linker={}", toolchain.linker().display());
    // Encoded, because the linker's path may hold spaces. BTF is what the kernel's verifier wants to
    // see; v3 has the 32 bit and atomic instructions, and both tested kernels know it.
    let codegen = [linker.as_str(), "debuginfo=2", "link-arg=--btf", "target-cpu=v3"];
    let mut flags: Vec<String> = codegen.iter().map(|option| format!("-C\u{1f}{option}")).collect();
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    let mut cargo = toolchain.cargo(project);
    cargo.args([verb, "--release", "--locked", "--package", "stockade-ebpf", "--target", BPF_TARGET]);
    cargo.args(toolchain.arguments()).arg("--target-dir").arg(project.target.join(dir));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).envs(BPF_PROFILE);
    cargo
}

/// Builds the product and leaves it as `release/stockade` in the target directory.
pub(crate) fn stockade(project: &Project) -> Result<PathBuf> {
    let object = object(project)?;
    let started = Instant::now();
    let built = static_binary(project, "stockade-agent", "stockade", &object)?;
    let release = project.release();
    fs::create_dir_all(&release).with_context(|| format!("creating {}", release.display()))?;
    let binary = release.join("stockade");
    let unfinished = release.join(".stockade.unfinished");
    fs::copy(&built, &unfinished).with_context(|| format!("copying {}", built.display()))?;
    fs::rename(&unfinished, &binary).with_context(|| format!("leaving {}", binary.display()))?;
    check_binary(&binary)?;
    say("Built", &format!("{} in {}", shown(project, &binary), seconds(started)));
    Ok(binary)
}

/// Builds process 1 of the guests.
pub(crate) fn guest(project: &Project) -> Result<PathBuf> {
    static_binary(project, "stockade-tests", "guest", Path::new(""))
}

/// A binary that needs nothing of the system it runs on.
fn static_binary(project: &Project, package: &str, bin: &str, object: &Path) -> Result<PathBuf> {
    let host = host(project)?;
    let mut cargo = project.cargo();
    // With an explicit target the flags leave build scripts and procedural macros alone, which cannot
    // be static.
    cargo.args(["build", "--release", "--locked", "--package", package, "--bin", bin, "--target", &host]);
    cargo.arg("--target-dir").arg(&project.target);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-C target-feature=+crt-static");
    if object.is_absolute() {
        cargo.env("STOCKADE_EBPF_OBJECT", object);
    }
    stream(&mut cargo).with_context(|| format!("the binary `{bin}`"))?;
    Ok(project.target.join(host).join("release").join(bin))
}

fn host(project: &Project) -> Result<String> {
    let mut rustc = project.cargo();
    rustc.args(["-vV"]);
    let version = output(&mut rustc)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`cargo -vV` names no host")?.to_owned())
}

/// An object without programs would pass every later step until a kernel sees it.
fn check_object(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let is_bpf = bytes.starts_with(b"\x7fELF") && bytes.get(18..20) == Some(&247_u16.to_le_bytes()[..]);
    let has = |section: &[u8]| bytes.windows(section.len()).any(|window| window == section);
    if !is_bpf || !has(b".BTF\0") || !has(b"maps\0") || !has(b"lsm/") {
        bail!("{} is no eBPF object with LSM programs, maps and BTF ({} bytes)", path.display(), bytes.len());
    }
    Ok(())
}

/// The binary itself must say that it carries programs.
fn check_binary(path: &Path) -> Result<()> {
    let version = output(Command::new(path).arg("--version"))?;
    let id = version.lines().find(|line| line.contains("eBPF")).with_context(|| {
        format!("{} names no eBPF build in its --version:\n{}", path.display(), exec::tail(&version))
    })?;
    if id.contains("none") {
        bail!("{} was built without its eBPF object: {id}", path.display());
    }
    Ok(())
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).display().to_string()
}
