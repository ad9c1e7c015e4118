//! One entry for each hook; the rest is in the module of its name.

mod atomic;
mod climb;
mod connect;
mod count;
mod emit;
mod exec;
mod file;
mod fork;
mod judge;
mod kernel;
mod label;
mod maps;
mod memory;
mod name;
mod names;
mod path;
mod peers;
mod policy;
mod quick;
mod rounds;
mod scratch;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access;
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

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL programs use the helpers needed here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
