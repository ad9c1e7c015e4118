//! How the kernel comes to ask the programs.

use std::fs;

use stockade_abi::hook::Hook;

/// Where the kernel tells its active security modules.
pub(super) const ACTIVE: &str = "/sys/kernel/security/lsm";

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// As a security module, which the kernel asks among the others.
    Lsm,
    /// To the functions that ask the security modules, before these are asked (`fmod_ret`): where the kernel was
    /// booted without `bpf` among its modules, and would never call them.
    Functions,
}

impl Mechanism {
    /// What the running kernel has. Where the active modules cannot be read, nothing is attached as one.
    pub fn of_this_kernel() -> Self {
        match fs::read_to_string(ACTIVE) {
            Ok(active) if names_bpf(&active) => Self::Lsm,
            Ok(_) | Err(_) => Self::Functions,
        }
    }

    /// Its name in `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Functions => "fmod_ret",
        }
    }

    /// What it cannot do that the other can, for `status`.
    pub const fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Lsm => None,
            Self::Functions => Some(
                "the kernel skips a program, and allows the operation, while another task is preempted inside the \
                 same one on the same processor (each is counted as a skipped run); contents (`sha256`) cannot be \
                 told, and rules that name them let nothing start; nothing is remembered of files, so each use \
                 costs as much as the first",
            ),
        }
    }

    /// Whether the program for `hook` works in this way: only a security module is told what is in a file.
    pub(super) const fn has(self, hook: Hook) -> bool {
        match self {
            Self::Lsm => true,
            Self::Functions => !matches!(hook, Hook::Content),
        }
    }

    /// The kernel's function that the program for `hook` is attached to.
    pub(super) const fn function(self, hook: Hook) -> &'static str {
        match self {
            Self::Lsm => hook.lsm_function(),
            Self::Functions => hook.function(),
        }
    }
}

/// Whether `bpf` is one of these modules.
pub(super) fn names_bpf(active: &str) -> bool {
    active.trim().split(',').any(|module| module == "bpf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_the_kernel() {
        let of = |hook| Mechanism::Functions.function(hook);
        assert_eq!(of(Hook::FileOpen), "security_file_open");
        assert_eq!(of(Hook::Exec), "security_bprm_check");
        assert_eq!(of(Hook::Started), "security_bprm_committed_creds");
        assert_eq!(of(Hook::Settime), "security_settime64");
        assert_eq!(Mechanism::Lsm.function(Hook::FileOpen), "bpf_lsm_file_open");
    }

    #[test]
    fn the_module_is_a_word_of_the_list() {
        assert!(names_bpf("capability,bpf\n") && !names_bpf("capability,bpfilter"));
    }
}
