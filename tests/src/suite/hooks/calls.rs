//! Programs that make system calls as they are written down, for what no library does safely.
//!
//! A call is its name and its arguments, with a space between: numbers; `'text'` for the address of a text, `x0a0b`
//! for that of these bytes and zeroes behind them; `#` for a buffer that can be written to; `!0a0b:0c0d` for a message
//! without data, with these bytes of an address and of control messages; `=` for what the call before answered. A
//! `?` behind the name: only a refusal counts as failure.

use anyhow::{Context, Result, bail};

/// Numbers of x86-64.
const NUMBERS: &[(&str, u64)] = &[
    ("ioctl", 16),
    ("kill", 62),
    ("mmap", 9),
    ("mprotect", 10),
    ("openat", 257),
    ("ptrace", 101),
    ("prctl", 157),
    ("syslog", 103),
    ("setpriority", 141),
    ("prlimit64", 302),
    ("sched_setaffinity", 203),
    ("sched_getaffinity", 204),
    ("settimeofday", 164),
    ("init_module", 175),
    ("finit_module", 313),
    ("quotactl", 179),
    ("kexec_load", 246),
    ("kexec_file_load", 320),
    ("add_key", 248),
    ("keyctl", 250),
    ("ioprio_set", 251),
    ("unshare", 272),
    ("clone", 56),
    ("clone3", 435),
    ("getpid", 39),
    ("exit", 60),
    ("perf_event_open", 298),
    ("fanotify_init", 300),
    ("fanotify_mark", 301),
    ("inotify_init1", 294),
    ("inotify_add_watch", 254),
    ("process_vm_readv", 310),
    ("bpf", 321),
    ("userfaultfd", 323),
    ("io_uring_setup", 425),
    ("open_tree", 428),
    ("move_mount", 429),
    ("pidfd_open", 434),
    ("pidfd_send_signal", 424),
    ("pidfd_getfd", 438),
    ("sendmsg", 46),
    ("setsockopt", 54),
    ("shmget", 29),
    ("shmat", 30),
    ("shmctl", 31),
    ("semget", 64),
    ("semop", 65),
    ("semctl", 66),
    ("msgget", 68),
    ("msgsnd", 69),
    ("msgctl", 71),
    ("socket", 41),
    ("umount2", 166),
    ("mknod", 133),
    ("mkdir", 83),
    ("write", 1),
];

/// For each register of an argument: how it gets a number, an address relative to the code, one on the stack,
/// and the last answer.
const REGISTERS: [[&[u8]; 4]; 6] = [
    [&[0x48, 0xbf], &[0x48, 0x8d, 0x3d], &[0x48, 0x8d, 0xbc, 0x24], &[0x4c, 0x89, 0xe7]], // rdi
    [&[0x48, 0xbe], &[0x48, 0x8d, 0x35], &[0x48, 0x8d, 0xb4, 0x24], &[0x4c, 0x89, 0xe6]], // rsi
    [&[0x48, 0xba], &[0x48, 0x8d, 0x15], &[0x48, 0x8d, 0x94, 0x24], &[0x4c, 0x89, 0xe2]], // rdx
    [&[0x49, 0xba], &[0x4c, 0x8d, 0x15], &[0x4c, 0x8d, 0x94, 0x24], &[0x4d, 0x89, 0xe2]], // r10
    [&[0x49, 0xb8], &[0x4c, 0x8d, 0x05], &[0x4c, 0x8d, 0x84, 0x24], &[0x4d, 0x89, 0xe0]], // r8
    [&[0x49, 0xb9], &[0x4c, 0x8d, 0x0d], &[0x4c, 0x8d, 0x8c, 0x24], &[0x4d, 0x89, 0xe1]], // r9
];

/// How rax gets an address relative to the code.
const LOAD_ADDRESS: &[u8] = &[0x48, 0x8d, 0x05];

/// Bytes of the stack that are set aside for buffers, and of one of them.
const STACK: u32 = 65_536;
const BUFFER: u32 = 4096;
/// Zeroes behind bytes that are given.
const PADDING: usize = 128;

/// Where a program ends.
#[derive(Clone, Copy)]
enum End {
    Refused,
    Failed,
}

/// Code that makes the calls, one after the other, and ends as `guest act` does.
pub(super) fn code(calls: &[String]) -> Result<Vec<u8>> {
    let mut program = Program::default();
    program.put(&[0x48, 0x81, 0xec]); // sub rsp, the buffers
    program.put(&STACK.to_le_bytes());
    for call in calls {
        program.call(call).with_context(|| format!("the call `{call}`"))?;
    }
    Ok(program.finish())
}

#[derive(Default)]
struct Program {
    code: Vec<u8>,
    data: Vec<u8>,
    /// Where the code says how far it is to an end, and to a place in the data.
    jumps: Vec<(usize, End)>,
    addresses: Vec<(usize, usize)>,
}

impl Program {
    fn put(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    fn call(&mut self, text: &str) -> Result<()> {
        let mut words = text.split(' ');
        let name = words.next().context("it has no name")?;
        let (name, only_refusals) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        let number = NUMBERS.iter().find(|(known, _)| *known == name).context("its number is not known")?.1;
        let mut registers = REGISTERS.iter();
        for (index, word) in words.enumerate() {
            let register = registers.next().context("too many arguments")?;
            self.argument(register, u32::try_from(index)?, word)?;
        }
        self.put(&[0x48, 0xb8]); // mov rax, the number
        self.put(&number.to_le_bytes());
        self.put(&[0x0f, 0x05]); // syscall
        for refusal in [0xff, 0xf3] {
            self.put(&[0x48, 0x83, 0xf8, refusal]); // cmp rax, -EPERM or -EACCES
            self.jump(&[0x0f, 0x84], End::Refused); // je
        }
        if !only_refusals {
            self.put(&[0x48, 0x85, 0xc0]); // test rax, rax
            self.jump(&[0x0f, 0x88], End::Failed); // js
        }
        self.put(&[0x49, 0x89, 0xc4]); // mov r12, rax
        Ok(())
    }

    fn argument(
        &mut self,
        [number, address, stack, last]: &[&[u8]; 4],
        index: u32,
        word: &str,
    ) -> Result<()> {
        if word == "=" {
            self.put(last);
        } else if word == "#" {
            self.put(stack);
            self.put(&(index * BUFFER).to_le_bytes());
        } else if let Some(text) = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
            self.data(address, text.as_bytes());
        } else if let Some(hex) = word.strip_prefix('x') {
            self.data(address, &bytes(hex)?);
        } else if let Some((name, control)) = word.strip_prefix('!').and_then(|word| word.split_once(':')) {
            let (name, control) = (bytes(name)?, bytes(control)?);
            let at = index * BUFFER;
            self.data(LOAD_ADDRESS, &name);
            self.store(at);
            self.constant(name.len() as u64, at + 8);
            self.data(LOAD_ADDRESS, &control);
            self.store(at + 32);
            self.constant(control.len() as u64, at + 40);
            self.put(stack);
            self.put(&at.to_le_bytes());
        } else if let Some(hex) = word.strip_prefix("0x") {
            self.put(number);
            self.put(&u64::from_str_radix(hex, 16)?.to_le_bytes());
        } else {
            self.put(number);
            self.put(&word.parse::<i64>().context("no such argument")?.to_le_bytes());
        }
        Ok(())
    }

    /// Stores rax in the buffers.
    fn store(&mut self, at: u32) {
        self.put(&[0x48, 0x89, 0x84, 0x24]); // mov [rsp + at], rax
        self.put(&at.to_le_bytes());
    }

    fn constant(&mut self, value: u64, at: u32) {
        self.put(&[0x48, 0xb8]); // mov rax, the value
        self.put(&value.to_le_bytes());
        self.store(at);
    }

    fn data(&mut self, load_address: &[u8], bytes: &[u8]) {
        self.put(load_address);
        self.addresses.push((self.code.len(), self.data.len()));
        self.put(&[0; 4]);
        self.data.extend_from_slice(bytes);
        self.data.extend_from_slice(&[0; PADDING]);
    }

    fn jump(&mut self, code: &[u8], to: End) {
        self.put(code);
        self.jumps.push((self.code.len(), to));
        self.put(&[0; 4]);
    }

    fn end(&mut self, status: u8) -> usize {
        let at = self.code.len();
        self.put(&[0xbf, status, 0, 0, 0]); // mov edi, the status
        self.put(&[0xb8, 0xe7, 0, 0, 0]); // mov eax, exit_group
        self.put(&[0x0f, 0x05]); // syscall
        at
    }

    fn finish(mut self) -> Vec<u8> {
        self.end(0);
        let (refused, failed) = (self.end(crate::act::REFUSED), self.end(crate::act::BROKEN));
        let data = self.code.len();
        let jumps = self.jumps.iter().map(|(at, end)| match end {
            End::Refused => (*at, refused),
            End::Failed => (*at, failed),
        });
        let addresses = self.addresses.iter().map(|(at, offset)| (*at, data + offset));
        for (at, to) in jumps.chain(addresses).collect::<Vec<_>>() {
            // From the end of the four bytes; a program is a page at most.
            let distance = i32::try_from(to.wrapping_sub(at + 4)).unwrap_or(0);
            self.code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.code.extend_from_slice(&self.data);
        self.code
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let bytes = (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16));
    bytes.collect::<Result<_, _>>().context("bad bytes")
}

/// The program, unless it is longer than what is loaded of it.
pub(super) fn program(calls: &[String]) -> Result<Vec<u8>> {
    let code = code(calls)?;
    if code.len() > super::elf::ROOM {
        bail!("{} bytes of code are too many", code.len());
    }
    Ok(super::elf::program(&code, None))
}
