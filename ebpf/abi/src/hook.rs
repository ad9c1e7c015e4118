//! The hooks that stockade attaches to.

macro_rules! hooks {
    ($($(#[$doc:meta])* $name:ident = $kernel:literal / $program:literal;)+) => {
        /// One LSM hook with its program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Hook {
            $($(#[$doc])* $name,)+
        }

        impl Hook {
            /// Every hook, in the order of its value.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$name),+];

            /// Number of hooks.
            pub const COUNT: usize = [$($kernel),+].len();

            /// Name of the kernel's hook.
            pub const fn kernel_name(self) -> &'static str {
                match self {
                    $(Self::$name => $kernel,)+
                }
            }

            /// Name of the program in the object.
            pub const fn program(self) -> &'static str {
                match self {
                    $(Self::$name => $program,)+
                }
            }
        }
    };
}

impl Hook {
    /// Why the canary may not get as far as this hook on a good node. Where it was stopped before, and what it
    /// tried did not go through, the hook counts as attached, and `status` says so.
    pub const fn out_of_reach(self) -> Option<&'static str> {
        match self {
            Self::UsernsCreate => Some("the node allows no user namespaces"),
            Self::ModuleRequest | Self::KernelReadFile | Self::KernelLoadData => {
                Some("the node loads no modules")
            }
            Self::Quotactl => Some("the kernel knows no quotas"),
            Self::InitAnonymous => Some("the node allows no io_uring"),
            Self::UringOverrideCreds => Some("only a ring in use calls it"),
            Self::PtraceTraceme => Some("a canary that is traced would stop"),
            Self::Exec
            | Self::Started
            | Self::FileOpen
            | Self::MmapFile
            | Self::Connect
            | Self::Fork
            | Self::Mknod
            | Self::Mkdir
            | Self::Symlink
            | Self::Link
            | Self::Unlink
            | Self::Rmdir
            | Self::Rename
            | Self::Chmod
            | Self::Chown
            | Self::Truncate
            | Self::Renamed
            | Self::Capable
            | Self::SbMount
            | Self::Chroot
            | Self::SbUmount
            | Self::SbPivotroot
            | Self::MoveMount
            | Self::Bpf
            | Self::PerfEventOpen
            | Self::KeyAlloc
            | Self::KeyPermission
            | Self::Syslog
            | Self::Settime
            | Self::PtraceAccess
            | Self::Kill
            | Self::Setscheduler
            | Self::Setnice
            | Self::Setioprio
            | Self::Setrlimit => None,
        }
    }
}

hooks! {
    /// Judges a program about to start, and labels the first one of a subject.
    Exec = "bprm_check_security" / "stockade_exec";
    /// Makes a program that has started the one its process is known by.
    Started = "bprm_committed_creds" / "stockade_started";
    /// Judges opening a file.
    FileOpen = "file_open" / "stockade_open";
    /// Judges mapping a file executable.
    MmapFile = "mmap_file" / "stockade_mmap";
    /// Judges connecting a socket.
    Connect = "socket_connect" / "stockade_connect";
    /// Hands the label to a new process.
    Fork = "task_alloc" / "stockade_fork";
    /// Judges making a file, FIFO, socket or device node.
    Mknod = "path_mknod" / "stockade_mknod";
    /// Judges making a directory.
    Mkdir = "path_mkdir" / "stockade_mkdir";
    /// Judges making a symbolic link.
    Symlink = "path_symlink" / "stockade_symlink";
    /// Judges making a hard link.
    Link = "path_link" / "stockade_link";
    /// Judges removing a name.
    Unlink = "path_unlink" / "stockade_unlink";
    /// Judges removing a directory.
    Rmdir = "path_rmdir" / "stockade_rmdir";
    /// Judges giving a name away.
    Rename = "path_rename" / "stockade_rename";
    /// Judges changing a file's mode.
    Chmod = "path_chmod" / "stockade_chmod";
    /// Judges changing a file's owner.
    Chown = "path_chown" / "stockade_chown";
    /// Judges truncating a file by its name.
    Truncate = "path_truncate" / "stockade_truncate";
    /// Notices that a directory is about to get another path.
    Renamed = "inode_rename" / "stockade_renamed";
    /// Judges the use of a capability.
    Capable = "capable" / "stockade_capable";
    /// Judges mounting.
    SbMount = "sb_mount" / "stockade_mount";
    /// Judges changing the root directory.
    Chroot = "path_chroot" / "stockade_chroot";
    /// Judges unmounting.
    SbUmount = "sb_umount" / "stockade_umount";
    /// Judges changing the root of a mount namespace.
    SbPivotroot = "sb_pivotroot" / "stockade_pivot";
    /// Judges moving a mount, and attaching a detached one.
    MoveMount = "move_mount" / "stockade_move";
    /// Judges making a user namespace.
    UsernsCreate = "userns_create" / "stockade_userns";
    /// Judges the `bpf` system call.
    Bpf = "bpf" / "stockade_bpf";
    /// Judges opening a performance event.
    PerfEventOpen = "perf_event_open" / "stockade_perf";
    /// Judges what makes the kernel load a module.
    ModuleRequest = "kernel_module_request" / "stockade_autoload";
    /// Judges what the kernel loads from a file.
    KernelReadFile = "kernel_read_file" / "stockade_read_file";
    /// Judges what the kernel loads from memory.
    KernelLoadData = "kernel_load_data" / "stockade_load_data";
    /// Judges making a key.
    KeyAlloc = "key_alloc" / "stockade_key_alloc";
    /// Judges using a key.
    KeyPermission = "key_permission" / "stockade_key";
    /// Judges reading the kernel's log.
    Syslog = "syslog" / "stockade_syslog";
    /// Judges setting the clock.
    Settime = "settime" / "stockade_settime";
    /// Judges disk quotas.
    Quotactl = "quotactl" / "stockade_quotactl";
    /// Judges making a ring, and a handler of page faults.
    InitAnonymous = "inode_init_security_anon" / "stockade_anonymous";
    /// Judges a ring that takes other credentials.
    UringOverrideCreds = "uring_override_creds" / "stockade_override";
    /// Judges looking into another process.
    PtraceAccess = "ptrace_access_check" / "stockade_ptrace";
    /// Judges asking to be traced.
    PtraceTraceme = "ptrace_traceme" / "stockade_traceme";
    /// Judges signals.
    Kill = "task_kill" / "stockade_kill";
    /// Judges changing how another process is scheduled.
    Setscheduler = "task_setscheduler" / "stockade_scheduler";
    /// Judges changing another process's priority.
    Setnice = "task_setnice" / "stockade_nice";
    /// Judges changing another process's priority on disks.
    Setioprio = "task_setioprio" / "stockade_ioprio";
    /// Judges changing another process's limits.
    Setrlimit = "task_setrlimit" / "stockade_rlimit";
}
