//! What an OCI runtime tells its hooks: the container's state, and the bundle's configuration.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Names;

/// The annotation that binds a profile.
pub const PROFILE_ANNOTATION: &str = "stockade.dev/profile";

/// No state or configuration of a real container is larger.
pub const JSON_MAX: u64 = 8 << 20;

/// Container state, as the runtime writes it to a hook's standard input.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// Container id.
    pub id: String,
    /// Process id of the container's first process, as the hook sees it.
    pub pid: u32,
    /// Absolute path of the bundle.
    #[serde(default)]
    pub bundle: PathBuf,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// The parts of a bundle's `config.json` that matter here.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Config {
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Root file system.
    #[serde(default)]
    pub root: Option<Root>,
}

/// Root file system of a bundle.
#[derive(Clone, Debug, Deserialize)]
pub struct Root {
    /// Its path, absolute or relative to the bundle.
    pub path: PathBuf,
}

/// Reads all of `from`, but no more than [`JSON_MAX`].
pub fn read_bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(JSON_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > JSON_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 8 MiB"));
    }
    Ok(bytes)
}

/// The first `config.json` found where runtimes keep it, and the directory it is in.
///
/// One that is there and says nothing understandable is a failure: what it would have said decides how the
/// container is told from the runtime.
pub fn find_config(bundle: &Path) -> io::Result<Option<(PathBuf, Config)>> {
    // In this order: the bundle itself, and the two places that engines use beside it.
    for relative in ["", "..", "../userdata"] {
        let dir = bundle.join(relative);
        let file = match File::open(dir.join("config.json")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        return Ok(Some((dir, serde_json::from_slice(&read_bounded(file)?)?)));
    }
    Ok(None)
}

/// Whether the container's root directory is the host's, under whatever name: a bind mount of `/` is the
/// same directory to the kernel, which then cannot tell the runtime's work from the container's by it.
pub fn shares_host_root(dir: &Path, config: &Config) -> io::Result<bool> {
    let Some(root) = &config.root else { return Ok(false) };
    let root = fs::metadata(dir.join(&root.path))?;
    let host = fs::metadata("/")?;
    Ok((root.dev(), root.ino()) == (host.dev(), host.ino()))
}

/// The names that annotations give.
pub fn names(id: &str, annotations: &BTreeMap<String, String>) -> Names {
    let first = |keys: &[&str]| {
        keys.iter().find_map(|key| annotations.get(*key)).filter(|value| !value.is_empty()).cloned()
    };
    Names {
        id: id.to_owned(),
        name: first(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name"]),
        image: first(&[
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri-o.ImageName",
            "org.opencontainers.image.ref.name",
        ]),
        pod: first(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        namespace: first(&["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn state_of_podman_and_of_containerd() {
        let state: State = serde_json::from_str(
            r#"{"ociVersion":"1.0.2","id":"abc","status":"creating","pid":77,"bundle":"/b","root":"/b/r",
                "annotations":{"stockade.dev/profile":"web","io.container.manager":"libpod"}}"#,
        )
        .unwrap();
        assert_eq!((state.id.as_str(), state.pid), ("abc", 77));
        assert_eq!(state.annotations[PROFILE_ANNOTATION], "web");
        let bare: State = serde_json::from_str(r#"{"id":"abc","pid":77}"#).unwrap();
        assert!(bare.annotations.is_empty());
        assert!(serde_json::from_str::<State>(r#"{"id":"abc"}"#).is_err());
    }

    #[test]
    fn names_from_annotations() {
        let annotations = BTreeMap::from([
            ("io.kubernetes.cri.container-name".to_owned(), "web".to_owned()),
            ("io.kubernetes.cri.sandbox-name".to_owned(), "web-1".to_owned()),
            ("io.kubernetes.cri.sandbox-namespace".to_owned(), "prod".to_owned()),
            ("io.kubernetes.cri.image-name".to_owned(), "nginx:1".to_owned()),
        ]);
        let names = names("id", &annotations);
        assert_eq!(names.lasting(), "web");
        assert_eq!(names.pod.as_deref(), Some("web-1"));
        assert_eq!(names.namespace.as_deref(), Some("prod"));
        assert_eq!(names.image.as_deref(), Some("nginx:1"));
        assert_eq!(super::names("id", &BTreeMap::new()).lasting(), "id");
    }

    #[test]
    fn bundle_configuration_is_found_beside_the_bundle() {
        let dir = TempDir::new("bundle");
        let bundle = dir.path().join("a/b");
        fs::create_dir_all(&bundle).unwrap();
        assert!(find_config(&bundle).unwrap().is_none());
        fs::write(dir.path().join("a/config.json"), r#"{"root":{"path":"/"},"annotations":{"k":"v"}}"#)
            .unwrap();
        let (at, config) = find_config(&bundle).unwrap().unwrap();
        assert!(shares_host_root(&at, &config).unwrap());
        assert_eq!(config.annotations["k"], "v");
        fs::write(bundle.join("config.json"), r#"{"root":{"path":"."}}"#).unwrap();
        let (at, config) = find_config(&bundle).unwrap().unwrap();
        assert!(!shares_host_root(&at, &config).unwrap());
        // Without it, a container that shares the host's root would be taken for the runtime.
        for bad in ["", "{", r#"{"root":{"path":7}}"#] {
            fs::write(bundle.join("config.json"), bad).unwrap();
            assert!(find_config(&bundle).is_err(), "{bad}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        assert!(read_bounded(io::repeat(0)).is_err());
        assert_eq!(read_bounded(&b"{}"[..]).unwrap(), b"{}");
    }
}
