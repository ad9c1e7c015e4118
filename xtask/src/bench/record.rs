//! Figures, and the file in which they are kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::lane::docs;
use crate::guest;
use crate::project::Project;

/// What was measured, by kernel family.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) kernels: BTreeMap<String, Figures>,
}

/// What was measured on one kernel.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The package that was booted.
    pub(super) package: String,
    /// By configuration, then by operation.
    configurations: BTreeMap<String, BTreeMap<String, Figure>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    pub(super) value: u64,
    /// How far apart the series and the passes are.
    pub(super) spread: u64,
    /// Of each pass, in order of size.
    #[serde(skip)]
    passes: Vec<u64>,
}

impl Figures {
    pub(super) fn new(package: &str) -> Self {
        Self { package: package.to_owned(), configurations: BTreeMap::new() }
    }

    /// Notes a figure. A configuration may be measured several times.
    pub(super) fn put(&mut self, figure: &guest::Figure) {
        let guest::Figure { configuration, operation, value, spread } = figure;
        let operations = self.configurations.entry(configuration.clone()).or_default();
        operations.entry(operation.clone()).or_default().pass(*value, *spread);
    }

    pub(super) fn get(&self, configuration: &str, operation: &str) -> Option<Figure> {
        self.configurations.get(configuration)?.get(operation).cloned()
    }

    /// What a configuration adds to the same operation without confinement.
    pub(super) fn over(&self, configuration: &str, operation: &str) -> Option<i64> {
        let value = |configuration| i64::try_from(self.get(configuration, operation)?.value).ok();
        Some(value(configuration)? - value("base")?)
    }

    /// The configurations whose names begin so.
    pub(super) fn configurations(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = (&str, &BTreeMap<String, Figure>)> {
        self.configurations
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, figures)| (name.as_str(), figures))
    }

    /// A figure about the agent. How far the counting went is in the configuration's name, so it is
    /// looked for under all.
    pub(super) fn agent(&self, operation: &str) -> Option<u64> {
        self.configurations("agent-").find_map(|(_, figures)| Some(figures.get(operation)?.value))
    }
}

impl Figure {
    /// The middle pass counts: a pass can be unlucky, and where two processes take turns also lucky.
    fn pass(&mut self, value: u64, spread: u64) {
        self.passes.push(value);
        self.passes.sort_unstable();
        let [first, .., last] = self.passes[..] else {
            (self.value, self.spread) = (value, spread);
            return;
        };
        self.value = self.passes[self.passes.len() / 2];
        self.spread = self.spread.max(spread).max(self.value - first).max(last - self.value);
    }
}

impl Record {
    pub(super) fn read(project: &Project) -> Result<Self> {
        let path = path(project);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("reading {}; `cargo xtask bench` makes it", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("what stands in {}", path.display()))
    }

    /// Takes in what was measured, in place of the same configurations.
    pub(super) fn renew(&mut self, fresh: Self) {
        for (family, figures) in fresh.kernels {
            let known = self.kernels.entry(family).or_insert_with(|| Figures::new(&figures.package));
            known.package = figures.package;
            known.configurations.extend(figures.configurations);
        }
    }

    pub(super) fn write(&self, project: &Project) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the figures")?;
        let path = path(project);
        fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

fn path(project: &Project) -> PathBuf {
    docs(project).join("performance.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(family: &str, configuration: &str, value: u64) -> Record {
        let mut figures = Figures::new("linux");
        figures.put(&guest::Figure {
            configuration: configuration.to_owned(),
            operation: "open".to_owned(),
            value,
            spread: 0,
        });
        Record { kernels: BTreeMap::from([(family.to_owned(), figures)]) }
    }

    #[test]
    fn a_part_that_is_measured_anew_leaves_the_rest() {
        let mut all = record("6.1", "base", 1);
        for part in [record("6.1", "outsider", 2), record("6.12", "base", 3), record("6.1", "base", 4)] {
            all.renew(part);
        }
        let value = |family: &str, name: &str| all.kernels[family].get(name, "open").unwrap().value;
        assert_eq!((value("6.1", "base"), value("6.1", "outsider"), value("6.12", "base")), (4, 2, 3));
    }
}
