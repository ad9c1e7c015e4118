//! The hooks that stockade attaches to.

/// One LSM hook with its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Hook {
    /// Judges a program about to start, and labels the first one of a subject.
    Exec = 0,
    /// Judges opening a file.
    FileOpen = 1,
    /// Judges mapping a file executable.
    MmapFile = 2,
    /// Judges connecting a socket.
    Connect = 3,
    /// Hands the label to a new process.
    Fork = 4,
}

impl Hook {
    /// Number of hooks.
    pub const COUNT: usize = 5;

    /// Every hook, in the order of its value.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Exec, Self::FileOpen, Self::MmapFile, Self::Connect, Self::Fork];

    /// Name of the kernel's hook.
    pub const fn kernel_name(self) -> &'static str {
        match self {
            Self::Exec => "bprm_check_security",
            Self::FileOpen => "file_open",
            Self::MmapFile => "mmap_file",
            Self::Connect => "socket_connect",
            Self::Fork => "task_alloc",
        }
    }

    /// Name of the program in the object.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Exec => "stockade_exec",
            Self::FileOpen => "stockade_open",
            Self::MmapFile => "stockade_mmap",
            Self::Connect => "stockade_connect",
            Self::Fork => "stockade_fork",
        }
    }
}
