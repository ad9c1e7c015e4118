//! Facilities: things of the kernel's that are granted by name, because there is no object to name.

/// A set of facilities, one bit each.
pub type FacilitySet = u32;

macro_rules! facilities {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $about:literal;)+) => {
        /// Something of the kernel's that a profile grants by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Facility {
            $($(#[$doc])* $name,)+
        }

        impl Facility {
            /// Every facility, in the order of its number.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$name),+];

            /// The word for it in profiles and events.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// What it lets a process do, in a few words.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about,)+
                }
            }
        }
    };
}

facilities! {
    /// Mounts.
    Mount = "mount", "mount, unmount, move and detach file systems, change the root of a mount namespace";
    /// Namespaces.
    Namespaces = "namespaces", "make namespaces, and enter them";
    /// The root directory.
    Chroot = "chroot", "change the root directory";
    /// Tracing other subjects.
    Ptrace = "ptrace", "trace processes beyond the subject, read their memory, take their descriptors, change the own file or memory";
    /// Signals to other subjects.
    Signals = "signals", "signal processes beyond the subject";
    /// Scheduling of other subjects.
    Scheduling = "scheduling", "change priorities, processors and limits of processes beyond the subject";
    /// The `bpf` system call.
    Bpf = "bpf", "use the bpf system call";
    /// Performance events.
    Perf = "perf", "open performance events";
    /// Kernel modules.
    Modules = "modules", "load and remove kernel modules, also by naming what one is loaded for";
    /// Another kernel.
    Kexec = "kexec", "load another kernel";
    /// Keyrings.
    Keyrings = "keyrings", "make and use keys";
    /// Page faults handled by a process.
    Userfaultfd = "userfaultfd", "handle page faults of a process in user space";
    /// Settings of the kernel.
    Sysctl = "sysctl", "write to /proc/sys, to other files of the whole kernel in /proc, and to /sys and its like";
    /// Control groups.
    Cgroup = "cgroup", "make, remove and change control groups, and start processes in them";
    /// Device nodes.
    Devices = "devices", "open and make device nodes, but for harmless ones";
    /// Raw and packet sockets.
    RawSockets = "raw_sockets", "make raw and packet sockets, and send packets by another way or as somebody else";
    /// Exotic sockets.
    OtherSockets = "other_sockets", "make sockets of other families and protocols than the ordinary ones";
    /// The kernel's log.
    KernelLog = "kernel_log", "read and clear the log of the kernel";
    /// The clock.
    Clock = "clock", "set the clock";
    /// Disk quotas.
    Quota = "quota", "read and change disk quotas";
    /// Borrowed credentials in a ring.
    IoUringCreds = "io_uring_creds", "let a ring work with credentials that were registered before";
    /// Rings.
    IoUring = "io_uring", "make rings of io_uring";
    /// Code made while running.
    Jit = "jit", "make anonymous memory executable";
    /// Being asked by the kernel.
    Fanotify = "fanotify", "let the kernel ask it before others open, read or start a file";
    /// System V IPC with the host.
    Ipc = "ipc", "use shared memory, semaphores and message queues of System V IPC in the host's namespace";
    /// Programs in the kernel that see a socket's packets.
    SocketFilters = "socket_filters", "attach filters to sockets";
    /// Files outside of the root of the subject.
    ForeignFiles = "foreign_files", "use files that lie outside of the root directory that the subject began with";
}

impl Facility {
    /// It alone, as a set.
    #[inline(always)]
    pub const fn bit(self) -> FacilitySet {
        1 << self as u32
    }

    /// The facility with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }

    /// The facility that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facility| facility.word() == word)
    }
}

/// What a profile grants that says nothing: what programs use by themselves, and whose harm is judged
/// elsewhere.
pub const GRANTED: FacilitySet = Facility::IoUring.bit() | Facility::Jit.bit();

/// Every facility.
pub const ALL: FacilitySet = (1 << Facility::ALL.len()) - 1;

const _: () = assert!(Facility::ALL.len() < 32);
