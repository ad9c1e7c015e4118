//! The operations, as the tables show them, and what the product promises about them.

/// What the product must keep to, whatever the number of rules.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// At most so many instructions over no confinement.
    Over(i64),
    /// At most this part, in percent, of what AppArmor adds.
    OfAppArmor(i64),
    /// At most so many instructions for a thousand of the operation itself.
    PerMille(i64),
}

pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) target: Option<Target>,
    /// What an outsider may pay, over no confinement.
    pub(super) outsider: Option<i64>,
    /// Differences of fewer instructions say nothing.
    pub(super) noise: i64,
}

pub(super) const ALL: [Operation; 15] = [
    operation("open", "open + close, same file, 13 bytes", 40).target(Target::Over(400)).outsider(215),
    operation("open-nested", "open + close, same file, 66 bytes, 9 levels", 60).target(Target::Over(400)),
    operation("open-4000", "open + close, path of 3999 bytes, 18 levels", 300).target(Target::Over(400)),
    operation("open-300-levels", "open + close, 302 levels", 300).target(Target::Over(400)),
    operation("open-inside-300-levels", "the same from inside, relative", 60).target(Target::Over(400)),
    operation("distinct", "open + close, 500 files once each", 60).target(Target::Over(700)),
    operation("distinct-nested", "the same, 8 levels down", 60).target(Target::Over(700)),
    operation("create", "create + close", 250).target(Target::OfAppArmor(60)),
    operation("unlink", "unlink", 150).target(Target::OfAppArmor(60)),
    operation("rename", "rename", 150),
    operation("write", "write 1 byte", 15),
    operation("exec", "posix_spawn + exit + wait", 3000).target(Target::PerMille(6)),
    operation("connect", "UDP connect", 15).target(Target::Over(347)),
    operation("send", "send 1 byte, connected UDP", 30).target(Target::Over(300)),
    operation("server", "nginx answers a request", 800),
];

const fn operation(name: &'static str, title: &'static str, noise: i64) -> Operation {
    Operation { name, title, target: None, outsider: None, noise }
}

impl Operation {
    const fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    const fn outsider(mut self, over: i64) -> Self {
        self.outsider = Some(over);
        self
    }
}
