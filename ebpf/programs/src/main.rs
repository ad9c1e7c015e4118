//! The kernel side of stockade: one program for each hook, each no more than extract, decide, answer.
//!
//! The crate is built for the bpf target by `cargo xtask build`. For the host it is an empty program,
//! so that tools that look at the whole workspace can pass over it.

#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod programs;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
