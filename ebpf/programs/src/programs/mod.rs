//! One entry for each hook; the rest is in the module of its name.

mod address;
mod atomic;
mod attributes;
mod climb;
mod connect;
mod content;
mod count;
mod dpath;
mod emit;
mod exec;
mod facility;
mod file;
mod fork;
mod inherited;
mod ipc;
mod judge;
mod kernel;
mod label;
mod listen;
mod maps;
mod memory;
mod mounts;
mod name;
mod names;
mod never;
mod opened;
mod origin;
mod others;
mod own_maps;
mod path;
mod peers;
mod place;
mod policy;
mod quick;
mod reported;
mod root;
mod rounds;
mod scratch;
mod seen;
mod send;
mod sockets;
mod special;
mod standing;
mod unix;
mod widen;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;

use self::kernel::{before, from_end};

#[lsm(hook = "bprm_check_security")]
fn stockade_exec(ctx: LsmContext) -> i32 {
    exec::bprm_check_security(&ctx)
}

#[lsm(hook = "bprm_check_security", sleepable)]
fn stockade_content(ctx: LsmContext) -> i32 {
    content::take(&ctx)
}

#[lsm(hook = "bprm_committed_creds")]
fn stockade_started(_ctx: LsmContext) -> i32 {
    exec::bprm_committed_creds()
}

#[lsm(hook = "file_open")]
fn stockade_open(ctx: LsmContext) -> i32 {
    file::file_open(&ctx)
}

#[lsm(hook = "mmap_file")]
fn stockade_mmap(ctx: LsmContext) -> i32 {
    file::mmap_file(&ctx)
}

#[lsm(hook = "socket_connect")]
fn stockade_connect(ctx: LsmContext) -> i32 {
    connect::socket_connect(&ctx)
}

#[lsm(hook = "socket_sendmsg")]
fn stockade_send(ctx: LsmContext) -> i32 {
    send::socket_sendmsg(&ctx)
}

#[lsm(hook = "socket_bind")]
fn stockade_bind(ctx: LsmContext) -> i32 {
    listen::socket_bind(&ctx)
}

#[lsm(hook = "socket_listen")]
fn stockade_listen(ctx: LsmContext) -> i32 {
    listen::listening(before!(&ctx, Listen), Hook::Listen, ctx.arg(0))
}

#[lsm(hook = "socket_accept")]
fn stockade_accept(ctx: LsmContext) -> i32 {
    listen::listening(before!(&ctx, Accept), Hook::Accept, ctx.arg(0))
}

#[lsm(hook = "unix_stream_connect")]
fn stockade_unix_connect(ctx: LsmContext) -> i32 {
    unix::reach(before!(&ctx, UnixConnect), Hook::UnixConnect, ctx.arg(1))
}

#[lsm(hook = "unix_may_send")]
fn stockade_unix_send(ctx: LsmContext) -> i32 {
    unix::reach(before!(&ctx, UnixSend), Hook::UnixSend, unix::inner(ctx.arg(1)))
}

#[lsm(hook = "task_alloc")]
fn stockade_fork(ctx: LsmContext) -> i32 {
    fork::task_alloc(&ctx)
}

#[lsm(hook = "path_mknod")]
fn stockade_mknod(ctx: LsmContext) -> i32 {
    names::mknod(before!(&ctx, Mknod), ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3))
}

#[lsm(hook = "path_mkdir")]
fn stockade_mkdir(ctx: LsmContext) -> i32 {
    names::directory(before!(&ctx, Mkdir), Hook::Mkdir, ctx.arg(0), ctx.arg(1), access::CREATE)
}

#[lsm(hook = "path_symlink")]
fn stockade_symlink(ctx: LsmContext) -> i32 {
    names::entry(before!(&ctx, Symlink), Hook::Symlink, ctx.arg(0), ctx.arg(1), access::CREATE)
}

#[lsm(hook = "path_link")]
fn stockade_link(ctx: LsmContext) -> i32 {
    names::link(before!(&ctx, Link), ctx.arg(0), ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "path_unlink")]
fn stockade_unlink(ctx: LsmContext) -> i32 {
    names::entry(before!(&ctx, Unlink), Hook::Unlink, ctx.arg(0), ctx.arg(1), access::DELETE)
}

#[lsm(hook = "path_rmdir")]
fn stockade_rmdir(ctx: LsmContext) -> i32 {
    names::directory(before!(&ctx, Rmdir), Hook::Rmdir, ctx.arg(0), ctx.arg(1), access::DELETE)
}

#[lsm(hook = "path_rename")]
fn stockade_rename(ctx: LsmContext) -> i32 {
    names::rename(before!(&ctx, Rename), (ctx.arg(0), ctx.arg(1)), (ctx.arg(2), ctx.arg(3)), ctx.arg(4))
}

#[lsm(hook = "path_chmod")]
fn stockade_chmod(ctx: LsmContext) -> i32 {
    names::chmod(before!(&ctx, Chmod), ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "path_chown")]
fn stockade_chown(ctx: LsmContext) -> i32 {
    names::file(before!(&ctx, Chown), Hook::Chown, ctx.arg(0), access::ATTR)
}

#[lsm(hook = "path_truncate")]
fn stockade_truncate(ctx: LsmContext) -> i32 {
    names::file(before!(&ctx, Truncate), Hook::Truncate, ctx.arg(0), access::WRITE)
}

#[lsm(hook = "file_truncate")]
fn stockade_ftruncate(ctx: LsmContext) -> i32 {
    opened::truncate(&ctx)
}

#[lsm(hook = "file_mprotect")]
fn stockade_mprotect(ctx: LsmContext) -> i32 {
    opened::mprotect(&ctx)
}

#[lsm(hook = "file_fcntl")]
fn stockade_fcntl(ctx: LsmContext) -> i32 {
    opened::fcntl(&ctx)
}

#[lsm(hook = "file_permission")]
fn stockade_permission(ctx: LsmContext) -> i32 {
    inherited::permission(&ctx)
}

#[lsm(hook = "file_receive")]
fn stockade_receive(ctx: LsmContext) -> i32 {
    inherited::receive(&ctx)
}

// The first argument of those for extended attributes has another type in each kernel, and is not needed.

#[lsm(hook = "inode_setxattr")]
fn stockade_setxattr(ctx: LsmContext) -> i32 {
    attributes::xattr(before!(&ctx, SetXattr), Hook::SetXattr, ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "inode_removexattr")]
fn stockade_removexattr(ctx: LsmContext) -> i32 {
    attributes::xattr(before!(&ctx, RemoveXattr), Hook::RemoveXattr, ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "inode_setattr")]
fn stockade_setattr(ctx: LsmContext) -> i32 {
    attributes::times(before!(&ctx, Setattr), from_end!(&ctx, Setattr, 2), from_end!(&ctx, Setattr, 1))
}

#[lsm(hook = "inode_set_acl")]
fn stockade_set_acl(ctx: LsmContext) -> i32 {
    attributes::acl(before!(&ctx, SetAcl), Hook::SetAcl, ctx.arg(1))
}

#[lsm(hook = "inode_remove_acl")]
fn stockade_remove_acl(ctx: LsmContext) -> i32 {
    attributes::acl(before!(&ctx, RemoveAcl), Hook::RemoveAcl, ctx.arg(1))
}

#[lsm(hook = "file_ioctl")]
fn stockade_ioctl(ctx: LsmContext) -> i32 {
    never::ioctl(before!(&ctx, Ioctl), Hook::Ioctl, ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "file_ioctl_compat")]
fn stockade_ioctl_compat(ctx: LsmContext) -> i32 {
    never::ioctl(before!(&ctx, IoctlCompat), Hook::IoctlCompat, ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "inode_rename")]
fn stockade_renamed(ctx: LsmContext) -> i32 {
    names::renamed(before!(&ctx, Renamed), ctx.arg(1), ctx.arg(3))
}

#[lsm(hook = "capable")]
fn stockade_capable(ctx: LsmContext) -> i32 {
    facility::capable(before!(&ctx, Capable), ctx.arg(0), ctx.arg(2), ctx.arg(3))
}

/// Hooks that stand for one facility.
macro_rules! facilities {
    ($($program:ident = $kernel:literal: $hook:ident, $facility:ident;)+) => {$(
        #[lsm(hook = $kernel)]
        fn $program(ctx: LsmContext) -> i32 {
            facility::hook(before!(&ctx, $hook), Hook::$hook, Facility::$facility)
        }
    )+};
}

facilities! {
    stockade_mount = "sb_mount": SbMount, Mount;
    stockade_umount = "sb_umount": SbUmount, Mount;
    stockade_pivot = "sb_pivotroot": SbPivotroot, Mount;
    stockade_move = "move_mount": MoveMount, Mount;
    stockade_userns = "userns_create": UsernsCreate, Namespaces;
    stockade_perf = "perf_event_open": PerfEventOpen, Perf;
    stockade_autoload = "kernel_module_request": ModuleRequest, Modules;
    stockade_key_alloc = "key_alloc": KeyAlloc, Keyrings;
    stockade_key = "key_permission": KeyPermission, Keyrings;
    stockade_syslog = "syslog": Syslog, KernelLog;
    stockade_settime = "settime": Settime, Clock;
    stockade_quotactl = "quotactl": Quotactl, Quota;
    stockade_override = "uring_override_creds": UringOverrideCreds, IoUringCreds;
}

#[lsm(hook = "path_chroot")]
fn stockade_chroot(ctx: LsmContext) -> i32 {
    root::change(before!(&ctx, Chroot))
}

#[lsm(hook = "bpf")]
fn stockade_bpf(ctx: LsmContext) -> i32 {
    own_maps::bpf(before!(&ctx, Bpf), ctx.arg(0))
}

#[lsm(hook = "bpf_map")]
fn stockade_bpf_map(ctx: LsmContext) -> i32 {
    own_maps::bpf_map(&ctx)
}

#[lsm(hook = "kernel_read_file")]
fn stockade_read_file(ctx: LsmContext) -> i32 {
    facility::kernel_code(before!(&ctx, KernelReadFile), Hook::KernelReadFile, ctx.arg(1))
}

#[lsm(hook = "kernel_load_data")]
fn stockade_load_data(ctx: LsmContext) -> i32 {
    facility::kernel_code(before!(&ctx, KernelLoadData), Hook::KernelLoadData, ctx.arg(0))
}

#[lsm(hook = "inode_init_security_anon")]
fn stockade_anonymous(ctx: LsmContext) -> i32 {
    facility::anonymous(before!(&ctx, InitAnonymous), ctx.arg(1))
}

#[lsm(hook = "ptrace_access_check")]
fn stockade_ptrace(ctx: LsmContext) -> i32 {
    others::ptrace(before!(&ctx, PtraceAccess), ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "ptrace_traceme")]
fn stockade_traceme(ctx: LsmContext) -> i32 {
    others::hook(before!(&ctx, PtraceTraceme), Hook::PtraceTraceme, ctx.arg(0), Facility::Ptrace)
}

#[lsm(hook = "task_kill")]
fn stockade_kill(ctx: LsmContext) -> i32 {
    others::kill(before!(&ctx, Kill), ctx.arg(0), ctx.arg(2))
}

#[lsm(hook = "task_setscheduler")]
fn stockade_scheduler(ctx: LsmContext) -> i32 {
    others::hook(before!(&ctx, Setscheduler), Hook::Setscheduler, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setnice")]
fn stockade_nice(ctx: LsmContext) -> i32 {
    others::hook(before!(&ctx, Setnice), Hook::Setnice, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setioprio")]
fn stockade_ioprio(ctx: LsmContext) -> i32 {
    others::hook(before!(&ctx, Setioprio), Hook::Setioprio, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setrlimit")]
fn stockade_rlimit(ctx: LsmContext) -> i32 {
    others::hook(before!(&ctx, Setrlimit), Hook::Setrlimit, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "socket_create")]
fn stockade_socket(ctx: LsmContext) -> i32 {
    sockets::socket_create(&ctx)
}

#[lsm(hook = "socket_setsockopt")]
fn stockade_setsockopt(ctx: LsmContext) -> i32 {
    sockets::setsockopt(&ctx)
}

// Where this one answers nothing, the kernel goes on with a call that no module knows.
#[lsm(hook = "task_prctl")]
fn stockade_prctl(ctx: LsmContext) -> i32 {
    facility::prctl(before!(&ctx, Prctl), ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "path_notify")]
fn stockade_notify(ctx: LsmContext) -> i32 {
    facility::notify(before!(&ctx, Notify), ctx.arg(1))
}

#[lsm(hook = "ipc_permission")]
fn stockade_ipc(ctx: LsmContext) -> i32 {
    ipc::hook(before!(&ctx, IpcPermission), Hook::IpcPermission)
}

#[lsm(hook = "shm_shmctl")]
fn stockade_shmctl(ctx: LsmContext) -> i32 {
    ipc::hook(before!(&ctx, ShmCtl), Hook::ShmCtl)
}

#[lsm(hook = "sem_semctl")]
fn stockade_semctl(ctx: LsmContext) -> i32 {
    ipc::hook(before!(&ctx, SemCtl), Hook::SemCtl)
}

#[lsm(hook = "msg_queue_msgctl")]
fn stockade_msgctl(ctx: LsmContext) -> i32 {
    ipc::hook(before!(&ctx, MsgCtl), Hook::MsgCtl)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL programs use the helpers needed here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
