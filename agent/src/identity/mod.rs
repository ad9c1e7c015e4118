//! Who a container is: its cgroup, its process, and the names people know it by.

pub mod cgroup;
pub mod oci;
pub mod podman;
pub mod process;

use serde::{Deserialize, Serialize};

/// The names of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Container id or run id.
    pub id: String,
    /// Container name.
    pub name: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
}

impl Names {
    /// The name that stays the same when the container is made again, as far as there is one.
    pub fn lasting(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}
