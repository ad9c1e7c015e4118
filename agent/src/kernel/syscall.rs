//! System calls that have no safe wrapper.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::{io, mem};

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// Flag of a map that is opened: not to be read (`linux/bpf.h`).
const BPF_F_WRONLY: u32 = 1 << 4;
/// Number of the system call for everything that is BPF.
const BPF: i64 = 321;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
}

/// What the system call `number` answers. Its arguments are numbers, or addresses of buffers as large as the call
/// needs that outlive it.
pub(super) fn answer(number: i64, arguments: [i64; 5]) -> io::Result<i64> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: every caller gives numbers, or addresses as said above.
    match unsafe { syscall(number, a, b, c, d, e) } {
        answer @ 0.. => Ok(answer),
        ..0 => Err(io::Error::last_os_error()),
    }
}

/// Pins an object of the BPF side.
pub(super) fn pin(object: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = blank();
    // SAFETY: all of the union is zeroes, which is a value of this part.
    let pinned = unsafe { &mut attributes.__bindgen_anon_4 };
    pinned.pathname = path.as_ptr() as u64;
    pinned.bpf_fd = object.as_raw_fd().cast_unsigned();
    bpf(bpf_cmd::BPF_OBJ_PIN, &attributes).map(drop)
}

/// Opens the pinned map, as if to write it by system calls only.
pub(super) fn open_to_write(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = blank();
    // SAFETY: all of the union is zeroes, which is a value of this part.
    let pinned = unsafe { &mut attributes.__bindgen_anon_4 };
    pinned.pathname = path.as_ptr() as u64;
    pinned.file_flags = BPF_F_WRONLY;
    opened(bpf(bpf_cmd::BPF_OBJ_GET, &attributes))
}

/// The attributes of a call, unset.
pub(super) fn blank() -> bpf_attr {
    // SAFETY: integers and arrays of them; zeroes are a value of each.
    unsafe { mem::zeroed() }
}

/// Makes the call `command`.
pub(super) fn bpf(command: bpf_cmd, attributes: &bpf_attr) -> io::Result<i64> {
    let size = i64::try_from(size_of::<bpf_attr>()).map_err(io::Error::other)?;
    answer(BPF, [command as i64, std::ptr::from_ref(attributes) as i64, size, 0, 0])
}

/// The descriptor that a call has answered.
pub(super) fn opened(answer: io::Result<i64>) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(answer?).map_err(io::Error::other)?;
    // SAFETY: the call has opened it for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets nobody write to a map any more, by system calls.
pub(super) fn freeze(map: impl AsFd) -> io::Result<()> {
    let mut attributes = blank();
    attributes.__bindgen_anon_2.map_fd = map.as_fd().as_raw_fd().cast_unsigned();
    bpf(bpf_cmd::BPF_MAP_FREEZE, &attributes).map(drop)
}
