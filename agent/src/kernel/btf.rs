//! Field offsets from the kernel's own type information (BTF).
//!
//! Layout of the format: <https://docs.kernel.org/bpf/btf.html>. Only what is needed to find a field by
//! name is read: structures, their members, and members of anonymous structures inside them.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use stockade_abi::hook::Hook;
use stockade_abi::offsets::{FIELDS, Field, OPTIONAL};

use super::mechanism::Mechanism;

/// Where the running kernel describes its types.
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// And the types of the overlay file system, where that is a module and loaded.
const OVERLAY: &str = "/sys/kernel/btf/overlay";

const MAGIC: u16 = 0xeb9f;
const HEADER_LEN: usize = 24;
/// Deepest nesting of anonymous structures that is searched.
const MAX_DEPTH: u32 = 8;

/// Why an offset cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file is missing or unreadable.
    #[error("{VMLINUX}: {0} (the kernel needs CONFIG_DEBUG_INFO_BTF=y)")]
    Io(#[from] io::Error),
    /// The file is not what the format says.
    #[error("{VMLINUX} is malformed at byte {0}")]
    Malformed(usize),
    /// A structure or one of its fields does not exist.
    #[error("this kernel has no field `{field}` in `struct {structure}`")]
    NoField {
        /// Structure.
        structure: &'static str,
        /// Field.
        field: &'static str,
    },
    /// A security hook does not exist, or not the function that calls it.
    #[error("this kernel has no security hook `{0}`")]
    NoHook(&'static str),
}

/// Offsets in bytes.
pub(super) struct Offsets {
    /// In the order of [`FIELDS`].
    pub(super) fields: [u32; FIELDS.len()],
    /// Of what the programs before answered, in a program's context, in the order of [`Hook::ALL`]; 0 for a
    /// hook that the kernel does not have.
    pub(super) answers: [i16; Hook::COUNT],
}

/// Reads every offset that the programs need from the running kernel.
pub(super) fn offsets(mechanism: Mechanism) -> Result<Offsets, BtfError> {
    let overlay = match fs::read(OVERLAY) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    offsets_of(Path::new(VMLINUX), overlay.as_deref(), mechanism)
}

fn offsets_of(path: &Path, overlay: Option<&[u8]>, mechanism: Mechanism) -> Result<Offsets, BtfError> {
    let bytes = fs::read(path)?;
    let types = Types::parse(&bytes)?;
    let mut offsets = Offsets { fields: [0; FIELDS.len()], answers: [0; Hook::COUNT] };
    for ((value, (structure, field)), optional) in offsets.fields.iter_mut().zip(FIELDS).zip(OPTIONAL) {
        *value = match types.offset(structure, field)? {
            Some(offset) => offset,
            None if *optional => 0,
            None => return Err(BtfError::NoField { structure, field }),
        };
    }
    let upper = match overlay {
        Some(overlay) => Types::parse_on(overlay, Some(&types))?.behind_inode()?,
        None => types.behind_inode()?,
    };
    if let Some(upper) = upper {
        offsets.fields[Field::inode_upper as usize] = upper;
    }
    offsets.fields[Field::is_tracing as usize] = u32::from(mechanism == Mechanism::Functions);
    for (value, hook) in offsets.answers.iter_mut().zip(Hook::ALL) {
        *value = types.arguments(hook, mechanism)?.map_or(0, |arguments| ARGUMENT * arguments);
    }
    Ok(offsets)
}

/// The hooks that the running kernel has, in the order of [`Hook::ALL`]. Without one that is needed there is
/// no enforcing.
pub(super) fn hooks(mechanism: Mechanism) -> Result<Vec<Hook>, BtfError> {
    let bytes = fs::read(VMLINUX)?;
    let types = Types::parse(&bytes)?;
    let mut present = Vec::new();
    for hook in Hook::ALL.into_iter().filter(|hook| mechanism.has(*hook)) {
        if types.function(hook, mechanism).is_some() {
            present.push(hook);
        } else if hook.without().is_none() {
            return Err(BtfError::NoHook(hook.kernel_name()));
        }
    }
    Ok(present)
}

struct Types<'a> {
    bytes: &'a [u8],
    /// Those that a module's types go on from.
    base: Option<&'a Types<'a>>,
    strings: usize,
    strings_len: u32,
    /// The id of the first type.
    first: usize,
    /// Byte offset of each type, from the first on.
    at: Vec<usize>,
    structures: HashMap<&'a [u8], usize>,
    /// Types of the functions that programs for security hooks can be attached to, by their names.
    functions: HashMap<&'a [u8], u32>,
}

/// The kinds of type that differ in what follows their common part.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const ENUM64: u32 = 19;
}

/// What the names of functions that stand for security hooks begin with, and of those that call them.
const FUNCTIONS: [&[u8]; 2] = [b"bpf_lsm_", b"security_"];

/// Bytes of an argument in a program's context.
pub(super) const ARGUMENT: i16 = 8;

/// Bytes of a type's common part.
const COMMON: usize = 12;
const MEMBER: usize = 12;

impl<'a> Types<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        Self::parse_on(bytes, None)
    }

    /// Reads the types of a module: their ids, and offsets of strings, go on where those of `base` end.
    fn parse_on(bytes: &'a [u8], base: Option<&'a Self>) -> Result<Self, BtfError> {
        let mut types = Self {
            bytes,
            base,
            strings: 0,
            strings_len: 0,
            first: base.map_or(1, |base| base.first + base.at.len()),
            at: Vec::new(),
            structures: HashMap::new(),
            functions: HashMap::new(),
        };
        let magic = bytes.first_chunk::<2>().map(|magic| u16::from_ne_bytes(*magic));
        if magic != Some(MAGIC) {
            return Err(BtfError::Malformed(0));
        }
        let body = types.u32(4)? as usize;
        let first = body + types.u32(8)? as usize;
        let end = first + types.u32(12)? as usize;
        types.strings = body + types.u32(16)? as usize;
        types.strings_len = types.u32(20)?;
        if body < HEADER_LEN || end > bytes.len() {
            return Err(BtfError::Malformed(HEADER_LEN));
        }
        let mut at = first;
        while at < end {
            let (kind, count) = types.kind(at)?;
            types.at.push(at);
            if kind == kind::STRUCT {
                let name = types.string(types.u32(at)?)?;
                types.structures.entry(name).or_insert(at);
            }
            if kind == kind::FUNC {
                let name = types.string(types.u32(at)?)?;
                if FUNCTIONS.iter().any(|start| name.starts_with(start)) {
                    types.functions.insert(name, types.u32(at + 8)?);
                }
            }
            at += COMMON
                + match kind {
                    kind::INT | kind::VAR | kind::DECL_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => count * 12,
                    kind::ENUM | kind::FUNC_PROTO => count * 8,
                    2 | 7..=11 | kind::FUNC | 16 | 18 => 0,
                    0 | 20.. => return Err(BtfError::Malformed(at)),
                };
        }
        Ok(types)
    }

    fn u32(&self, at: usize) -> Result<u32, BtfError> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map(|bytes| u32::from_ne_bytes(*bytes)).ok_or(BtfError::Malformed(at))
    }

    /// Kind of the type at `at`, and how many members it has.
    fn kind(&self, at: usize) -> Result<(u32, usize), BtfError> {
        let info = self.u32(at + 4)?;
        Ok((info >> 24 & 0x1f, (info & 0xffff) as usize))
    }

    fn string(&self, offset: u32) -> Result<&'a [u8], BtfError> {
        let offset = match self.base {
            Some(base) if offset < base.strings_len => return base.string(offset),
            Some(base) => offset - base.strings_len,
            None => offset,
        };
        let at = self.strings + offset as usize;
        let rest = self.bytes.get(at..).ok_or(BtfError::Malformed(at))?;
        rest.split(|byte| *byte == 0).next().ok_or(BtfError::Malformed(at))
    }

    /// Offset in bytes of what `path` leads to in `structure`: the names of fields with dots between;
    /// `None` when there is no such field. With a `#` at its end: the lowest bit in that byte. `+`: the size of
    /// the structure. Of several paths with `|` between, the first that leads somewhere counts.
    fn offset(&self, structure: &str, path: &str) -> Result<Option<u32>, BtfError> {
        let Some(start) = self.structures.get(structure.as_bytes()).copied() else { return Ok(None) };
        for path in path.split('|') {
            if let Some(offset) = self.offset_from(start, path)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    fn offset_from(&self, mut at: usize, path: &str) -> Result<Option<u32>, BtfError> {
        if path == "+" {
            return self.u32(at + 8).map(Some);
        }
        let (path, asks_bit) = path.strip_suffix('#').map_or((path, false), |path| (path, true));
        let (mut offset, mut bit) = (0, 0);
        let mut fields = path.split('.').peekable();
        while let Some(field) = fields.next() {
            let Some(found) = self.member(at, field.as_bytes(), 0)? else { return Ok(None) };
            offset += found.offset;
            bit = found.bit;
            if fields.peek().is_some() {
                let Some(inside) = self.structure(found.id)? else { return Ok(None) };
                at = inside;
            }
        }
        Ok(Some(if asks_bit { bit } else { offset }))
    }

    /// The type of the function for `hook`, if there is one.
    fn function(&self, hook: Hook, mechanism: Mechanism) -> Option<u32> {
        self.functions.get(mechanism.function(hook).as_bytes()).copied()
    }

    /// How many arguments a program for the hook gets, if there is such a hook.
    fn arguments(&self, hook: Hook, mechanism: Mechanism) -> Result<Option<i16>, BtfError> {
        let Some(id) = self.function(hook, mechanism) else { return Ok(None) };
        let at = self.type_at(id)?.ok_or(BtfError::Malformed(0))?;
        match self.kind(at)? {
            (kind::FUNC_PROTO, arguments) => {
                i16::try_from(arguments).map(Some).map_err(|_many| BtfError::Malformed(at))
            }
            (0..=12 | 14.., _) => Err(BtfError::Malformed(at)),
        }
    }

    fn member(&self, at: usize, field: &[u8], depth: u32) -> Result<Option<Member>, BtfError> {
        if depth == MAX_DEPTH {
            return Ok(None);
        }
        let (_, count) = self.kind(at)?;
        let has_bitfields = self.u32(at + 4)? >> 31 == 1;
        for member in (0..count).map(|index| at + COMMON + index * MEMBER) {
            let name = self.string(self.u32(member)?)?;
            let bits = self.u32(member + 8)?;
            let bits = if has_bitfields { bits & 0x00ff_ffff } else { bits };
            let (offset, bit) = (bits / 8, bits % 8);
            let id = self.u32(member + 4)?;
            if name == field {
                return Ok(Some(Member { offset, bit, id }));
            }
            if !name.is_empty() {
                continue;
            }
            if let Some(inner) = self.structure(id)?
                && let Some(within) = self.member(inner, field, depth + 1)?
            {
                return Ok(Some(Member { offset: offset + within.offset, ..within }));
            }
        }
        Ok(None)
    }

    /// How far behind an overlay's inode its upper file stands, if these types describe that.
    fn behind_inode(&self) -> Result<Option<u32>, BtfError> {
        let of = |field| self.offset("ovl_inode", field);
        let (inode, upper) = (of("vfs_inode")?, of("__upperdentry")?);
        Ok(upper.zip(inode).and_then(|(upper, inode)| upper.checked_sub(inode)))
    }

    /// Where the type with this id stands; `None` when it is none of these, but of those they go on from.
    fn type_at(&self, id: u32) -> Result<Option<usize>, BtfError> {
        match (id as usize).checked_sub(self.first) {
            Some(index) => self.at.get(index).copied().map(Some).ok_or(BtfError::Malformed(0)),
            None => Ok(None),
        }
    }

    /// Where the structure or union with this id stands, whatever other names it has.
    fn structure(&self, mut id: u32) -> Result<Option<usize>, BtfError> {
        for _ in 0..MAX_DEPTH {
            let Some(at) = self.type_at(id)? else { return Ok(None) };
            match self.kind(at)?.0 {
                kind::STRUCT | kind::UNION => return Ok(Some(at)),
                kind::TYPEDEF | kind::VOLATILE | kind::CONST => id = self.u32(at + 8)?,
                0..=3 | 6 | 7 | 11.. => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// A field that was found.
struct Member {
    /// In bytes.
    offset: u32,
    /// And so many bits.
    bit: u32,
    /// Of its type.
    id: u32,
}

#[cfg(test)]
#[path = "btf_tests.rs"]
mod tests;
