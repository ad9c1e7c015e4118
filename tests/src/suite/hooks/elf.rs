//! Programs of a few bytes, for what no library does safely and for programs that are not the actor.
//! The guests are x86-64, and so are they.

const HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;
/// A program is one whole page: older kernels clear the rest of a loader's last page, which here
/// cannot be written.
const PAGE: u16 = 4096;
const LOAD: u32 = 1;
const INTERP: u32 = 3;

/// Makes the file that its first argument names.
const TOOL: [u8; 52] = [
    0x48, 0x8b, 0x7c, 0x24, 0x10, // mov rdi, [rsp+16]: the first argument
    0xbe, 0x41, 0x00, 0x00, 0x00, // mov esi, O_WRONLY|O_CREAT
    0xba, 0xa4, 0x01, 0x00, 0x00, // mov edx, 0644
    0xb8, 0x02, 0x00, 0x00, 0x00, // mov eax, open
    0x0f, 0x05, // syscall
    0x85, 0xc0, // test eax, eax
    0x78, 0x04, // js failed
    0x31, 0xff, // xor edi, edi
    0xeb, 0x0f, // jmp end
    // failed:
    0x83, 0xf8, 0xf3, // cmp eax, -EACCES
    0xbf, 0x29, 0x00, 0x00, 0x00, // mov edi, 41
    0x75, 0x05, // jne end
    0xbf, 0x28, 0x00, 0x00, 0x00, // mov edi, 40
    // end:
    0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, exit_group
    0x0f, 0x05, // syscall
];

/// How a file is opened and mapped: flags of open, protection and flags of mmap, and the protection that the
/// mapping gets in the end.
#[derive(Clone, Copy)]
pub(super) struct Mapping {
    open: u32,
    first: u32,
    flags: u32,
    last: u32,
}

const READ_ONLY: u32 = 0;
const APPENDING: u32 = 0x402; // O_RDWR|O_APPEND
const READABLE: u32 = 1;
const WRITABLE: u32 = 3;
const EXECUTABLE: u32 = 5;
const SHARED: u32 = 1;
const PRIVATE: u32 = 2;

/// Executable at once.
pub(super) const MAPPER: Mapping =
    Mapping { open: READ_ONLY, first: EXECUTABLE, flags: PRIVATE, last: EXECUTABLE };
/// Readable, and made executable afterwards.
pub(super) const PROTECTOR: Mapping =
    Mapping { open: READ_ONLY, first: READABLE, flags: PRIVATE, last: EXECUTABLE };
/// Opened to append, and mapped so that it can be written anywhere.
pub(super) const OVERWRITER: Mapping =
    Mapping { open: APPENDING, first: WRITABLE, flags: SHARED, last: WRITABLE };
/// The same, made writable afterwards.
pub(super) const LATE_OVERWRITER: Mapping =
    Mapping { open: APPENDING, first: READABLE, flags: SHARED, last: WRITABLE };

/// Opens the file that its first argument names and maps it.
fn mapping(how: Mapping) -> Vec<u8> {
    let Mapping { open, first, flags, last } = how;
    let number = |code: &[u8], number: u32| [code, &number.to_le_bytes()].concat();
    [
        vec![0x48, 0x8b, 0x7c, 0x24, 0x10], // mov rdi, [rsp+16]: the first argument
        number(&[0xbe], open),              // mov esi, the flags
        vec![0xb8, 0x02, 0x00, 0x00, 0x00], // mov eax, open
        vec![0x0f, 0x05],                   // syscall
        vec![0x85, 0xc0],                   // test eax, eax
        vec![0x78, 0x3c],                   // js failed
        vec![0x41, 0x89, 0xc0],             // mov r8d, eax
        vec![0x31, 0xff],                   // xor edi, edi
        vec![0xbe, 0x00, 0x10, 0x00, 0x00], // mov esi, 4096
        number(&[0xba], first),             // mov edx, the protection
        number(&[0x41, 0xba], flags),       // mov r10d, the flags
        vec![0x45, 0x31, 0xc9],             // xor r9d, r9d
        vec![0xb8, 0x09, 0x00, 0x00, 0x00], // mov eax, mmap
        vec![0x0f, 0x05],                   // syscall
        vec![0x48, 0x85, 0xc0],             // test rax, rax
        vec![0x78, 0x18],                   // js failed
        vec![0x48, 0x89, 0xc7],             // mov rdi, rax
        number(&[0xba], last),              // mov edx, the protection
        vec![0xb8, 0x0a, 0x00, 0x00, 0x00], // mov eax, mprotect
        vec![0x0f, 0x05],                   // syscall
        vec![0x48, 0x85, 0xc0],             // test rax, rax
        vec![0x78, 0x04],                   // js failed
        vec![0x31, 0xff],                   // xor edi, edi
        vec![0xeb, 0x0f],                   // jmp end
        // failed:
        vec![0x83, 0xf8, 0xf3],             // cmp eax, -EACCES
        vec![0xbf, 0x29, 0x00, 0x00, 0x00], // mov edi, 41
        vec![0x75, 0x05],                   // jne end
        vec![0xbf, 0x28, 0x00, 0x00, 0x00], // mov edi, 40
        // end:
        vec![0xb8, 0xe7, 0x00, 0x00, 0x00], // mov eax, exit_group
        vec![0x0f, 0x05],                   // syscall
    ]
    .concat()
}

/// The tool as a program; it can also be a loader.
pub(in crate::suite) fn tool() -> Vec<u8> {
    program(&TOOL, None)
}

/// What maps a file, as a program.
pub(super) fn mapper(how: Mapping) -> Vec<u8> {
    program(&mapping(how), None)
}

/// The tool as a program that is started by the loader at `path`.
pub(super) fn loaded(path: &str) -> Vec<u8> {
    program(&TOOL, Some(path))
}

/// Bytes of code that a program has room for.
pub(super) const ROOM: usize = 3900;

pub(super) fn program(code: &[u8], loader: Option<&str>) -> Vec<u8> {
    let loader: Vec<u8> = loader.map(|path| [path.as_bytes(), b"\0"].concat()).unwrap_or_default();
    let headers: u16 = if loader.is_empty() { 1 } else { 2 };
    let code_at = u64::from(HEADER) + u64::from(PROGRAM_HEADER) * u64::from(headers);
    let loader_at = code_at + code.len() as u64;

    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    put(&3_u16.to_le_bytes()); // for any address, so that a program and its loader do not collide
    put(&62_u16.to_le_bytes()); // x86-64
    put(&1_u32.to_le_bytes());
    put(&code_at.to_le_bytes());
    put(&u64::from(HEADER).to_le_bytes());
    put(&[0; 12]); // no sections, no flags
    for half in [HEADER, PROGRAM_HEADER, headers, 64, 0, 0] {
        put(&half.to_le_bytes());
    }
    let mut part = |kind: u32, at: u64, len: u64| {
        put(&kind.to_le_bytes());
        put(&5_u32.to_le_bytes()); // readable, executable
        for word in [at, at, at, len, len, if kind == LOAD { 0x1000 } else { 1 }] {
            put(&word.to_le_bytes());
        }
    };
    if !loader.is_empty() {
        part(INTERP, loader_at, loader.len() as u64);
    }
    part(LOAD, 0, u64::from(PAGE));
    put(code);
    put(&loader);
    out.resize(usize::from(PAGE), 0);
    out
}
