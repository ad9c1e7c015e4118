//! Puts the eBPF object into the binary.
//!
//! `cargo xtask build` makes the object first and names it in `STOCKADE_EBPF_OBJECT`. Without it (a
//! plain `cargo check`, unit tests, documentation) an empty object is embedded, and a binary built
//! that way says so when it is asked to load programs.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=STOCKADE_EBPF_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("stockade.bpf.o");
    match env::var_os("STOCKADE_EBPF_OBJECT") {
        Some(object) => {
            println!("cargo::rerun-if-changed={}", PathBuf::from(&object).display());
            fs::copy(object, out)?;
        }
        None => fs::write(out, [])?,
    }
    Ok(())
}
