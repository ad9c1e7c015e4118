//! The hooks that stockade attaches to.

macro_rules! hooks {
    ($($(#[$doc:meta])* $name:ident = $kernel:literal / $program:literal $(as $called:literal)? $(by $function:literal)? $(unless $without:literal)? $(beyond $beyond:literal)?;)+) => {
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

            /// Hooks for which there is room in the maps: the next build may have more, and goes on with
            /// the maps of this one.
            pub const ROOM: usize = 128;

            /// What it is called: the kernel's hook, unless another program is attached to that too.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => hooks!(@first $($called)? $kernel),)+
                }
            }

            /// Name of the kernel's hook.
            pub const fn kernel_name(self) -> &'static str {
                match self {
                    $(Self::$name => $kernel,)+
                }
            }

            /// Name of the kernel's function that stands for the hook.
            pub const fn lsm_function(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("bpf_lsm_", $kernel),)+
                }
            }

            /// Name of the kernel's function that calls the hook.
            pub const fn function(self) -> &'static str {
                match self {
                    $(Self::$name => hooks!(@first $($function)? concat!("security_", $kernel)),)+
                }
            }

            /// Name of the program in the object.
            pub const fn program(self) -> &'static str {
                match self {
                    $(Self::$name => $program,)+
                }
            }

            /// Why a kernel without this hook loses nothing; `None` for a hook without which there is no
            /// enforcing.
            pub const fn without(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => hooks!(@maybe $($without)?),)+
                }
            }

            /// Why the canary may not get as far as this hook on a good node; `None` for a hook that it must
            /// have been refused by. Where it was stopped before, the hook counts as proven as long as nothing
            /// went through.
            pub const fn beyond(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => hooks!(@maybe $($beyond)?),)+
                }
            }
        }
    };
    (@first $kernel:expr) => { $kernel };
    (@first $called:literal $kernel:expr) => { $called };
    (@maybe) => { None };
    (@maybe $reason:literal) => { Some($reason) };
}

hooks! {
    /// Judges a program about to start, and labels the first one of a subject.
    Exec = "bprm_check_security" / "stockade_exec" by "security_bprm_check";
    /// Takes the content of a program about to start, before [`Self::Exec`] judges it: of programs at one hook, the
    /// kernel runs first what was attached last.
    Content = "bprm_check_security" / "stockade_content" as "bprm_check_content" by "security_bprm_check";
    /// Makes a program that has started the one its process is known by.
    Started = "bprm_committed_creds" / "stockade_started";
    /// Judges opening a file.
    FileOpen = "file_open" / "stockade_open";
    /// Judges mapping a file executable.
    MmapFile = "mmap_file" / "stockade_mmap";
    /// Judges connecting a socket.
    Connect = "socket_connect" / "stockade_connect";
    /// Judges sending to an address that the message names.
    Send = "socket_sendmsg" / "stockade_send";
    /// Judges giving a socket a local port.
    Bind = "socket_bind" / "stockade_bind";
    /// Judges listening, also without a port of one's own choice.
    Listen = "socket_listen" / "stockade_listen";
    /// Judges taking a connection, also from a socket that was handed over.
    Accept = "socket_accept" / "stockade_accept";
    /// Judges connecting to a unix socket that carries a stream.
    UnixConnect = "unix_stream_connect" / "stockade_unix_connect";
    /// Judges connecting to a unix datagram socket, and each message to it.
    UnixSend = "unix_may_send" / "stockade_unix_send";
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
    /// Judges truncating a file by its name; before 6.2, by a descriptor too.
    Truncate = "path_truncate" / "stockade_truncate";
    /// Judges truncating a file by a descriptor that was not opened for writing anywhere in it.
    Ftruncate = "file_truncate" / "stockade_ftruncate" unless "path_truncate judges it before 6.2";
    /// Judges making a mapping of a file executable.
    Mprotect = "file_mprotect" / "stockade_mprotect";
    /// Judges taking `O_APPEND` away from an open file.
    Fcntl = "file_fcntl" / "stockade_fcntl";
    /// Refuses to use files that were open before the label and that no rule grants.
    Permission = "file_permission" / "stockade_permission";
    /// Judges an open file that comes from another process.
    Receive = "file_receive" / "stockade_receive";
    /// Judges changing an extended attribute, and refuses `security.*` and the like.
    SetXattr = "inode_setxattr" / "stockade_setxattr";
    /// The same, when they are removed.
    RemoveXattr = "inode_removexattr" / "stockade_removexattr";
    /// Judges changing times; what else comes here was judged by its path.
    Setattr = "inode_setattr" / "stockade_setattr";
    /// Judges changing an access control list.
    SetAcl = "inode_set_acl" / "stockade_set_acl" unless "inode_setxattr is asked for it before 6.2";
    /// The same, when it is removed.
    RemoveAcl = "inode_remove_acl" / "stockade_remove_acl" unless "inode_removexattr is asked for it before 6.2";
    /// Refuses what no container needs of devices and file systems.
    Ioctl = "file_ioctl" / "stockade_ioctl";
    /// The same for programs of 32 bits.
    IoctlCompat = "file_ioctl_compat" / "stockade_ioctl_compat" unless "file_ioctl is asked for those too";
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
    UsernsCreate = "userns_create" / "stockade_userns" by "security_create_user_ns" beyond "the node allows no user namespaces";
    /// Judges the `bpf` system call.
    Bpf = "bpf" / "stockade_bpf";
    /// Keeps the agent's maps for the agent.
    BpfMap = "bpf_map" / "stockade_bpf_map";
    /// Judges opening a performance event.
    PerfEventOpen = "perf_event_open" / "stockade_perf";
    /// Judges what makes the kernel load a module.
    ModuleRequest = "kernel_module_request" / "stockade_autoload" beyond "the kernel loads no modules by itself";
    /// Judges what the kernel loads from a file.
    KernelReadFile = "kernel_read_file" / "stockade_read_file" beyond "the node loads no modules";
    /// Judges what the kernel loads from memory.
    KernelLoadData = "kernel_load_data" / "stockade_load_data" beyond "the node loads no modules";
    /// Judges making a key.
    KeyAlloc = "key_alloc" / "stockade_key_alloc" beyond "the kernel has no keys";
    /// Judges using a key.
    KeyPermission = "key_permission" / "stockade_key" beyond "the kernel has no keys";
    /// Judges reading the kernel's log.
    Syslog = "syslog" / "stockade_syslog";
    /// Judges setting the clock.
    Settime = "settime" / "stockade_settime" by "security_settime64";
    /// Judges disk quotas.
    Quotactl = "quotactl" / "stockade_quotactl" beyond "the kernel knows no quotas";
    /// Judges making a ring, and a handler of page faults.
    InitAnonymous = "inode_init_security_anon" / "stockade_anonymous" beyond "the node allows no io_uring";
    /// Judges a ring that takes other credentials.
    UringOverrideCreds = "uring_override_creds" / "stockade_override" beyond "only a ring in use calls it";
    /// Judges looking into another process.
    PtraceAccess = "ptrace_access_check" / "stockade_ptrace";
    /// Judges asking to be traced.
    PtraceTraceme = "ptrace_traceme" / "stockade_traceme" beyond "a canary that is traced would stop";
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
    /// Judges making a socket.
    SocketCreate = "socket_create" / "stockade_socket";
    /// Judges options by which packets go another way than to the peer that was judged.
    Setsockopt = "socket_setsockopt" / "stockade_setsockopt";
    /// Judges making another file count as the running program.
    Prctl = "task_prctl" / "stockade_prctl";
    /// Judges becoming one whom the kernel asks before a file is opened.
    Notify = "path_notify" / "stockade_notify" beyond "the kernel asks nobody before a file is opened";
    /// Judges using an object of System V IPC: memory, semaphores, a queue of messages.
    IpcPermission = "ipc_permission" / "stockade_ipc" beyond "the kernel has no System V IPC";
    /// Judges changing and removing shared memory.
    ShmCtl = "shm_shmctl" / "stockade_shmctl" beyond "the kernel has no System V IPC";
    /// Judges changing and removing semaphores.
    SemCtl = "sem_semctl" / "stockade_semctl" beyond "the kernel has no System V IPC";
    /// Judges changing and removing a queue of messages.
    MsgCtl = "msg_queue_msgctl" / "stockade_msgctl" beyond "the kernel has no System V IPC";
}

const _: () = assert!(Hook::COUNT <= Hook::ROOM);
