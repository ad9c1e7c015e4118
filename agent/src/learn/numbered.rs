//! What the kernel itself numbers: processes and their descriptors, processors, nodes of memory, terminals. The numbers
//! of another start or another machine are others.

use super::pattern::{Pattern, Piece, is_number};

/// What is numbered below `/sys/devices/system`, as in `cpu/cpu3/cache/index0`.
const OF_MACHINE: [&[u8]; 5] = [b"cpu", b"index", b"memory", b"node", b"policy"];

/// The path with what the kernel numbers left open; `None` where there is nothing of that.
pub(super) fn numbered(path: &[u8]) -> Option<Pattern> {
    let pattern = process(path).or_else(|| machine(path)).or_else(|| terminal(path))?;
    (!pattern.is_literal()).then_some(pattern)
}

/// `/proc/PID/…` of another process, and numbered entries below any process's directory.
fn process(path: &[u8]) -> Option<Pattern> {
    let below = path.strip_prefix(b"/proc/")?;
    let mut components = below.split(|byte| *byte == b'/');
    let mut before = components.next()?;
    let mut pattern = Pattern::literal(b"/proc/");
    if is_number(before) {
        pattern.push(Piece::Number);
    } else if before == b"self" || before == b"thread-self" {
        pattern.push_literal(before);
    } else {
        return None;
    }
    for component in components {
        pattern.push_literal(b"/");
        if is_number(component) && matches!(before, b"task" | b"fd" | b"fdinfo") {
            pattern.push(Piece::Number);
        } else {
            pattern.push_literal(component);
        }
        before = component;
    }
    Some(pattern)
}

/// Processors, their caches, and nodes of memory.
fn machine(path: &[u8]) -> Option<Pattern> {
    const SYSTEM: &[u8] = b"/sys/devices/system";
    let below = path.strip_prefix(SYSTEM)?.strip_prefix(b"/")?;
    let mut pattern = Pattern::literal(SYSTEM);
    for component in below.split(|byte| *byte == b'/') {
        pattern.push_literal(b"/");
        let numbered = |kind: &&[u8]| component.strip_prefix(*kind).is_some_and(is_number);
        match OF_MACHINE.into_iter().find(numbered) {
            Some(kind) => {
                pattern.push_literal(kind);
                pattern.push(Piece::Number);
            }
            None => pattern.push_literal(component),
        }
    }
    Some(pattern)
}

/// What `/sys` says of a disk or a network interface, wherever that is attached and whatever it is called; `None` for
/// anything else. Only for what is read: to write there changes the machine.
pub(super) fn attached(path: &[u8]) -> Option<Pattern> {
    const DEVICES: &[u8] = b"/sys/devices/";
    let components: Vec<&[u8]> = path.strip_prefix(DEVICES)?.split(|byte| *byte == b'/').collect();
    if components.first() == Some(&&b"system"[..]) {
        return None;
    }
    let (kind, name, rest) = queue(&components).or_else(|| named(&components))?;
    let mut pattern = Pattern::literal(DEVICES);
    pattern.push(Piece::Components);
    pattern.push_literal(b"/");
    pattern.push_literal(kind);
    for component in name.iter().chain(rest).copied() {
        pattern.push_literal(b"/");
        // A part of a disk begins with its name.
        if name.is_some_and(|name| component.starts_with(name)) {
            pattern.push(Piece::Name(Vec::new()));
        } else {
            pattern.push_literal(component);
        }
    }
    Some(pattern)
}

/// What is below a device, taken apart: its kind, its name where that stands behind the kind, and what is asked of it.
type Attached<'a> = (&'a [u8], Option<&'a [u8]>, &'a [&'a [u8]]);

/// `…/queue/WHAT`. Some disks stand right below what they are attached to.
fn queue<'a>(components: &'a [&'a [u8]]) -> Option<Attached<'a>> {
    let at = components.iter().rposition(|component| *component == b"queue")?;
    let rest = components.get(at + 1..).filter(|rest| !rest.is_empty())?;
    Some((b"queue", None, rest))
}

/// `…/block/NAME/WHAT` and `…/net/NAME/WHAT`.
fn named<'a>(components: &'a [&'a [u8]]) -> Option<Attached<'a>> {
    [&b"block"[..], b"net"].into_iter().find_map(|kind| {
        let at = components.iter().rposition(|component| *component == kind)?;
        let rest = components.get(at + 2..).filter(|rest| !rest.is_empty())?;
        Some((kind, components.get(at + 1).copied(), rest))
    })
}

fn terminal(path: &[u8]) -> Option<Pattern> {
    const TERMINALS: &[u8] = b"/dev/pts/";
    path.strip_prefix(TERMINALS).filter(|name| is_number(name))?;
    let mut pattern = Pattern::literal(TERMINALS);
    pattern.push(Piece::Number);
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: Option<Pattern>) -> Option<String> {
        found.and_then(|pattern| pattern.glob())
    }

    #[test]
    fn what_the_kernel_numbers() {
        for (path, glob) in [
            ("/proc/17/task/19/comm", "/proc/[0-9]*/task/[0-9]*/comm"),
            ("/proc/self/fd/7", "/proc/self/fd/[0-9]*"),
            (
                "/sys/devices/system/cpu/cpu3/cache/index0/size",
                "/sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/size",
            ),
            ("/sys/devices/system/node/node0/meminfo", "/sys/devices/system/node/node[0-9]*/meminfo"),
            ("/dev/pts/3", "/dev/pts/[0-9]*"),
        ] {
            assert_eq!(shown(numbered(path.as_bytes())).as_deref(), Some(glob));
        }
        for path in [
            "/proc/sys/kernel/pid_max",
            "/sys/devices/virtual/block/loop0/size",
            "/proc/self/status",
            "/sys/devices/system/cpu/online",
            "/sys/devices/system/cpu/cpufreq",
            "/dev/pts/ptmx",
            "/dev/sda1",
        ] {
            assert_eq!(numbered(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn what_is_attached() {
        for (path, glob) in [
            (
                "/sys/devices/pci0000:00/0000:00:01.0/virtio0/block/vda/queue/rotational",
                "/sys/devices/**/queue/rotational",
            ),
            (
                "/sys/devices/pci0000:00/0000:02:00.0/nvme/nvme0/nvme0n1/queue/logical_block_size",
                "/sys/devices/**/queue/logical_block_size",
            ),
            ("/sys/devices/virtual/block/dm-0/dm/name", "/sys/devices/**/block/*/dm/name"),
            ("/sys/devices/pci0000:00/virtio0/block/vda/vda1/size", "/sys/devices/**/block/*/*/size"),
            ("/sys/devices/virtual/block/loop0/queue", "/sys/devices/**/block/*/queue"),
            ("/sys/devices/virtual/net/lo/mtu", "/sys/devices/**/net/*/mtu"),
        ] {
            assert_eq!(shown(attached(path.as_bytes())).as_deref(), Some(glob));
        }
        for path in [
            "/sys/devices/system/cpu/online",
            "/sys/devices/pci0000:00/0000:00:01.0/vendor",
            "/sys/devices/pci0000:00/virtio0/block/vda",
            "/sys/devices/virtual/net",
            "/sys/block/vda/queue/rotational",
        ] {
            assert_eq!(attached(path.as_bytes()), None, "{path}");
        }
    }
}
