//! The short way while learning: what was reported need not be put together once more to be found reported.
//!
//! A file's inode knows what of the file was reported. A directory's knows the hash of its path, which its names
//! continue to the hashes of observations.

use aya_ebpf::bindings::task_struct;
use stockade_abi::head::Head;
use stockade_abi::label::SESSION;
use stockade_abi::reason::Mode;
use stockade_abi::table::pair;

use super::kernel::{Pointer, load};
use super::label::{self, Tag};
use super::memory::{self, Lesson, Place, Sight, View};
use super::policy::{self, side};
use super::quick::{below, in_its_directory, place_of};
use super::{seen, special};

/// Whether the policy is learning.
#[inline(always)]
pub(crate) fn is_learning(head: Head) -> bool {
    head.mode() == Some(Mode::Learn)
}

/// Whether everything that is `wanted` of the file was reported. `settled`: the file was there before.
#[inline(always)]
pub(crate) fn file(task: *mut task_struct, tag: Tag, file: Pointer, wanted: u32, settled: bool) -> bool {
    is_file(task, file, tag.policy, tag.flags, u64::from(wanted) | u64::from(settled) << 32)
}

/// A function of its own, for the stack that it takes.
#[inline(never)]
fn is_file(task: *mut task_struct, file: Pointer, policy: u32, flags: u32, details: u64) -> bool {
    let tag = Tag { policy, flags };
    let (wanted, settled) = (details as u32, details >> 32 != 0);
    let Some(label) = label::of(task) else { return false };
    let (head, renames) = (policy::word(policy), policy::renames());
    let sight = Sight::of(task, tag.policy, head, label.subject);
    let (place, inode) = (place_of(file), load!(file, file_inode as Pointer));
    let known = memory::entry(inode, policy);
    if !known.is_null()
        && let Some(reported) = memory::granted(known, &place, &sight)
        && wanted & !side(reported, flags) == 0
    {
        return true;
    }
    if load!(place.dentry, dentry_hashed as u64) == 0 {
        return false;
    }
    let is_reported = |directory: &Place| {
        let path = below(tag, directory, &sight)?;
        seen::has_name(path, place.dentry, label.subject, tag, wanted).then_some(())
    };
    if in_its_directory(&place, is_reported).is_none() {
        return false;
    }
    if settled && memory::comes_again(inode) {
        let name = memory::name_of(place.dentry);
        let reported = if flags & SESSION == 0 { pair(wanted, 0) } else { pair(0, wanted) };
        let view = View::of(&sight, renames);
        let lesson = Lesson::File { name, granted: special::memorable(file, reported), groups: 0 };
        memory::remember(inode, policy, &place, &view, lesson);
    }
    true
}

/// Whether `access` to an entry of this directory was reported.
#[inline(always)]
pub(crate) fn name(
    task: *mut task_struct,
    tag: Tag,
    head: Head,
    directory: &Place,
    dentry: Pointer,
    access: u32,
) -> bool {
    let Some(label) = label::of(task) else { return false };
    let sight = Sight::of(task, tag.policy, head, label.subject);
    let path = below(tag, directory, &sight);
    path.is_some_and(|path| seen::has_name(path, dentry, label.subject, tag, access))
}
