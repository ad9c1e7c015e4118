//! One entry for each hook; the rest is in the module of its name.

mod atomic;
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
mod path;
mod policy;
mod rounds;
mod scratch;

use aya_ebpf::macros::lsm;
use aya_ebpf::programs::LsmContext;

#[lsm(hook = "bprm_check_security")]
fn stockade_exec(ctx: LsmContext) -> i32 {
    exec::bprm_check_security(&ctx)
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

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL programs use the helpers needed here.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
