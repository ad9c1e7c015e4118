//! Where fields stand in the structures of the running kernel, as resolved by the agent from the
//! kernel's BTF and handed to the programs as one read-only global.

macro_rules! offsets {
    ($($(#[$doc:meta])* $field:ident = $type:literal . $path:literal;)+) => {
        /// Byte offsets, one for each field that the programs read.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct Offsets {
            $($(#[$doc])* pub $field: u32,)+
        }

        /// For each offset, in the order of [`Offsets`]: the structure and the field.
        pub const FIELDS: &[(&str, &str)] = &[$(($type, $path)),+];

        impl Offsets {
            /// Offsets from values in the order of [`FIELDS`].
            pub const fn from_values(values: [u32; FIELDS.len()]) -> Self {
                let [$($field),+] = values;
                Self { $($field),+ }
            }

            /// The values in the order of [`FIELDS`].
            pub const fn values(&self) -> [u32; FIELDS.len()] {
                [$(self.$field),+]
            }
        }
    };
}

offsets! {
    /// Local storages of a task; null while it has none.
    task_storage = "task_struct"."bpf_storage";
    /// Address space.
    task_mm = "task_struct"."mm";
    /// Root and working directory.
    task_fs = "task_struct"."fs";
    /// Process id, initial namespace.
    task_tgid = "task_struct"."tgid";
    /// Parent.
    task_real_parent = "task_struct"."real_parent";
    /// Leader of the thread group.
    task_group_leader = "task_struct"."group_leader";
    /// Number of a task in each of its pid namespaces.
    task_thread_pid = "task_struct"."thread_pid";
    /// File of the running program.
    mm_exe_file = "mm_struct"."exe_file";
    /// Root directory.
    fs_root = "fs_struct"."root";
    /// Directory entry of a path.
    path_dentry = "path"."dentry";
    /// Mount of a path.
    path_mnt = "path"."mnt";
    /// Path of an open file.
    file_path = "file"."f_path";
    /// Inode of an open file.
    file_inode = "file"."f_inode";
    /// Flags given to open.
    file_flags = "file"."f_flags";
    /// What the open file may be used for.
    file_mode = "file"."f_mode";
    /// File system of an inode.
    inode_sb = "inode"."i_sb";
    /// Magic number of a file system.
    sb_magic = "super_block"."s_magic";
    /// Flags of a file system.
    sb_flags = "super_block"."s_flags";
    /// Private data of a file system; of procfs, its [`Offsets::procfs_pidns`] holder.
    sb_fs_info = "super_block"."s_fs_info";
    /// Pid namespace whose processes a procfs shows.
    procfs_pidns = "proc_fs_info"."pid_ns";
    /// The part of a mount that paths point to.
    mount_mnt = "mount"."mnt";
    /// Mount namespace of a mount.
    mount_ns = "mount"."mnt_ns";
    /// Program to be started.
    bprm_file = "linux_binprm"."file";
    /// Depth of the innermost pid namespace.
    pid_level = "pid"."level";
    /// Number and namespace, by depth.
    pid_numbers = "pid"."numbers";
    /// Number in one pid namespace.
    upid_nr = "upid"."nr";
    /// That namespace.
    upid_ns = "upid"."ns";
    /// First process of a pid namespace.
    pidns_reaper = "pid_namespace"."child_reaper";
    /// Protocol half of a socket.
    socket_sk = "socket"."sk";
    /// Protocol number.
    sock_protocol = "sock"."sk_protocol";
}

/// Size of `struct upid`: a number, padding and a pointer. It is the stride of `pid.numbers`.
pub const UPID_SIZE: u32 = 16;
