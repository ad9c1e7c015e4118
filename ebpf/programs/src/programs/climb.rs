//! From a directory entry up to the root of the subject of who looks, through mounts.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use stockade_abi::reason::Reason;

use super::kernel::{Pointer, address, current, offset, probe};
use super::memory::Place;
use super::root;
use super::rounds::{CONTINUE, STOP, rounds};
use super::scratch::{self, NAME_SIZE, OBJECT_SIZE, Scratch};

/// Components of the longest path, and as many mounts.
pub(super) const LEVELS: u32 = 4096;
/// Attempts to read a path that is being renamed.
const ATTEMPTS: u32 = 8;
/// Where a climb is.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Position {
    dentry: Pointer,
    mount: Pointer,
    root: Pointer,
    root_mount: Pointer,
}

/// One step up.
pub(super) enum Step {
    /// To the directory, from this entry of it.
    Up { from: Pointer },
    /// To what is mounted on.
    Across,
    /// This is the root of the subject.
    Root,
    /// Nothing is above, and the root was not met: this is the top of other mounts.
    Top,
    /// It is in no tree, or cannot be read.
    Lost,
}

impl Position {
    #[inline(always)]
    pub(super) fn of(place: &Place) -> Self {
        let root = root::shown_to(current());
        let Place { dentry, mount } = *place;
        Self { dentry, mount, root: root.dentry as Pointer, root_mount: root.mount as Pointer }
    }

    /// The entry that it has come to.
    #[inline(always)]
    pub(super) fn entry(&self) -> Pointer {
        self.dentry
    }

    /// Whether it is at the directory that is the root, on whatever mount.
    #[inline(always)]
    pub(super) fn is_at_root_directory(&self) -> bool {
        self.dentry == self.root
    }

    #[inline(always)]
    pub(super) fn step(&mut self) -> Step {
        if self.dentry == self.root && self.mount == self.root_mount {
            return Step::Root;
        }
        let Some(top) = probe!(self.mount, vfsmount_root as Pointer) else { return Step::Lost };
        if self.dentry == top {
            let mount = self.mount.wrapping_byte_sub(offset!(mount_mnt));
            let Some(parent) = probe!(mount, mount_parent as Pointer) else { return Step::Lost };
            if parent == mount {
                return Step::Top;
            }
            let Some(point) = probe!(mount, mount_point as Pointer) else { return Step::Lost };
            self.dentry = point;
            self.mount = parent.wrapping_byte_add(offset!(mount_mnt));
            return Step::Across;
        }
        let from = self.dentry;
        match probe!(from, dentry_parent as Pointer) {
            Some(parent) if parent != from => {
                self.dentry = parent;
                Step::Up { from }
            }
            Some(_) | None => Step::Lost,
        }
    }
}

/// A path that was put together, or why there is none.
#[derive(Clone, Copy)]
pub(crate) struct Built {
    pub(crate) len: u32,
    /// A [`Reason`], or 0.
    pub(crate) problem: u32,
}

/// Puts the path of `place` together, as who runs this sees it, and leaves it at the start of the
/// buffer's object. Its last component has the length of the entry's name.
#[inline(always)]
pub(crate) fn build(place: &Place, scratch: *mut Scratch) -> Built {
    build_behind(0, place, scratch)
}

/// The same, behind the first `before` bytes of the buffer: 0 or 1.
#[inline(always)]
pub(crate) fn build_behind(before: u32, place: &Place, scratch: *mut Scratch) -> Built {
    let built = stockade_path(scratch::index(scratch), address(place.dentry), address(place.mount), before);
    let len = built as u32;
    Built { len, problem: (built >> 32) as u32 }
}

/// The same, as a stage: the length, and in the high half why there is none.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_path(index: u32, dentry: u64, mount: u64, before: u32) -> u64 {
    let place = Place { dentry: dentry as Pointer, mount: mount as Pointer };
    let built = match scratch::at(index) {
        Some(scratch) => put_together(before as usize & 1, &place, scratch),
        None => Err(Reason::PathUnreadable),
    };
    match built {
        Ok(len) => u64::from(len),
        Err(problem) => (problem as u64) << 32,
    }
}

#[inline(always)]
fn put_together(before: usize, place: &Place, scratch: *mut Scratch) -> Result<u32, Reason> {
    let text = Text {
        at: Position::of(place),
        from: *place,
        begins: OBJECT_SIZE as u32,
        state: READING,
        attempts: 0,
        padding: 0,
        stamp: 0,
        again: 0,
    };
    // SAFETY: the claim on the buffer is the caller's.
    unsafe { core::ptr::write_volatile(scratch::text(scratch), text) };
    let mut buffer = scratch;
    rounds(2 * LEVELS * ATTEMPTS, &mut buffer, text_level);
    // SAFETY: as above.
    let (state, begins) = unsafe { ((*scratch::text(scratch)).state, (*scratch::text(scratch)).begins) };
    match state {
        DONE if begins == OBJECT_SIZE as u32 => Ok(root_itself(before, scratch)),
        DONE => match copy_down(before, scratch, begins, OBJECT_SIZE as u32 - begins) {
            0 => Err(Reason::PathUnreadable),
            len => Ok(len),
        },
        TOO_LONG => Err(Reason::PathTooLong),
        READING | COMPARING | LOST.. => Err(Reason::PathUnreadable),
    }
}

/// Names are read on the way up.
const READING: u32 = 0;
/// The way is gone once more, to see that nothing on it has changed: then all that was read stood there
/// at once.
const COMPARING: u32 = 1;
const DONE: u32 = 2;
const TOO_LONG: u32 = 3;
const LOST: u32 = 4;

/// A path being put together, from its end. It stands in the buffer: on the stack the verifier would follow what
/// each round leaves, and look at the body of the loop once for each of them.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Text {
    at: Position,
    from: Place,
    /// Where in the buffer it begins so far.
    begins: u32,
    state: u32,
    attempts: u32,
    padding: u32,
    stamp: u64,
    again: u64,
}

impl Text {
    #[inline(always)]
    fn restart(&mut self, state: u32) {
        self.at.dentry = self.from.dentry;
        self.at.mount = self.from.mount;
        self.state = state;
    }
}

/// What changes when the entry gets another name or directory: the kernel's hash of its name depends on
/// the directory too.
#[inline(always)]
fn stamp(dentry: Pointer, hash: u32) -> u64 {
    let sequence = probe!(dentry, dentry_sequence as u32).unwrap_or(1);
    (u64::from(hash) | 1 << 32).wrapping_mul(u64::from(sequence) | 1 << 32)
}

extern "C" fn text_level(_round: u32, scratch: &mut *mut Scratch) -> i64 {
    // SAFETY: the claim on the buffer is that of who climbs; nothing else refers to this part of it.
    let text = unsafe { &mut *scratch::text(*scratch) };
    match text.at.step() {
        Step::Up { from } => {
            let Some(hash) = probe!(from, dentry_name_hash as u32) else {
                text.state = LOST;
                return STOP;
            };
            if text.state != READING {
                text.again = text.again.wrapping_add(stamp(from, hash));
                return CONTINUE;
            }
            text.stamp = text.stamp.wrapping_add(stamp(from, hash));
            text.state = prepend(text, *scratch, from);
            if text.state == READING { CONTINUE } else { STOP }
        }
        Step::Across => CONTINUE,
        Step::Root | Step::Top if text.state == READING => {
            text.restart(COMPARING);
            CONTINUE
        }
        Step::Root | Step::Top if text.stamp == text.again => {
            text.state = DONE;
            STOP
        }
        Step::Root | Step::Top => {
            text.attempts += 1;
            if text.attempts >= ATTEMPTS {
                text.state = LOST;
                return STOP;
            }
            text.restart(READING);
            text.begins = OBJECT_SIZE as u32;
            text.stamp = 0;
            text.again = 0;
            CONTINUE
        }
        Step::Lost => {
            text.state = LOST;
            STOP
        }
    }
}

/// Puts a slash and the entry's name before what is there; the state after that.
#[inline(always)]
fn prepend(text: &mut Text, scratch: *mut Scratch, from: Pointer) -> u32 {
    let Some(len) = probe!(from, dentry_name_len as u32) else { return LOST };
    let Some(name) = probe!(from, dentry_name as Pointer) else { return LOST };
    let len = len & (NAME_SIZE as u32 / 2 - 1);
    // The terminator has to fit too, as in `PATH_MAX`.
    if text.begins < len + 2 {
        return TOO_LONG;
    }
    text.begins -= len + 1;
    // SAFETY: only the address is taken; the claim on the buffer is ours.
    let build = unsafe { &raw mut (*scratch).build }.cast::<u8>();
    let at = build.wrapping_add(text.begins as usize & (OBJECT_SIZE - 1));
    // SAFETY: inside the buffer, by the mask.
    unsafe { core::ptr::write_volatile(at, b'/') };
    // SAFETY: the buffer is longer than the mask by the longest name.
    let read = unsafe { bpf_probe_read_kernel(at.wrapping_add(1).cast(), len, name.cast_const()) };
    if read == 0 { READING } else { LOST }
}

#[inline(always)]
fn root_itself(before: usize, scratch: *mut Scratch) -> u32 {
    let object = scratch::object(scratch).wrapping_add(before);
    // SAFETY: one of the first bytes of the buffer.
    unsafe { core::ptr::write_volatile(object, b'/') };
    1
}

/// The path from where it was built to where it is judged and recorded.
#[inline(always)]
fn copy_down(before: usize, scratch: *mut Scratch, begins: u32, len: u32) -> u32 {
    let object = scratch::object(scratch).wrapping_add(before);
    // SAFETY: only the address is taken; the claim on the buffer is ours.
    let build = unsafe { &raw const (*scratch).build }.cast::<u8>();
    let from = build.wrapping_add(begins as usize & (OBJECT_SIZE - 1));
    let len = len & (OBJECT_SIZE as u32 - 1);
    // SAFETY: at most one byte less than the object, before which one may be left free; the source is
    // checked by the helper.
    let read = unsafe { bpf_probe_read_kernel(object.cast(), len, from.cast()) };
    if read == 0 { len } else { 0 }
}
