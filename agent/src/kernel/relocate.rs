//! Putting this kernel's field offsets into the programs.
//!
//! A load of a kernel structure's field is compiled with a placeholder as its offset, and so is each
//! offset that is used as a number; see [`stockade_abi::offsets`]. Here they are replaced, in the
//! object's bytes, before the loader reads them.

use object::{Object as _, ObjectSection as _, SectionKind};
use stockade_abi::hook::Hook;
use stockade_abi::offsets::{ANSWER_MARK, ARGUMENT_STRIDE, ARGUMENTS_BACK, FIELDS, LOAD_MARK, VALUE_MARK};

use super::btf::{ARGUMENT, Offsets};
use super::mechanism::Mechanism;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
/// Loads of 1, 2, 4 and 8 bytes from memory.
const LOADS: [u8; 4] = [0x71, 0x69, 0x61, 0x79];
/// Addition of, and assignment of, a number in the instruction.
const NUMBERS: [u8; 2] = [0x07, 0xb7];
/// The one instruction that is two long.
const LOAD_WIDE: u8 = 0x18;

/// A call.
const CALL: u8 = 0x85;
/// The kernel's function for storages of inodes, which only security modules may call.
const INODE_STORAGE_GET: i32 = 145;
/// `r0 = 0`: what it answers when there is none.
const NONE: [u8; INSTRUCTION] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

/// Why the programs cannot be fitted to this kernel.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// The object cannot be read.
    #[error("the eBPF object inside this program is damaged: {0}")]
    Object(#[from] object::Error),
    /// A placeholder stands for no field.
    #[error("the eBPF object asks for field {0}, and there are {count}", count = FIELDS.len())]
    NoField(usize),
    /// A placeholder stands for no hook.
    #[error("the eBPF object asks for hook {0}, and there are {count}", count = Hook::COUNT)]
    NoHook(usize),
    /// A field is too far from the start of its structure for a load's offset.
    #[error("`{field}` stands {offset} bytes into `struct {structure}`, too far for a load")]
    TooFar {
        /// Structure.
        structure: &'static str,
        /// Field.
        field: &'static str,
        /// Bytes.
        offset: u32,
    },
}

/// The object with every placeholder replaced.
pub(super) fn relocate(
    object: &[u8],
    offsets: &Offsets,
    mechanism: Mechanism,
) -> Result<Vec<u8>, RelocateError> {
    let file = object::File::parse(object)?;
    let mut bytes = object.to_vec();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let Some((start, size)) = section.file_range() else { continue };
        let range = usize::try_from(start).ok().zip(usize::try_from(size).ok());
        let code = range.and_then(|(start, size)| bytes.get_mut(start..start.saturating_add(size)));
        if let Some(code) = code {
            patch(code, offsets, mechanism)?;
        }
    }
    Ok(bytes)
}

fn patch(code: &mut [u8], offsets: &Offsets, mechanism: Mechanism) -> Result<(), RelocateError> {
    let mut at = 0;
    while let Some(instruction) = code.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<INSTRUCTION>()) {
        let [opcode, registers, o0, o1, i0, i1, i2, i3] = *instruction;
        at += if opcode == LOAD_WIDE { 2 * INSTRUCTION } else { INSTRUCTION };
        if LOADS.contains(&opcode) {
            let placeholder = i32::from(i16::from_le_bytes([o0, o1]));
            if let Some((hook, back)) = argument(placeholder) {
                let answer = *offsets.answers.get(hook).ok_or(RelocateError::NoHook(hook))?;
                let offset = answer.saturating_sub(back * ARGUMENT);
                instruction[2..4].copy_from_slice(&offset.to_le_bytes());
                continue;
            }
            let Some(field) = field(placeholder, i32::from(LOAD_MARK)) else {
                continue;
            };
            let offset = *offsets.fields.get(field).ok_or(RelocateError::NoField(field))?;
            let near = i16::try_from(offset).map_err(|_far| {
                let (structure, field) = FIELDS[field];
                RelocateError::TooFar { structure, field, offset }
            })?;
            instruction[2..4].copy_from_slice(&near.to_le_bytes());
        } else if NUMBERS.contains(&opcode)
            && let Some(field) = field(i32::from_le_bytes([i0, i1, i2, i3]), VALUE_MARK)
        {
            let offset = *offsets.fields.get(field).ok_or(RelocateError::NoField(field))?;
            instruction[4..].copy_from_slice(&offset.to_le_bytes());
        } else if opcode == CALL
            && registers == 0
            && i32::from_le_bytes([i0, i1, i2, i3]) == INODE_STORAGE_GET
            && mechanism == Mechanism::Functions
        {
            *instruction = NONE;
        }
    }
    Ok(())
}

/// The field that a placeholder stands for; marks leave room for 256.
fn field(value: i32, mark: i32) -> Option<usize> {
    value.checked_sub(mark).and_then(|field| u8::try_from(field).ok()).map(usize::from)
}

/// The hook that a placeholder stands for, and how many arguments before its answer.
fn argument(value: i32) -> Option<(usize, i16)> {
    let value = u32::try_from(value.checked_sub(i32::from(ANSWER_MARK))?).ok()?;
    let (back, hook) = (value / ARGUMENT_STRIDE, value % ARGUMENT_STRIDE);
    if back > ARGUMENTS_BACK { None } else { i16::try_from(back).ok().map(|back| (hook as usize, back)) }
}

#[cfg(test)]
mod tests {
    use stockade_abi::offsets::argument_mark;

    use super::*;

    fn load(offset: i16) -> [u8; 8] {
        let [low, high] = offset.to_le_bytes();
        [0x79, 0x12, low, high, 0, 0, 0, 0]
    }

    fn number(opcode: u8, value: i32) -> [u8; 8] {
        let [a, b, c, d] = value.to_le_bytes();
        [opcode, 0x01, 0, 0, a, b, c, d]
    }

    #[test]
    fn placeholders_are_replaced_and_nothing_else() {
        let mut offsets = Offsets { fields: [0; FIELDS.len()], answers: [0; Hook::COUNT] };
        offsets.fields[3] = 0x123;
        offsets.answers[2] = 40;
        let wide = number(LOAD_WIDE, VALUE_MARK + 3);
        let mut code = [
            load(LOAD_MARK + 3),
            load(16),
            number(0x07, VALUE_MARK + 3),
            wide,
            load(LOAD_MARK),
            load(ANSWER_MARK + 2),
            load(i16::try_from(argument_mark(Hook::ALL[2], 2)).unwrap()),
        ];
        patch(code.as_flattened_mut(), &offsets, Mechanism::Lsm).unwrap();
        assert_eq!(
            code,
            [load(0x123), load(16), number(0x07, 0x123), wide, load(LOAD_MARK), load(40), load(24)]
        );
    }

    #[test]
    fn inodes_have_a_storage_for_security_modules_only() {
        let offsets = Offsets { fields: [0; FIELDS.len()], answers: [0; Hook::COUNT] };
        let call = number(CALL, INODE_STORAGE_GET);
        let call = [call[0], 0, 0, 0, call[4], call[5], call[6], call[7]];
        let own = [CALL, 0x10, 0, 0, call[4], call[5], call[6], call[7]];
        let mut code = [call, own];
        patch(code.as_flattened_mut(), &offsets, Mechanism::Lsm).unwrap();
        assert_eq!(code, [call, own]);
        patch(code.as_flattened_mut(), &offsets, Mechanism::Functions).unwrap();
        assert_eq!(code, [NONE, own]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut offsets = Offsets { fields: [0; FIELDS.len()], answers: [0; Hook::COUNT] };
        offsets.fields[0] = 0x8000;
        let mut far = [load(LOAD_MARK)];
        assert!(matches!(
            patch(far.as_flattened_mut(), &offsets, Mechanism::Lsm),
            Err(RelocateError::TooFar { .. })
        ));
        let mut number = [number(0xb7, VALUE_MARK)];
        patch(number.as_flattened_mut(), &offsets, Mechanism::Lsm).unwrap();
        let mut none = [load(LOAD_MARK + 0xff)];
        assert!(matches!(
            patch(none.as_flattened_mut(), &offsets, Mechanism::Lsm),
            Err(RelocateError::NoField(0xff))
        ));
        let mut no_hook = [load(ANSWER_MARK + 0x7f)];
        assert!(matches!(
            patch(no_hook.as_flattened_mut(), &offsets, Mechanism::Lsm),
            Err(RelocateError::NoHook(0x7f))
        ));
        assert!(relocate(b"nothing", &offsets, Mechanism::Lsm).is_err());
    }
}
