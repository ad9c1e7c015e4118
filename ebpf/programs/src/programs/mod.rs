//! One entry for each hook; the rest is in the module of its name.

mod address;
mod atomic;
mod climb;
mod connect;
mod count;
mod emit;
mod exec;
mod facility;
mod file;
mod fork;
mod inherited;
mod judge;
mod kernel;
mod label;
mod listen;
mod maps;
mod memory;
mod name;
mod names;
mod never;
mod opened;
mod path;
mod peers;
mod place;
mod policy;
mod quick;
mod rounds;
mod scratch;
mod send;
mod unix;
mod widen;

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
    listen::listening(ctx.arg(2), Hook::Listen, ctx.arg(0))
}

#[lsm(hook = "socket_accept")]
fn stockade_accept(ctx: LsmContext) -> i32 {
    listen::listening(ctx.arg(2), Hook::Accept, ctx.arg(0))
}

#[lsm(hook = "unix_stream_connect")]
fn stockade_unix_connect(ctx: LsmContext) -> i32 {
    unix::reach(ctx.arg(3), Hook::UnixConnect, ctx.arg(1))
}

#[lsm(hook = "unix_may_send")]
fn stockade_unix_send(ctx: LsmContext) -> i32 {
    unix::reach(ctx.arg(2), Hook::UnixSend, unix::inner(ctx.arg(1)))
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
    never::xattr(ctx.arg(6), Hook::SetXattr, ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "inode_removexattr")]
fn stockade_removexattr(ctx: LsmContext) -> i32 {
    never::xattr(ctx.arg(3), Hook::RemoveXattr, ctx.arg(1), ctx.arg(2))
}

#[lsm(hook = "file_ioctl")]
fn stockade_ioctl(ctx: LsmContext) -> i32 {
    never::ioctl(ctx.arg(3), Hook::Ioctl, ctx.arg(0), ctx.arg(1))
}

#[lsm(hook = "file_ioctl_compat")]
fn stockade_ioctl_compat(ctx: LsmContext) -> i32 {
    never::ioctl(ctx.arg(3), Hook::IoctlCompat, ctx.arg(0), ctx.arg(1))
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
    stockade_chroot = "path_chroot"(1): Chroot, Chroot;
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL programs use the helpers needed here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
