//! Mangling: a few small changes to an input, the same for the same seed.

use crate::testing::Xorshift;

/// Pseudo-random choices.
pub(super) struct Random(Xorshift);

/// Bytes that mean something to most readers.
const ODD: &[u8] = b"{}[]()*&!?:-#,.=/\\\"'|%@\n\r\t \0\x01\x7f\x80\xff09azAZ";
/// Inputs do not grow beyond it.
const LONG: usize = 1 << 17;

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xorshift::scattered(seed.wrapping_add(1)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.word().wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        if self.below(2) == 0 { ODD[self.below(ODD.len())] } else { self.next().to_le_bytes()[0] }
    }

    /// A part of `bytes`, mostly a short one.
    fn part(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.below(bytes.len() + 1);
        let most = if self.below(8) == 0 { bytes.len() } else { 24 };
        (start, (start + self.below(most + 1)).min(bytes.len()))
    }

    /// One of `inputs`, with up to eight changes, mostly one or two: much damage is found soon.
    pub(super) fn mangled(&mut self, inputs: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
        let mut input = inputs[self.below(inputs.len())].clone();
        let most = if self.below(4) == 0 { 8 } else { 2 };
        for _ in 0..=self.below(most) {
            self.change(&mut input, inputs, words);
        }
        input.truncate(LONG);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&str]) {
        let (start, end) = self.part(input);
        match self.below(13) {
            0 => input.truncate(start),
            1 => drop(input.drain(start..end)),
            2 => {
                let most = if self.below(20) == 0 { 400 } else { 3 };
                let again = input[start..end].repeat(1 + self.below(most));
                input.splice(end..end, again);
            }
            3 => {
                let byte = self.byte();
                input.insert(start, byte);
            }
            4 | 5 => {
                let byte = self.byte();
                if let Some(at) = input.get_mut(start) {
                    *at = byte;
                }
            }
            6 => {
                let bit = self.below(8);
                if let Some(at) = input.get_mut(start) {
                    *at ^= 1 << bit;
                }
            }
            7 => {
                let other = &inputs[self.below(inputs.len())];
                let (from, to) = self.part(other);
                input.splice(start..end, other[from..to].iter().copied());
            }
            8 if !words.is_empty() => {
                let word = words[self.below(words.len())].bytes();
                input.splice(start..end, word);
            }
            8 | 9 => self.number(input, start),
            10 => drop(input.drain(line(input, start))),
            11 => {
                let other = &inputs[self.below(inputs.len())];
                let from = line(other, self.below(other.len() + 1));
                let at = line(input, start).start;
                input.splice(at..at, other[from].iter().copied());
            }
            12.. => {
                // A letter or digit becomes another sign: what is around it stays what it was.
                let signs = b"abz019*?/{},[]!.-";
                let sign = signs[self.below(signs.len())];
                if let Some(at) = input.iter_mut().skip(start).find(|byte| byte.is_ascii_alphanumeric()) {
                    *at = sign;
                }
            }
        }
    }

    /// A number of four bytes on its border: lengths and places are such.
    fn number(&mut self, input: &mut [u8], start: usize) {
        let near = u32::try_from(input.len()).unwrap_or(0);
        let numbers = [0, 1, 0x7f, 0xff, 0x100, 0xffff, 1 << 16, 1 << 30, 1 << 31, u32::MAX, near, near / 8];
        let number = numbers[self.below(numbers.len())].wrapping_add(u32::try_from(self.below(3)).unwrap());
        let at = start & !3;
        for (to, from) in input.iter_mut().skip(at).zip(number.to_le_bytes()) {
            *to = from;
        }
    }
}

/// The line at `at`, with its end.
fn line(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
    start..end
}
