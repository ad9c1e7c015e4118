//! How a place stands to the root that the subject of who looks began with: below it or not, and whether its path stays.

use stockade_abi::facility::Facility;

use super::climb::{LEVELS, Position, Step};
use super::file::SB_KERNMOUNT;
use super::inherited::is_harmless_device;
use super::judge::ALLOW;
use super::kernel::{Pointer, address, current, load, offset, probe};
use super::memory::{Place, View};
use super::rounds::{CONTINUE, STOP, rounds};
use super::{facility, mounts};

/// `d_flags`: the file system wants to be asked whether the entry is still what it was. Entries of such
/// file systems can move without a rename on this node.
const DCACHE_OP_REVALIDATE: u32 = 1 << 2;
/// `i_rwsem`: somebody changes the entries of the directory.
const WRITER_LOCKED: u64 = 1;
const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;

/// Stands for a place that is not below the root: no change of mounts has this number.
const OUTSIDE: u64 = u64::MAX;

/// What was found out about a place: the number of the last change of mounts under which its path was steady, 0 if it was
/// not, or [`OUTSIDE`].
#[derive(Clone, Copy)]
pub(crate) struct Standing(u64);

impl Standing {
    #[inline(always)]
    pub(crate) fn of(place: &Place, is_directory: bool) -> Self {
        let first = if is_directory { 0 } else { 1 };
        Self(stockade_standing(address(place.dentry), address(place.mount), first))
    }

    /// Whether the path cannot change without notice from now on, for whoever has this view: it is on a mount of the own
    /// namespace, no directory on it is in the middle of a rename that was counted already, and none can move in any
    /// other way. Under such a path, what is found out from now on stays true until the next rename or change of
    /// mounts is counted.
    ///
    /// A rename holds the lock of the directory from before it is counted until it is done. The lock of the
    /// directory that holds a plain file is of no interest: of files the name is compared.
    #[inline(always)]
    pub(crate) fn is_steady(self, view: &View) -> bool {
        // Otherwise mounts have changed since.
        self.0 != 0 && self.0 == view.mounts
    }

    /// Whether it is not below the root. Then its path looks like one inside: the kernel tells it from the top of the mounts
    /// that it is on, which may be another namespace's, or nobody's.
    #[inline(always)]
    pub(crate) fn is_outside(self) -> bool {
        self.0 == OUTSIDE
    }

    /// Judges that it is used at all, whatever its path.
    #[inline(always)]
    pub(crate) fn judge(self) -> i32 {
        if self.is_outside() { facility::judge_at_length(Facility::ForeignFiles) } else { ALLOW }
    }
}

/// Where a climb ended.
const NOWHERE: u32 = 0;
const AT_ROOT: u32 = 1;
const AT_TOP: u32 = 2;

#[repr(C)]
struct Climb {
    at: Position,
    /// The first level at which locks are looked at.
    first: u32,
    ended: u32,
    /// Entries that were left for their directory.
    climbed: u32,
    /// Whether the directory that is the root was passed, on whatever mount: in a copy of the namespace the root is
    /// that directory on another one.
    passed: u32,
    moves: u32,
}

/// As a stage (see [`super::judge`]).
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_standing(dentry: u64, mount: u64, first: u32) -> u64 {
    let place = Place { dentry: dentry as Pointer, mount: mount as Pointer };
    // Before anything is looked at: what changes afterwards has another number.
    let mounts = own_mounts(place.mount);
    let at = Position::of(&place);
    let mut climb = Climb { at, first, ended: NOWHERE, climbed: 0, passed: 0, moves: 0 };
    rounds(LEVELS, &mut climb, level);
    if climb.ended == AT_ROOT {
        return if climb.moves == 0 { mounts } else { 0 };
    }
    // What is in no directory at all has no path to be taken for another.
    let has_path = climb.ended == AT_TOP || climb.climbed != 0;
    if !has_path || climb.passed != 0 || is_of_kernel(place.dentry) { 0 } else { OUTSIDE }
}

extern "C" fn level(round: u32, climb: &mut Climb) -> i64 {
    if climb.at.is_at_root_directory() {
        climb.passed = 1;
    }
    climb.ended = match climb.at.step() {
        Step::Up { from } => {
            climb.climbed = 1;
            if may_move(from, climb.at.entry(), round >= climb.first) {
                climb.moves = 1;
            }
            return CONTINUE;
        }
        Step::Across => return CONTINUE,
        Step::Root => AT_ROOT,
        Step::Top => AT_TOP,
        Step::Lost => NOWHERE,
    };
    STOP
}

/// The number of the last change of mounts, if this is one of the task's own namespace. A namespace in which nothing was
/// mounted yet has none.
#[inline(always)]
fn own_mounts(mount: Pointer) -> u64 {
    let namespace = mounts::namespace_of(current());
    let number: u64 = load!(namespace, mounts_event as u64);
    let mount = mount.wrapping_byte_sub(offset!(mount_mnt));
    if probe!(mount, mount_ns as Pointer) == Some(namespace) { number } else { 0 }
}

/// Whether the entry may leave the directory without notice.
#[inline(always)]
fn may_move(entry: Pointer, directory: Pointer, asks_for_lock: bool) -> bool {
    if probe!(entry, dentry_flags as u32).is_none_or(|flags| flags & DCACHE_OP_REVALIDATE != 0) {
        return true;
    }
    if !asks_for_lock {
        return false;
    }
    let lock = probe!(directory, dentry_inode as Pointer).and_then(|inode| probe!(inode, inode_lock as u64));
    lock.is_none_or(|lock| lock & WRITER_LOCKED != 0)
}

/// Whether this is the same thing wherever it stands: a device such as `/dev/null`, or what the kernel keeps on mounts of
/// its own.
#[inline(always)]
fn is_of_kernel(dentry: Pointer) -> bool {
    let flags = probe!(dentry, dentry_sb as Pointer).and_then(|sb| probe!(sb, sb_flags as u64));
    if flags.is_some_and(|flags| flags & SB_KERNMOUNT != 0) {
        return true;
    }
    let Some(inode) = probe!(dentry, dentry_inode as Pointer) else { return false };
    let kind = probe!(inode, inode_mode as u16).map(|mode| u32::from(mode) & S_IFMT);
    kind == Some(S_IFCHR) && probe!(inode, inode_device as u32).is_some_and(is_harmless_device)
}
