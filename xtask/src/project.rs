//! Where things are: the repository, its target directory, and the cache shared by all checkouts.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::exec;

/// One member of the workspace, as cargo sees it.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
}

pub(crate) struct Project {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) members: Vec<Member>,
}

impl Project {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in no workspace")?;
        if !root.join("Cargo.toml").is_file() {
            bail!("{} is gone; run `cargo xtask` from the checkout it was built in", root.display());
        }
        let mut metadata = exec::cargo(root);
        metadata.args(["metadata", "--no-deps", "--format-version=1"]);
        let metadata: Value =
            serde_json::from_str(&exec::output(&mut metadata)?).context("what `cargo metadata` printed")?;
        let target = metadata["target_directory"].as_str().context("cargo names no target directory")?;
        let mut members = Vec::new();
        for package in metadata["packages"].as_array().context("cargo names no packages")? {
            members.push(Member {
                name: package["name"].as_str().context("a package without a name")?.to_owned(),
                manifest: package["manifest_path"].as_str().context("a package without a manifest")?.into(),
            });
        }
        Ok(Self { root: root.to_owned(), target: target.into(), cache: cache_dir()?, members })
    }

    /// The directory in which the product is left.
    pub(crate) fn release(&self) -> PathBuf {
        self.target.join("release")
    }

    pub(crate) fn cargo(&self) -> std::process::Command {
        exec::cargo(&self.root)
    }
}

fn cache_dir() -> Result<PathBuf> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = given("STOCKADE_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|dir| dir.join("stockade")))
        .or_else(|| given("HOME").map(|dir| dir.join(".cache/stockade")))
        .context("no place for the cache: set STOCKADE_CACHE or HOME")?;
    std::path::absolute(&dir).with_context(|| format!("the cache directory {}", dir.display()))
}
