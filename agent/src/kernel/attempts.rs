//! What the canary tries of capabilities and facilities: one operation for each hook, which would harm nothing
//! if it went through.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr;

use aya_obj::generated::{bpf_cmd, bpf_map_type};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Pid, Resource, Signal, getppid, getrlimit, kill_process, pivot_root, setrlimit};
use rustix::system::{finit_module, init_module};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use stockade_abi::hook::Hook;

use super::syscall::{answer, blank, bpf, opened};

// Numbers of system calls that have no safe wrapper here.
const SYSLOG: i64 = 103;
const PRCTL: i64 = 157;
const SETTIMEOFDAY: i64 = 164;
const QUOTACTL: i64 = 179;
const ADD_KEY: i64 = 248;
const KEYCTL: i64 = 250;
const IOPRIO_SET: i64 = 251;
const SHMAT: i64 = 30;
const SHMCTL: i64 = 31;
const SHMGET: i64 = 29;
const SEMCTL: i64 = 66;
const MSGCTL: i64 = 71;
const SETSOCKOPT: i64 = 54;
const SETPRIORITY: i64 = 141;
const UNSHARE: i64 = 272;
const PERF_EVENT_OPEN: i64 = 298;
const FANOTIFY_INIT: i64 = 300;
const FANOTIFY_MARK: i64 = 301;
const IO_URING_SETUP: i64 = 425;
const IOCTL: i64 = 16;

const PR_SET_MM: i64 = 35;
const PR_SET_MM_EXE_FILE: i64 = 13;
/// `FAN_CLASS_CONTENT` and `FAN_CLOEXEC`.
const FAN_CLASS_CONTENT: i64 = 4 | 1;
const FAN_MARK_ADD: i64 = 1;
const FAN_OPEN_PERM: i64 = 0x1_0000;
const SYSLOG_ACTION_SIZE_BUFFER: i64 = 10;
/// `Q_SYNC` for user quotas, shifted as quotactl takes it.
const Q_SYNC: i64 = 0x0080_0001 << 8;
const KEYCTL_DESCRIBE: i64 = 6;
const KEY_SPEC_THREAD_KEYRING: i64 = -1;
const CLONE_NEWUSER: i64 = 0x1000_0000;
const SIOCGIFINDEX: i64 = 0x8933;
const IPC_PRIVATE: i64 = 0;
const IPC_RMID: i64 = 0;
const IPC_INFO: i64 = 3;
const SOL_IP: i64 = 0;
const IP_OPTIONS: i64 = 4;
/// Smallest size of the attributes of a performance event.
const PERF_ATTR_SIZE: u32 = 64;

/// What has to be there before the canary is labelled.
pub(super) struct Prepared {
    /// A key of its own thread.
    key: io::Result<i64>,
    /// Shared memory that is gone with the canary.
    memory: io::Result<i64>,
}

/// Makes it.
pub(super) fn prepare() -> Prepared {
    Prepared { key: add_key(), memory: add_memory() }
}

/// Shared memory that was removed already: it lasts, and can be attached again, while this process has it.
fn add_memory() -> io::Result<i64> {
    let memory = answer(SHMGET, [IPC_PRIVATE, 4096, 0o600, 0, 0])?;
    let attached = answer(SHMAT, [memory, 0, 0, 0, 0]);
    answer(SHMCTL, [memory, IPC_RMID, 0, 0, 0])?;
    attached.map(|_| memory)
}

fn add_key() -> io::Result<i64> {
    let (kind, name) = (c"user".as_ptr() as i64, c"canary".as_ptr() as i64);
    answer(ADD_KEY, [kind, name, name, 1, KEY_SPEC_THREAD_KEYRING])
}

/// Tries everything; `module` is a file that holds no module and is not open for writing.
pub(super) fn powers(module: &File, prepared: Prepared, mut note: impl FnMut(Hook, io::Result<()>)) {
    let plain = |result: rustix::io::Result<()>| result.map_err(io::Error::from);
    // What is in use is not unmounted so, and the root directory cannot be moved onto itself.
    note(Hook::SbUmount, plain(unmount("/proc", UnmountFlags::EXPIRE)));
    note(Hook::SbPivotroot, plain(pivot_root("/", "/")));
    note(Hook::MoveMount, plain(move_mount(CWD, "/", CWD, "/", MoveMountFlags::empty())));
    note(Hook::KernelReadFile, plain(finit_module(module.as_fd(), c"", 0)));
    note(Hook::KernelLoadData, plain(init_module(&[0; 256], c"")));
    note(Hook::PtraceAccess, std::fs::read_link("/proc/1/exe").map(drop));
    if let Some(parent) = getppid() {
        note(Hook::Kill, plain(kill_process(parent, Signal::CONT)));
    }
    let own: Option<Pid> = None;
    let processors: rustix::io::Result<CpuSet> = sched_getaffinity(own);
    note(Hook::Setscheduler, plain(processors.and_then(|all| sched_setaffinity(own, &all))));
    note(Hook::Setrlimit, plain(setrlimit(Resource::Core, getrlimit(Resource::Core))));
    note(Hook::Setnice, call(SETPRIORITY, [0, 0, 0, 0, 0]));
    // Best effort, the level that everybody has.
    note(Hook::Setioprio, call(IOPRIO_SET, [1, 0, 2 << 13 | 4, 0, 0]));
    // No file at all.
    note(Hook::Prctl, call(PRCTL, [PR_SET_MM, PR_SET_MM_EXE_FILE, -1, 0, 0]));
    if let Ok(group) = opened(answer(FANOTIFY_INIT, [FAN_CLASS_CONTENT, 0, 0, 0, 0])) {
        let (group, file) = (i64::from(group.as_raw_fd()), i64::from(module.as_raw_fd()));
        note(Hook::Notify, call(FANOTIFY_MARK, [group, FAN_MARK_ADD, FAN_OPEN_PERM, file, 0]));
    }
    note(Hook::Syslog, call(SYSLOG, [SYSLOG_ACTION_SIZE_BUFFER, 0, 0, 0, 0]));
    // Neither a time nor a zone: nothing is set.
    note(Hook::Settime, call(SETTIMEOFDAY, [0; 5]));
    note(Hook::Quotactl, call(QUOTACTL, [Q_SYNC, 0, 0, 0, 0]));
    if let Ok(key) = prepared.key {
        note(Hook::KeyPermission, call(KEYCTL, [KEYCTL_DESCRIBE, key, 0, 0, 0]));
    }
    note(Hook::KeyAlloc, add_key().map(drop));
    let mut buffer = [0_u64; 32];
    let at = ptr::from_mut(&mut buffer) as i64;
    if let Ok(memory) = prepared.memory {
        note(Hook::IpcPermission, call(SHMAT, [memory, 0, 0, 0, 0]));
    }
    note(Hook::ShmCtl, call(SHMCTL, [0, IPC_INFO, at, 0, 0]));
    note(Hook::SemCtl, call(SEMCTL, [0, 0, IPC_INFO, at, 0]));
    note(Hook::MsgCtl, call(MSGCTL, [0, IPC_INFO, at, 0, 0]));
    note(Hook::Bpf, bpf(bpf_cmd::BPF_PROG_GET_NEXT_ID, &blank()).map(drop));
    let mut array = blank();
    array.__bindgen_anon_1.map_type = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
    (array.__bindgen_anon_1.key_size, array.__bindgen_anon_1.value_size) = (4, 8);
    array.__bindgen_anon_1.max_entries = 1;
    note(Hook::BpfMap, opened(bpf(bpf_cmd::BPF_MAP_CREATE, &array)).map(drop));
    note(Hook::InitAnonymous, call(IO_URING_SETUP, [1, at, 0, 0, 0]));
    // An event of the software kind, about this process, that excludes the kernel.
    let mut event = [0_u64; 16];
    event[0] = 1 | u64::from(PERF_ATTR_SIZE) << 32;
    event[5] = 1 << 5 | 1 << 6;
    let at = ptr::from_mut(&mut event) as i64;
    note(Hook::PerfEventOpen, call(PERF_EVENT_OPEN, [at, 0, -1, -1, 0]));
    note(Hook::SocketCreate, plain(socket(AddressFamily::PACKET, SocketType::DGRAM, None).map(drop)));
    if let Ok(socket) = socket(AddressFamily::INET, SocketType::DGRAM, None) {
        let descriptor = i64::from(socket.as_raw_fd());
        // No options: those that it has.
        note(Hook::Setsockopt, call(SETSOCKOPT, [descriptor, SOL_IP, IP_OPTIONS, 0, 0]));
        // A device of no such name makes the kernel look for its driver.
        let mut request = [0_u8; 64];
        request[..9].copy_from_slice(b"stockade0");
        let at = ptr::from_mut(&mut request) as i64;
        note(Hook::ModuleRequest, call(IOCTL, [descriptor, SIOCGIFINDEX, at, 0, 0]));
    }
    // Last: the canary would be somebody else in it.
    note(Hook::UsernsCreate, call(UNSHARE, [CLONE_NEWUSER, 0, 0, 0, 0]));
}

fn call(number: i64, arguments: [i64; 5]) -> io::Result<()> {
    answer(number, arguments).map(drop)
}
