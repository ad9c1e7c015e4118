//! Linux capabilities by number, with the words that profiles and events use.

/// Capabilities of Linux 6.12, by their number.
pub const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A set of capabilities, one bit each, by their number.
pub type CapabilitySet = u64;

/// Every capability that has a name.
pub const ALL: CapabilitySet = (1 << CAPABILITIES.len()) - 1;

/// The number of `wake_alarm`.
pub const WAKE_ALARM: u32 = 35;

/// The name of a capability; `None` for one that this version does not know.
pub fn name(number: u32) -> Option<&'static str> {
    CAPABILITIES.get(number as usize).copied()
}

/// The capability that `word` names, as a set.
pub fn from_word(word: &str) -> Option<CapabilitySet> {
    CAPABILITIES.iter().position(|known| *known == word).map(|number| 1 << number)
}
