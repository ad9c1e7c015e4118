//! Where fields stand in the structures of the running kernel.
//!
//! The programs are compiled with a placeholder for each field; the agent resolves the fields from the
//! kernel's BTF and puts the offsets in the placeholders' stead before it loads the programs. So a field
//! costs the programs no more than one that the compiler knew.

use crate::hook::Hook;

/// Placeholders of loads begin here: the 16-bit offset of a load from memory is this plus the field's
/// number. No structure of the kernel is that large.
pub const LOAD_MARK: i16 = 0x7a00;

/// Placeholders of loads of what the programs before answered begin here: this plus the hook's number. It stands
/// behind the hook's arguments, whose number differs between kernels.
pub const ANSWER_MARK: i16 = LOAD_MARK + 0x100;

/// The placeholder of a load of an argument of `hook`, `back` before what the programs before answered: at most
/// [`ARGUMENTS_BACK`].
pub const fn argument_mark(hook: Hook, back: u32) -> i32 {
    assert!(back <= ARGUMENTS_BACK);
    ANSWER_MARK as i32 + (back * ARGUMENT_STRIDE + hook as u32).cast_signed()
}

/// How many arguments can be counted from the last.
pub const ARGUMENTS_BACK: u32 = 2;

/// Between the placeholders of one argument and of the one before it: as many as there can be hooks.
pub const ARGUMENT_STRIDE: u32 = 128;

const _: () = assert!(ARGUMENT_STRIDE as usize == Hook::ROOM);

/// Placeholders of offsets as numbers begin here: the 32-bit operand of an addition or assignment is
/// this plus the field's number.
pub const VALUE_MARK: i32 = 0x7a7a_5300;

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $type:literal . $path:literal $($optional:ident)?;)+) => {
        /// The fields that the programs read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(non_camel_case_types, reason = "they stand for fields, and are written like them")]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* $field,)+
        }

        /// For each field, in the order of [`Field`]: the structure, and the path to the field in it, or
        /// several with `|` between, of which the first that is there counts. `+` is what follows the structure.
        pub const FIELDS: &[(&str, &str)] = &[$(($type, $path)),+];

        /// For each field, in the order of [`Field`]: whether a kernel may be without it. The offset of a
        /// field that is not there is 0, which is no field's that may be missing.
        pub const OPTIONAL: &[bool] = &[$(fields!(@optional $($optional)?)),+];
    };
    (@optional) => { false };
    (@optional optional) => { true };
}

fields! {
    /// No field: 1 where the programs are attached to the functions that call the hooks, see
    /// [`Hook::function`]; 0 where they are hooks themselves.
    is_tracing = "stockade"."is_tracing" optional;
    /// Local storages of a task; null while it has none.
    task_storage = "task_struct"."bpf_storage";
    /// Credentials that count, which the kernel may exchange for a while.
    task_cred = "task_struct"."cred";
    /// Credentials of its own.
    task_real_cred = "task_struct"."real_cred";
    /// How the task wants to be treated.
    task_personality = "task_struct"."personality";
    /// Address space.
    task_mm = "task_struct"."mm";
    /// Root and working directory.
    task_fs = "task_struct"."fs";
    /// Open files.
    task_files = "task_struct"."files";
    /// Table of open files.
    files_table = "files_struct"."fdt";
    /// Places in the table.
    table_size = "fdtable"."max_fds";
    /// The files, by descriptor.
    table_files = "fdtable"."fd";
    /// Namespaces.
    task_nsproxy = "task_struct"."nsproxy";
    /// Process id, initial namespace.
    task_tgid = "task_struct"."tgid";
    /// When it was made, by the monotonic clock.
    task_started = "task_struct"."start_time";
    /// What it is about, `PF_EXITING` among it.
    task_flags = "task_struct"."flags";
    /// Parent.
    task_real_parent = "task_struct"."real_parent";
    /// Leader of the thread group.
    task_group_leader = "task_struct"."group_leader";
    /// Number of a task in each of its pid namespaces.
    task_thread_pid = "task_struct"."thread_pid";
    /// The values in a storage that were asked for last.
    storage_cache = "bpf_local_storage"."cache";
    /// The map that a value in a storage belongs to.
    data_map = "bpf_local_storage_data"."smap";
    /// A value in a storage.
    data_value = "bpf_local_storage_data"."data";
    /// The first value of a map that is an array, from the map on.
    array_value = "bpf_array"."value";
    /// File of the running program.
    mm_exe_file = "mm_struct"."exe_file";
    /// Mount of the root directory.
    fs_root_mount = "fs_struct"."root.mnt";
    /// Directory entry of the root directory.
    fs_root_dentry = "fs_struct"."root.dentry";
    /// Mount namespace.
    nsproxy_mounts = "nsproxy"."mnt_ns";
    /// Namespace of System V IPC.
    nsproxy_ipc = "nsproxy"."ipc_ns";
    /// Number of such a namespace; a kernel without System V IPC may have none.
    ipc_number = "ipc_namespace"."ns.inum" optional;
    /// Number of the last change of a mount namespace.
    mounts_event = "mnt_namespace"."event";
    /// Directory entry of a path.
    path_dentry = "path"."dentry";
    /// Mount of a path.
    path_mount = "path"."mnt";
    /// Path of an open file.
    file_path = "file"."f_path";
    /// Directory entry of an open file.
    file_dentry = "file"."f_path.dentry";
    /// Mount of an open file.
    file_mount = "file"."f_path.mnt";
    /// Inode of an open file.
    file_inode = "file"."f_inode";
    /// Flags given to open.
    file_flags = "file"."f_flags";
    /// What the open file may be used for.
    file_mode = "file"."f_mode";
    /// Who opened the file.
    file_cred = "file"."f_cred";
    /// The path that the user opened, of a file behind an overlay's; since 6.7.
    backing_user_dentry = "backing_file"."user_path.dentry" optional;
    /// Its mount.
    backing_user_mount = "backing_file"."user_path.mnt" optional;
    /// File of a mapping.
    vma_file = "vm_area_struct"."vm_file";
    /// Flags of a mapping.
    vma_flags = "vm_area_struct"."vm_flags";
    /// Flags of a directory entry.
    dentry_flags = "dentry"."d_flags";
    /// Changes with each rename of a directory entry.
    dentry_sequence = "dentry"."d_seq.seqcount.sequence";
    /// Back link in the hash table of directory entries; null once the name was removed.
    dentry_hashed = "dentry"."d_hash.pprev";
    /// The directory.
    dentry_parent = "dentry"."d_parent";
    /// Hash of the directory and the name.
    dentry_name_hash = "dentry"."d_name.hash";
    /// Length of the name.
    dentry_name_len = "dentry"."d_name.len";
    /// Address of the name.
    dentry_name = "dentry"."d_name.name";
    /// Inode; null while there is no file of that name.
    dentry_inode = "dentry"."d_inode";
    /// A short name's place.
    dentry_short = "dentry"."d_iname|d_shortname";
    /// File system.
    dentry_sb = "dentry"."d_sb";
    /// File system of an inode.
    inode_sb = "inode"."i_sb";
    /// Type and permissions of a file.
    inode_mode = "inode"."i_mode";
    /// Number of a device.
    inode_device = "inode"."i_rdev";
    /// Number of a file.
    inode_number = "inode"."i_ino";
    /// Number of a file system.
    sb_device = "super_block"."s_dev";
    /// When a file, or anything about it, was changed last: seconds since the epoch.
    inode_changed = "inode"."i_ctime_sec|i_ctime.tv_sec|__i_ctime.tv_sec";
    /// And nanoseconds; newer kernels keep flags in the highest bits.
    inode_changed_ns = "inode"."i_ctime_nsec|i_ctime.tv_nsec|__i_ctime.tv_nsec";
    /// Of a file on an overlay, from its inode on: the file in the upper layer, null while there is none. The
    /// overlay's structure can be a module's; the field has always been the first behind the inode.
    inode_upper = "inode"."+";
    /// Lock of a directory's entries.
    inode_lock = "inode"."i_rwsem.count";
    /// Magic number of a file system.
    sb_magic = "super_block"."s_magic";
    /// First mount of a file system; not a list from 6.17 on.
    sb_mounts = "super_block"."s_mounts.next" optional;
    /// Flags of a file system.
    sb_flags = "super_block"."s_flags";
    /// Private data of a file system; of procfs, the holder of `procfs_pidns`.
    sb_fs_info = "super_block"."s_fs_info";
    /// Pid namespace whose processes a procfs shows.
    procfs_pidns = "proc_fs_info"."pid_ns";
    /// Root directory of a mounted file system.
    vfsmount_root = "vfsmount"."mnt_root";
    /// The part of a mount that paths point to.
    mount_mnt = "mount"."mnt";
    /// What is to be changed of a file.
    iattr_valid = "iattr"."ia_valid";
    /// Mount namespace of a mount.
    mount_ns = "mount"."mnt_ns";
    /// Next mount of the same file system.
    mount_instance = "mount"."mnt_instance.next" optional;
    /// The mount that it is mounted on.
    mount_parent = "mount"."mnt_parent";
    /// The directory entry that it is mounted on.
    mount_point = "mount"."mnt_mountpoint";
    /// Address of a name's text.
    qstr_name = "qstr"."name";
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
    /// File of a socket; null for one of the kernel's own.
    socket_file = "socket"."file";
    /// Address family.
    sock_family = "sock"."__sk_common.skc_family";
    /// Stream, datagram and so on.
    sock_type = "sock"."sk_type";
    /// Protocol number.
    sock_protocol = "sock"."sk_protocol";
    /// What the process has chosen itself, of what the kernel would choose: not whole bytes everywhere.
    sock_locks = "sock"."sk_userlocks";
    /// The lowest bit of that in its byte.
    sock_locks_bit = "sock"."sk_userlocks#";
    /// Local port, in the processor's order; 0 for none.
    sock_port = "sock"."__sk_common.skc_num";
    /// Name of a unix socket; null while it has none.
    unix_address = "unix_sock"."addr";
    /// Directory entry of a unix socket's name; null for an abstract one.
    unix_dentry = "unix_sock"."path.dentry";
    /// Mount on which it was bound.
    unix_mount = "unix_sock"."path.mnt";
    /// Bytes of a unix socket's address structure.
    unix_address_len = "unix_address"."len";
    /// That structure.
    unix_address_name = "unix_address"."name";
    /// Address to send to; null for where the socket is connected to.
    msg_name = "msghdr"."msg_name";
    /// Bytes of that address.
    msg_name_len = "msghdr"."msg_namelen";
    /// Flags of the call.
    msg_flags = "msghdr"."msg_flags";
    /// Control messages: those of a process were copied from it.
    msg_control = "msghdr"."msg_control";
    /// Bytes of them.
    msg_control_len = "msghdr"."msg_controllen";
}

/// Size of `struct upid`: a number, padding and a pointer. It is the stride of `pid.numbers`.
pub const UPID_SIZE: u32 = 16;

const _: () = assert!(FIELDS.len() < 0x100);
