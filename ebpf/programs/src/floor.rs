//! Programs that do nothing: the least that any mediator of these hooks costs. `cargo xtask bench` measures it.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod programs {
    use aya_ebpf::macros::lsm;
    use aya_ebpf::programs::LsmContext;

    /// One empty program for each hook, named after it.
    macro_rules! empty {
        ($($program:ident $hook:literal)*) => {$(
            #[lsm(hook = $hook)]
            fn $program(_ctx: LsmContext) -> i32 {
                0
            }
        )*};
    }

    empty! {
        floor_bprm_check_security "bprm_check_security"
        floor_file_open "file_open"
        floor_mmap_file "mmap_file"
        floor_path_mknod "path_mknod"
        floor_path_rename "path_rename"
        floor_path_unlink "path_unlink"
        floor_socket_connect "socket_connect"
        floor_socket_sendmsg "socket_sendmsg"
        floor_task_alloc "task_alloc"
    }

    #[panic_handler]
    fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 4] = *b"GPL\0";
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
