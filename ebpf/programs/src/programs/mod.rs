//! One entry for each hook; the rest is in the module of its name.

mod atomic;
mod climb;
mod connect;
mod count;
mod emit;
mod exec;
mod facility;
mod file;
mod fork;
mod judge;
mod kernel;
mod label;
mod maps;
mod memory;
mod name;
mod names;
mod others;
mod path;
mod peers;
mod policy;
mod quick;
mod rounds;
mod scratch;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;

#[lsm(hook = "bprm_check_security")]
fn stockade_exec(ctx: LsmContext) -> i32 {
    exec::bprm_check_security(&ctx)
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

#[lsm(hook = "task_alloc")]
fn stockade_fork(ctx: LsmContext) -> i32 {
    fork::task_alloc(&ctx)
}

// The last argument of each is what the programs before answered.

#[lsm(hook = "path_mknod")]
fn stockade_mknod(ctx: LsmContext) -> i32 {
    names::mknod(ctx.arg(4), ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3))
}

#[lsm(hook = "path_mkdir")]
fn stockade_mkdir(ctx: LsmContext) -> i32 {
    names::entry(ctx.arg(3), Hook::Mkdir, ctx.arg(0), ctx.arg(1), access::CREATE)
}

#[lsm(hook = "path_symlink")]
fn stockade_symlink(ctx: LsmContext) -> i32 {
    names::entry(ctx.arg(3), Hook::Symlink, ctx.arg(0), ctx.arg(1), access::CREATE)
}

#[lsm(hook = "path_link")]
fn stockade_link(ctx: LsmContext) -> i32 {
    names::link(ctx.arg(3), ctx.arg(0), ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "path_unlink")]
fn stockade_unlink(ctx: LsmContext) -> i32 {
    names::entry(ctx.arg(2), Hook::Unlink, ctx.arg(0), ctx.arg(1), access::DELETE)
}

#[lsm(hook = "path_rmdir")]
fn stockade_rmdir(ctx: LsmContext) -> i32 {
    names::entry(ctx.arg(2), Hook::Rmdir, ctx.arg(0), ctx.arg(1), access::DELETE)
}

#[lsm(hook = "path_rename")]
fn stockade_rename(ctx: LsmContext) -> i32 {
    names::rename(ctx.arg(5), (ctx.arg(0), ctx.arg(1)), (ctx.arg(2), ctx.arg(3)), ctx.arg(4))
}

#[lsm(hook = "path_chmod")]
fn stockade_chmod(ctx: LsmContext) -> i32 {
    names::chmod(ctx.arg(2), ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "path_chown")]
fn stockade_chown(ctx: LsmContext) -> i32 {
    names::file(ctx.arg(3), Hook::Chown, ctx.arg(0), access::ATTR)
}

#[lsm(hook = "path_truncate")]
fn stockade_truncate(ctx: LsmContext) -> i32 {
    names::file(ctx.arg(1), Hook::Truncate, ctx.arg(0), access::WRITE)
}

#[lsm(hook = "inode_rename")]
fn stockade_renamed(ctx: LsmContext) -> i32 {
    names::renamed(ctx.arg(4), ctx.arg(1), ctx.arg(3))
}

#[lsm(hook = "capable")]
fn stockade_capable(ctx: LsmContext) -> i32 {
    facility::capable(ctx.arg(4), ctx.arg(0), ctx.arg(2), ctx.arg(3))
}

/// Hooks that stand for one facility, each with the place of what the programs before answered.
macro_rules! facilities {
    ($($program:ident = $kernel:literal($before:literal): $hook:ident, $facility:ident;)+) => {$(
        #[lsm(hook = $kernel)]
        fn $program(ctx: LsmContext) -> i32 {
            facility::hook(ctx.arg($before), Hook::$hook, Facility::$facility)
        }
    )+};
}

facilities! {
    stockade_mount = "sb_mount"(5): SbMount, Mount;
    stockade_umount = "sb_umount"(2): SbUmount, Mount;
    stockade_pivot = "sb_pivotroot"(2): SbPivotroot, Mount;
    stockade_move = "move_mount"(2): MoveMount, Mount;
    stockade_chroot = "path_chroot"(1): Chroot, Chroot;
    stockade_userns = "userns_create"(1): UsernsCreate, Namespaces;
    stockade_bpf = "bpf"(3): Bpf, Bpf;
    stockade_perf = "perf_event_open"(2): PerfEventOpen, Perf;
    stockade_autoload = "kernel_module_request"(1): ModuleRequest, Modules;
    stockade_key_alloc = "key_alloc"(3): KeyAlloc, Keyrings;
    stockade_key = "key_permission"(3): KeyPermission, Keyrings;
    stockade_syslog = "syslog"(1): Syslog, KernelLog;
    stockade_settime = "settime"(2): Settime, Clock;
    stockade_quotactl = "quotactl"(4): Quotactl, Quota;
    stockade_override = "uring_override_creds"(1): UringOverrideCreds, IoUringCreds;
}

#[lsm(hook = "kernel_read_file")]
fn stockade_read_file(ctx: LsmContext) -> i32 {
    facility::kernel_code(ctx.arg(3), Hook::KernelReadFile, ctx.arg(1))
}

#[lsm(hook = "kernel_load_data")]
fn stockade_load_data(ctx: LsmContext) -> i32 {
    facility::kernel_code(ctx.arg(2), Hook::KernelLoadData, ctx.arg(0))
}

#[lsm(hook = "inode_init_security_anon")]
fn stockade_anonymous(ctx: LsmContext) -> i32 {
    facility::anonymous(ctx.arg(3), ctx.arg(1))
}

#[lsm(hook = "ptrace_access_check")]
fn stockade_ptrace(ctx: LsmContext) -> i32 {
    others::ptrace(ctx.arg(2), ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "ptrace_traceme")]
fn stockade_traceme(ctx: LsmContext) -> i32 {
    others::hook(ctx.arg(1), Hook::PtraceTraceme, ctx.arg(0), Facility::Ptrace)
}

#[lsm(hook = "task_kill")]
fn stockade_kill(ctx: LsmContext) -> i32 {
    others::kill(ctx.arg(4), ctx.arg(0), ctx.arg(2))
}

#[lsm(hook = "task_setscheduler")]
fn stockade_scheduler(ctx: LsmContext) -> i32 {
    others::hook(ctx.arg(1), Hook::Setscheduler, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setnice")]
fn stockade_nice(ctx: LsmContext) -> i32 {
    others::hook(ctx.arg(2), Hook::Setnice, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setioprio")]
fn stockade_ioprio(ctx: LsmContext) -> i32 {
    others::hook(ctx.arg(2), Hook::Setioprio, ctx.arg(0), Facility::Scheduling)
}

#[lsm(hook = "task_setrlimit")]
fn stockade_rlimit(ctx: LsmContext) -> i32 {
    others::hook(ctx.arg(3), Hook::Setrlimit, ctx.arg(0), Facility::Scheduling)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL programs use the helpers needed here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
