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
}
