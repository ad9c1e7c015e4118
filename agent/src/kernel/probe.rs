//! Can this node enforce, and if not, what to change.

use std::fs;
use std::path::Path;

use super::btf;
use super::mechanism::{self, Mechanism};

/// The first kernel whose LSM programs are not skipped when a task is preempted inside one
/// (commit 271de525e1d7, in 6.2 and in stable 6.1.54).
const OLDEST: (u32, u32, u32) = (6, 1, 54);

/// What was looked at, and what was found.
#[derive(Clone, Debug)]
pub struct Support {
    /// Release of the running kernel.
    pub release: String,
    /// One entry for each requirement.
    pub checks: Vec<Check>,
}

/// One requirement.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it is met.
    pub ok: bool,
    /// Whether there is no enforcing otherwise.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What to change when it is not met.
    pub remedy: String,
}

impl Support {
    /// Whether everything that enforcing needs is there.
    pub fn can_enforce(&self) -> bool {
        self.checks.iter().all(|check| check.ok || !check.required)
    }
}

/// What the requirements are judged by; read from the running kernel, or given by a test.
#[derive(Clone, Debug)]
struct Facts {
    release: String,
    /// Active security modules, or why they cannot be read.
    lsm: Result<String, String>,
    /// Whether the field offsets could be read.
    btf: Result<(), String>,
    /// Whether every hook is there that is needed.
    hooks: Result<(), String>,
    /// Whether cgroup v2 is mounted where containers are.
    cgroup2: bool,
    /// Whether the BPF file system is mounted.
    bpffs: bool,
}

/// Looks at the running kernel.
pub fn probe() -> Support {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    let mechanism = Mechanism::of_this_kernel();
    judge(&Facts {
        release: release.map_or_else(|error| format!("unknown ({error})"), |text| text.trim().to_owned()),
        lsm: fs::read_to_string(mechanism::ACTIVE).map_err(|error| error.to_string()),
        btf: btf::offsets(mechanism).map(drop).map_err(|error| error.to_string()),
        hooks: btf::hooks(mechanism).map(drop).map_err(|error| error.to_string()),
        cgroup2: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        bpffs: is_mounted("/sys/fs/bpf", "bpf"),
    })
}

fn is_mounted(at: &str, kind: &str) -> bool {
    let Ok(mounts) = fs::read_to_string("/proc/self/mounts") else { return false };
    mounts.lines().any(|line| {
        let mut words = line.split(' ').skip(1);
        words.next() == Some(at) && words.next() == Some(kind)
    })
}

fn judge(facts: &Facts) -> Support {
    let version = version(&facts.release);
    let kernel = Check {
        name: "kernel",
        required: true,
        ok: version.is_some_and(|version| version >= OLDEST),
        found: facts.release.clone(),
        remedy: "run Linux 6.1.54 or newer: older kernels skip an LSM program while another task is \
                 preempted inside it, and allow the operation"
            .to_owned(),
    };
    let lsm = match &facts.lsm {
        Ok(list) => {
            let list = list.trim();
            let wanted = if list.is_empty() { "bpf".to_owned() } else { format!("{list},bpf") };
            let limits = Mechanism::Functions.lacks().unwrap_or_default();
            Check {
                name: "lsm",
                ok: mechanism::names_bpf(list),
                required: false,
                found: list.to_owned(),
                remedy: format!(
                    "`bpf` is not among the active security modules, so the programs are attached to the kernel's \
                     functions instead ({}), with these limits: {limits}. To be without them, boot with \
                     lsm={wanted} (GRUB: append it to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub, \
                     reboot)",
                    Mechanism::Functions.name()
                ),
            }
        }
        Err(error) => Check {
            name: "lsm",
            ok: false,
            required: true,
            found: format!("/sys/kernel/security/lsm: {error}"),
            remedy: "mount securityfs: mount -t securityfs securityfs /sys/kernel/security".to_owned(),
        },
    };
    let btf = Check {
        name: "btf",
        required: true,
        ok: facts.btf.is_ok(),
        found: facts.btf.clone().map_or_else(|error| error, |()| btf::VMLINUX.to_owned()),
        remedy: "run a kernel built with CONFIG_DEBUG_INFO_BTF=y (every current distribution kernel is)"
            .to_owned(),
    };
    let hooks = Check {
        name: "hooks",
        required: true,
        ok: facts.hooks.is_ok(),
        found: facts.hooks.clone().map_or_else(|error| error, |()| "every one that is needed".to_owned()),
        remedy: "run a kernel built with CONFIG_SECURITY, CONFIG_SECURITY_PATH and CONFIG_SECURITY_NETWORK (every \
                 current distribution kernel is)"
            .to_owned(),
    };
    let cgroup = Check {
        name: "cgroup2",
        required: true,
        ok: facts.cgroup2,
        found: if facts.cgroup2 { "/sys/fs/cgroup" } else { "no unified hierarchy" }.to_owned(),
        remedy:
            "use the unified cgroup hierarchy: boot with systemd.unified_cgroup_hierarchy=1, or mount -t \
                 cgroup2 cgroup2 /sys/fs/cgroup"
                .to_owned(),
    };
    let bpffs = Check {
        name: "bpffs",
        required: true,
        ok: facts.bpffs,
        found: if facts.bpffs { "/sys/fs/bpf" } else { "not mounted" }.to_owned(),
        remedy: "mount the BPF file system: mount -t bpf bpf /sys/fs/bpf".to_owned(),
    };
    Support { release: facts.release.clone(), checks: vec![kernel, lsm, btf, hooks, cgroup, bpffs] }
}

/// Version numbers of a release. Debian writes its own ABI number into the release (`6.1.0-56-amd64`) and
/// the true version elsewhere, so a release whose third number is 0 is looked up in `/proc/version`.
fn version(release: &str) -> Option<(u32, u32, u32)> {
    let parsed = numbers(release)?;
    if parsed.2 != 0 {
        return Some(parsed);
    }
    let text = fs::read_to_string("/proc/version").ok()?;
    Some(debian_version(&text, release).unwrap_or(parsed))
}

/// The version that Debian adds after its name, of the kernel whose release is `release`.
fn debian_version(text: &str, release: &str) -> Option<(u32, u32, u32)> {
    if !text.contains(release) {
        return None;
    }
    numbers(text.split("Debian ").last()?)
}

fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    let patch = numbers.next().and_then(|patch| patch.parse().ok());
    Some((major, minor, patch.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            release: "6.12.9".to_owned(),
            lsm: Ok("lockdown,capability,landlock,yama,apparmor,bpf\n".to_owned()),
            btf: Ok(()),
            hooks: Ok(()),
            cgroup2: true,
            bpffs: true,
        }
    }

    fn failed(facts: &Facts) -> Vec<&'static str> {
        judge(facts).checks.iter().filter(|check| !check.ok).map(|check| check.name).collect()
    }

    #[test]
    fn a_good_node_passes() {
        assert!(judge(&good()).can_enforce());
    }

    #[test]
    fn each_missing_piece_is_named() {
        assert_eq!(failed(&Facts { release: "6.1.53".to_owned(), ..good() }), ["kernel"]);
        assert_eq!(failed(&Facts { release: "5.15.0-generic".to_owned(), ..good() }), ["kernel"]);
        assert_eq!(failed(&Facts { release: "odd".to_owned(), ..good() }), ["kernel"]);
        assert_eq!(failed(&Facts { lsm: Ok("capability,apparmor".to_owned()), ..good() }), ["lsm"]);
        assert_eq!(failed(&Facts { lsm: Err("No such file".to_owned()), ..good() }), ["lsm"]);
        assert_eq!(failed(&Facts { btf: Err("no file".to_owned()), ..good() }), ["btf"]);
        assert_eq!(failed(&Facts { hooks: Err("no hook".to_owned()), ..good() }), ["hooks"]);
        assert_eq!(failed(&Facts { cgroup2: false, ..good() }), ["cgroup2"]);
        assert_eq!(failed(&Facts { bpffs: false, ..good() }), ["bpffs"]);
    }

    #[test]
    fn a_missing_module_can_be_done_without_and_the_remedy_is_the_whole_option() {
        let support = judge(&Facts { lsm: Ok("capability,apparmor".to_owned()), ..good() });
        assert!(support.can_enforce());
        assert!(!judge(&Facts { lsm: Err("No such file".to_owned()), ..good() }).can_enforce());
        assert!(support.checks.iter().any(|check| check.remedy.contains("lsm=capability,apparmor,bpf")));
    }

    #[test]
    fn debian_hides_the_true_version() {
        let text = "Linux version 6.1.0-56-cloud-amd64 (x@y) (gcc-12) #1 SMP Debian 6.1.192-2 (2026-11-01)";
        assert_eq!(debian_version(text, "6.1.0-56-cloud-amd64"), Some((6, 1, 192)));
        assert_eq!(debian_version(text, "6.1.0-57-cloud-amd64"), None);
    }
}
