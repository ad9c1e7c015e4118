//! The floor: programs that do nothing, attached to the hooks that any mediator of these operations needs.

use aya::programs::Lsm;
use aya::{Btf, Ebpf};

use anyhow::{Context, Result, ensure};

use super::GIVEN;

/// Attached for as long as it lives.
pub(super) struct Floor(#[expect(dead_code, reason = "detaches when it is dropped")] Ebpf);

impl Floor {
    pub(super) fn attach() -> Result<Self> {
        let mut object = Ebpf::load_file(format!("{GIVEN}/floor")).context("loading the empty programs")?;
        let btf = Btf::from_sys_fs().context("the kernel's types")?;
        let mut count = 0;
        for (name, program) in object.programs_mut() {
            let hook = name.strip_prefix("floor_").with_context(|| format!("program {name}"))?.to_owned();
            let program: &mut Lsm = program.try_into()?;
            program.load(&hook, &btf).with_context(|| format!("loading {hook}"))?;
            program.attach().with_context(|| format!("attaching {hook}"))?;
            count += 1;
        }
        ensure!(count > 0, "the object holds no programs");
        Ok(Self(object))
    }
}
