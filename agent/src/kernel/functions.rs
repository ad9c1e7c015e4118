//! Programs that are attached to the functions that call the hooks (`fmod_ret`). The loader has no way to load those:
//! it reads the object and makes the maps, and what is left is done here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

use aya::maps::Map;
use aya::{Btf, Ebpf};
use aya_obj::btf::BtfKind;
use aya_obj::generated::{bpf_attach_type, bpf_cmd, bpf_prog_type};
use aya_obj::{Function, Object};
use stockade_abi::hook::Hook;

use super::error::{KernelError, Refusal};
use super::syscall::{blank, bpf, opened};

/// Bytes for what the verifier has to say of a program that it refuses.
const LOG: usize = 16 << 20;
/// Lines of that which are passed on: the reason is in the last.
const LOG_LINES: usize = 40;

/// The programs of an object, fitted to its maps and not yet loaded.
pub(super) struct Fitted {
    object: Object,
    /// Type information of the object.
    types: OwnedFd,
}

impl Fitted {
    /// Reads `object` once more, of which `made` has made the maps.
    pub(super) fn read(object: &[u8], made: &Ebpf) -> Result<Self, KernelError> {
        let mut object = Object::parse(object).map_err(Refusal::new)?;
        let features = aya::features();
        let btf = features.btf().ok_or(Refusal::NoTypes)?;
        let types = object.fixup_and_sanitize_btf(btf).map_err(Refusal::new)?.ok_or(Refusal::NoTypes)?;
        let types = load_types(&types.to_bytes())?;
        let maps: Vec<(String, RawFd, aya_obj::Map)> = object
            .maps
            .iter()
            .filter_map(|(name, map)| Some((name.clone(), descriptor(made.map(name)?), map.clone())))
            .collect();
        let sections = object.functions.keys().map(|(section, _)| *section).collect();
        object
            .relocate_maps(maps.iter().map(|(name, fd, map)| (name.as_str(), *fd, map)), &sections)
            .map_err(Refusal::new)?;
        object.relocate_calls(&sections).map_err(Refusal::new)?;
        object.sanitize_functions(features);
        Ok(Self { object, types })
    }

    /// Hands the program for `hook` to the verifier.
    pub(super) fn load(&self, hook: Hook, kernel: &Btf, log: bool) -> Result<OwnedFd, KernelError> {
        let refused = |source: io::Error, log: String| KernelError::Function { hook, source, log };
        let program = self.object.programs.get(hook.program()).ok_or(KernelError::NoProgram(hook))?;
        let code = self.object.functions.get(&program.function_key()).ok_or(KernelError::NoProgram(hook))?;
        let target = kernel.id_by_type_name_kind(hook.function(), BtfKind::Func)?;
        let mut said = vec![0; if log { LOG } else { 0 }];
        load_program(code, &program.license, &self.types, kind_of(hook), target, &mut said)
            .map_err(|error| refused(error, last_lines(&said)))
    }
}

/// The function that follows the start of a program cannot fail, and its answer not be changed.
fn kind_of(hook: Hook) -> bpf_attach_type {
    if hook == Hook::Started { bpf_attach_type::BPF_TRACE_FENTRY } else { bpf_attach_type::BPF_MODIFY_RETURN }
}

fn load_types(types: &[u8]) -> Result<OwnedFd, KernelError> {
    let mut attributes = blank();
    attributes.__bindgen_anon_7.btf = address(types);
    attributes.__bindgen_anon_7.btf_size = size(types.len());
    opened(bpf(bpf_cmd::BPF_BTF_LOAD, &attributes)).map_err(|error| Refusal::new(error).into())
}

fn load_program(
    code: &Function,
    license: &CString,
    types: &OwnedFd,
    kind: bpf_attach_type,
    target: u32,
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    let (functions, lines) = (code.func_info.func_info_bytes(), code.line_info.line_info_bytes());
    let mut attributes = blank();
    // SAFETY: all of the union is zeroes, which is a value of this part.
    let program = unsafe { &mut attributes.__bindgen_anon_3 };
    program.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
    program.expected_attach_type = kind as u32;
    program.attach_btf_id = target;
    program.insns = address(&code.instructions);
    program.insn_cnt = size(code.instructions.len());
    program.license = license.as_ptr() as u64;
    program.prog_btf_fd = types.as_raw_fd().cast_unsigned();
    program.func_info = address(&functions);
    program.func_info_cnt = size(code.func_info.len());
    program.func_info_rec_size = size(code.func_info_rec_size);
    program.line_info = address(&lines);
    program.line_info_cnt = size(code.line_info.len());
    program.line_info_rec_size = size(code.line_info_rec_size);
    if !log.is_empty() {
        program.log_level = 1;
        program.log_buf = log.as_mut_ptr() as u64;
        program.log_size = size(log.len());
    }
    opened(bpf(bpf_cmd::BPF_PROG_LOAD, &attributes))
}

fn address<T>(values: &[T]) -> u64 {
    values.as_ptr() as u64
}

/// What is larger than the kernel can be told, it refuses.
fn size(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn last_lines(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log.split(|byte| *byte == 0).next().unwrap_or(log));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

/// The descriptor of a map, whatever its kind.
fn descriptor(map: &Map) -> RawFd {
    let (Map::Array(data)
    | Map::ArrayOfMaps(data)
    | Map::BloomFilter(data)
    | Map::CgroupArray(data)
    | Map::CgroupStorage(data)
    | Map::CgrpStorage(data)
    | Map::CpuMap(data)
    | Map::DevMap(data)
    | Map::DevMapHash(data)
    | Map::HashMap(data)
    | Map::HashOfMaps(data)
    | Map::InodeStorage(data)
    | Map::LpmTrie(data)
    | Map::LruHashMap(data)
    | Map::PerCpuArray(data)
    | Map::PerCpuCgroupStorage(data)
    | Map::PerCpuHashMap(data)
    | Map::PerCpuLruHashMap(data)
    | Map::PerfEventArray(data)
    | Map::ProgramArray(data)
    | Map::Queue(data)
    | Map::ReusePortSockArray(data)
    | Map::RingBuf(data)
    | Map::SockHash(data)
    | Map::SockMap(data)
    | Map::SkStorage(data)
    | Map::Stack(data)
    | Map::StackTraceMap(data)
    | Map::Unsupported(data)
    | Map::XskMap(data)) = map;
    data.fd().as_fd().as_raw_fd()
}
