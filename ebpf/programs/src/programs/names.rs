//! Making names, giving them away, removing them; changing what a name stands for.

use aya_ebpf::bindings::task_struct;
use stockade_abi::access;
use stockade_abi::facility::Facility;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, Label};
use stockade_abi::reason::{Operation, Reason};

use super::dpath::HUGETLBFS;
use super::file::{SB_KERNMOUNT, is_internal};
use super::judge::{ALLOW, DENY, Judged, Question, judge, without_object};
use super::kernel::{Pointer, current, load};
use super::label::Tag;
use super::memory::{self, Lesson, Place, Sight, View};
use super::policy::{Object, side};
use super::reported::{self, is_learning};
use super::standing::Standing;
use super::{climb, count, facility, label, policy, quick, scratch, special, widen};

/// The second argument of a rename that swaps two names.
const RENAME_EXCHANGE: u32 = 1 << 1;
/// `mode` of device nodes, and the bits of it that tell.
const S_IFMT: u32 = 0o170_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
/// The number of a whiteout: a character device that overlay file systems mark removed names with.
const WHITEOUT: u32 = 0;
/// Bits of a mode with which a program runs as somebody else.
const SET_ID: u32 = 0o6000;

/// A name: an entry, and the path of the directory that it is in or comes to.
#[derive(Clone, Copy)]
struct Name {
    directory: Place,
    dentry: Pointer,
}

impl Name {
    /// From a hook's `path` of the directory and the entry in it.
    #[inline(always)]
    fn below(path: Pointer, dentry: Pointer) -> Self {
        let directory =
            Place { dentry: load!(path, path_dentry as Pointer), mount: load!(path, path_mount as Pointer) };
        Self { directory, dentry }
    }

    #[inline(always)]
    fn place(&self) -> Place {
        Place { dentry: self.dentry, mount: self.directory.mount }
    }
}

/// Who does it.
#[derive(Clone, Copy)]
struct Doer {
    task: *mut task_struct,
    tag: Tag,
}

/// The doer, or what the hook answers without one.
#[inline(always)]
fn doer(before: i32, hook: Hook) -> Result<Doer, i32> {
    if before != 0 {
        return Err(before);
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return Err(ALLOW) };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return Err(DENY);
    }
    Ok(Doer { task, tag })
}

/// `path_mknod(dir, dentry, mode, dev)`, also for files made by opening them.
#[inline(always)]
pub(crate) fn mknod(before: i32, path: Pointer, dentry: Pointer, mode: u32, device: u32) -> i32 {
    let doer = match doer(before, Hook::Mknod) {
        Ok(doer) => doer,
        Err(answer) => return answer,
    };
    let kind = mode & S_IFMT;
    let makes_device = kind == S_IFBLK || (kind == S_IFCHR && device != WHITEOUT);
    let runs_as_other = mode & SET_ID != 0 && (kind == S_IFREG || kind == 0);
    if makes_device {
        let answer = facility::judge(doer.tag, Facility::Devices);
        if answer != ALLOW {
            return answer;
        }
    }
    let access = if runs_as_other { access::CREATE | NEVER } else { access::CREATE };
    by_name(&doer, &Name::below(path, dentry), access)
}

/// An access that no rule grants.
pub(crate) const NEVER: u32 = 1 << 31;

/// Hooks that make a name below a directory or remove one.
#[inline(always)]
pub(crate) fn entry(before: i32, hook: Hook, path: Pointer, dentry: Pointer, access: u32) -> i32 {
    match doer(before, hook) {
        Ok(doer) => by_name(&doer, &Name::below(path, dentry), access),
        Err(answer) => answer,
    }
}

/// `path_mkdir` and `path_rmdir`, by which control groups come and go.
#[inline(always)]
pub(crate) fn directory(before: i32, hook: Hook, path: Pointer, dentry: Pointer, access: u32) -> i32 {
    let doer = match doer(before, hook) {
        Ok(doer) => doer,
        Err(answer) => return answer,
    };
    let answer = special::judge_directory(doer.tag, load!(path, path_dentry as Pointer));
    if answer != ALLOW {
        return answer;
    }
    by_name(&doer, &Name::below(path, dentry), access)
}

/// Hooks that change the file that a path names.
#[inline(always)]
pub(crate) fn file(before: i32, hook: Hook, path: Pointer, access: u32) -> i32 {
    let doer = match doer(before, hook) {
        Ok(doer) => doer,
        Err(answer) => return answer,
    };
    let dentry: Pointer = load!(path, path_dentry as Pointer);
    let mount: Pointer = load!(path, path_mount as Pointer);
    if access & NEVER == 0 && is_memory(dentry, mount) {
        return ALLOW;
    }
    let parent: Pointer = load!(dentry, dentry_parent as Pointer);
    let directory = Place { dentry: parent, mount };
    by_name(&doer, &Name { directory, dentry }, access)
}

/// Whether this is memory that its descriptor alone makes a file (`memfd_create`): it is in no directory, and nobody's who
/// was not given it. Until 6.2 the kernel asks here, too, when such a file gets its size.
#[inline(always)]
fn is_memory(dentry: Pointer, mount: Pointer) -> bool {
    let inode: Pointer = load!(dentry, dentry_inode as Pointer);
    let sb: Pointer = load!(inode, inode_sb as Pointer);
    if load!(sb, sb_magic as u64) == HUGETLBFS {
        // Its mount lacks the marks of others. Who mounts one sees files in directories.
        let parent: Pointer = load!(dentry, dentry_parent as Pointer);
        let top: Pointer = load!(mount, vfsmount_root as Pointer);
        return parent == dentry && top != dentry;
    }
    // Mounts that an overlay has for itself are in no namespace either, and hold files.
    load!(sb, sb_flags as u64) & SB_KERNMOUNT != 0 && is_internal(mount)
}

/// `path_chmod(path, mode)`.
#[inline(always)]
pub(crate) fn chmod(before: i32, path: Pointer, mode: u32) -> i32 {
    let access = if mode & SET_ID != 0 { access::ATTR | NEVER } else { access::ATTR };
    file(before, Hook::Chmod, path, access)
}

/// `path_rename(old_dir, old_dentry, new_dir, new_dentry, flags)`.
#[inline(always)]
pub(crate) fn rename(before: i32, old: (Pointer, Pointer), new: (Pointer, Pointer), flags: u32) -> i32 {
    let doer = match doer(before, Hook::Rename) {
        Ok(doer) => doer,
        Err(answer) => return answer,
    };
    let exchanged = flags & RENAME_EXCHANGE != 0;
    let given = if exchanged { access::RENAME | access::CREATE } else { access::RENAME };
    let answer = by_name(&doer, &Name::below(old.0, old.1), given);
    if answer != ALLOW {
        return answer;
    }
    let replaced: Pointer = load!(new.1, dentry_inode as Pointer);
    let taken = if exchanged {
        access::RENAME | access::CREATE
    } else if replaced.is_null() {
        access::CREATE
    } else {
        access::CREATE | access::DELETE
    };
    let answer = by_name(&doer, &Name::below(new.0, new.1), taken);
    if answer != ALLOW {
        return answer;
    }
    let mount: Pointer = load!(new.0, path_mount as Pointer);
    if is_directory(old.1) {
        let answer = widen::directory(old.1, mount, new.1);
        if answer != ALLOW {
            return answer;
        }
    }
    if exchanged && is_directory(new.1) {
        return widen::directory(new.1, mount, old.1);
    }
    ALLOW
}

/// `inode_rename(old_dir, old_dentry, new_dir, new_dentry)`: a directory that gets another path takes
/// everything below it along, so what is remembered of directories ends here. The locks of both
/// directories are held until the rename is done.
#[inline(always)]
pub(crate) fn renamed(before: i32, old: Pointer, new: Pointer) -> i32 {
    if before != 0 {
        return before;
    }
    if is_directory(old) || is_directory(new) {
        policy::count_rename();
    }
    let task = current();
    if label::tag(task).is_some_and(|tag| tag.flags & CANARY != 0) {
        count::canary(Hook::Renamed);
    }
    ALLOW
}

#[inline(always)]
fn is_directory(dentry: Pointer) -> bool {
    let inode: Pointer = load!(dentry, dentry_inode as Pointer);
    !inode.is_null() && u32::from(load!(inode, inode_mode as u16)) & S_IFMT == S_IFDIR
}

/// `path_link(old_dentry, new_dir, new_dentry)`.
#[inline(always)]
pub(crate) fn link(before: i32, old: Pointer, path: Pointer, dentry: Pointer) -> i32 {
    let doer = match doer(before, Hook::Link) {
        Ok(doer) => doer,
        Err(answer) => return answer,
    };
    let answer = by_name(&doer, &Name::below(path, dentry), access::LINK | access::CREATE);
    if answer != ALLOW {
        return answer;
    }
    widen::link(doer.task, old, load!(path, path_mount as Pointer), dentry)
}

/// Judges by the name: the short way from the directory's state, or the long way.
#[inline(always)]
fn by_name(doer: &Doer, name: &Name, access: u32) -> i32 {
    judge_name(doer.task, name.directory.dentry, name.directory.mount, name.dentry, access)
}

/// A function of its own, so that a hook with two names does not have the verifier look at the second one
/// once for every way in which the first may go.
#[inline(never)]
fn judge_name(
    task: *mut task_struct,
    directory: Pointer,
    mount: Pointer,
    dentry: Pointer,
    access: u32,
) -> i32 {
    let Some(tag) = label::tag(task) else { return ALLOW };
    let name = Name { directory: Place { dentry: directory, mount }, dentry };
    let head = policy::head(tag.policy);
    let top: Pointer = load!(mount, vfsmount_root as Pointer);
    if dentry != top {
        let settled = if is_learning(head) {
            reported::name(task, tag, head, &name.directory, dentry, access)
        } else {
            let sight = Sight::of(task, tag.policy, head, 0);
            let grants = quick::in_directory(tag, head, &name.directory, dentry, &sight);
            grants.is_some_and(|grants| access & !side(grants.granted, tag.flags) == 0)
        };
        if settled {
            return ALLOW;
        }
    }
    the_long_way(task, directory, mount, dentry, access)
}

#[inline(always)]
fn the_long_way(
    task: *mut task_struct,
    directory: Pointer,
    mount: Pointer,
    dentry: Pointer,
    access: u32,
) -> i32 {
    let name = &Name { directory: Place { dentry: directory, mount }, dentry };
    let Some(label) = label::of(task) else { return ALLOW };
    // Before the path is looked at: what was found under an older count is not remembered.
    let (head, renames) = (policy::head(label.policy), policy::renames());
    let standing = Standing::of(&name.place(), false);
    let answer = standing.judge();
    if answer != ALLOW {
        return answer;
    }
    let Some(slot) = scratch::claim() else {
        return without_object(&label, Operation::File, Reason::ScratchBusy);
    };
    let view = View::of(&Sight::of(task, label.policy, head, label.subject), renames);
    let steady = standing.is_steady(&view);
    let own: u32 = load!(name.dentry, dentry_name_len as u32);
    let top: Pointer = load!(name.directory.mount, vfsmount_root as Pointer);
    let climb::Built { len, problem } = climb::build(&name.place(), slot);
    let split = if name.dentry == top || own >= len { len } else { len - own };
    let guarded = memory::is_of_agent(name.dentry);
    let problem = if guarded { Reason::Guarded as u32 } else { problem };
    let (split, problem) = (scratch::plain(slot, split), scratch::plain(slot, problem));
    let object = Object { skip: 0, split, len, start: 0, problem };
    let steady = scratch::plain(slot, u32::from(steady && !guarded)) != 0;
    let question = Question { operation: Operation::File, access, object };
    let judged = judge(&label, head, &question, slot);
    scratch::release(slot);
    if steady && judged.below != 0 && object.split < object.len {
        remember_directory(&label, name, &view, &judged);
    }
    judged.answer
}

#[inline(always)]
fn remember_directory(label: &Label, name: &Name, view: &View, judged: &Judged) {
    let inode: Pointer = load!(name.directory.dentry, dentry_inode as Pointer);
    let lesson = Lesson::Directory { below: judged.below };
    memory::remember(inode, label.policy, &name.directory, view, lesson);
}
