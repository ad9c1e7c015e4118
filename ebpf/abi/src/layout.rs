//! Proof that the shared structures have the layout both sides assume. A field added, moved or
//! resized fails to compile here.

use crate::event::EventHeader;
use crate::known::{FileId, InodeMemory, Known};
use crate::label::{Label, Root, SubjectEntry};
use crate::owner::Owner;
use core::mem::{align_of, offset_of, size_of};

macro_rules! layout {
    ($type:ident, size $size:literal, align $align:literal, { $($field:ident @ $offset:literal),+ $(,)? }) => {
        const _: () = {
            assert!(size_of::<$type>() == $size);
            assert!(align_of::<$type>() == $align);
            $(assert!(offset_of!($type, $field) == $offset);)+
            // A field that is missing from the list makes this pattern incomplete.
            const fn every_field(value: &$type) {
                let $type { $($field: _),+ } = value;
            }
            let _ = every_field;
        };
    };
}

layout!(Label, size 24, align 8, { subject @ 0, policy @ 8, flags @ 12, member @ 16, next_member @ 20 });
layout!(Root, size 16, align 8, { dentry @ 0, mount @ 8 });
layout!(SubjectEntry, size 16, align 4, { policy @ 0, init_pid @ 4, flags @ 8, reserved @ 12 });
layout!(EventHeader, size 88, align 8, {
    time_ns @ 0, subject @ 8, generation @ 16, pid @ 24, tid @ 28, ppid @ 32, uid @ 36, policy @ 40,
    flags @ 44, access @ 48, missing @ 52, operation @ 56, verdict @ 57, reason @ 58, mode @ 59,
    view @ 60, reserved @ 61, skip @ 62, object_len @ 64, reserved2 @ 68, comm @ 72,
});
layout!(Known, size 96, align 8, {
    busy @ 0, sequence @ 8, dentry @ 16, mount @ 24, root @ 32, mounts @ 40, renames @ 48, head @ 56,
    name @ 64, grants @ 72, groups @ 80, below @ 88,
});
layout!(FileId, size 16, align 8, { device @ 0, number @ 8 });
layout!(Owner, size 16, align 8, { task @ 0, started @ 8 });
layout!(InodeMemory, size 192, align 8, { ways @ 0 });
