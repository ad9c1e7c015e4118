//! Names that podman keeps in the files beside a container's bundle; annotations do not carry them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Names;

/// Nodes with thousands of containers stay below this.
const JSON_MAX: u64 = 64 << 20;

#[derive(Deserialize)]
struct Container {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
}

#[derive(Deserialize)]
struct Image {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    digest: Option<String>,
}

/// Fills in the name and the image of the container whose bundle is `bundle`, where they are missing
/// and podman knows them. What cannot be read stays missing.
pub fn complete(names: &mut Names, bundle: &Path) {
    let Some((containers, images)) = stores(bundle) else { return };
    let Some(known) = read::<Container>(&containers) else { return };
    let Some(container) = known.into_iter().find(|container| container.id == names.id) else { return };
    if names.name.is_none() {
        names.name = container.names.into_iter().next();
    }
    if names.image.is_none() && !container.image.is_empty() {
        names.image = read::<Image>(&images)
            .and_then(|images| images.into_iter().find(|image| image.id == container.image))
            .and_then(|image| image.names.and_then(|names| names.into_iter().next()).or(image.digest))
            .or(Some(container.image));
    }
}

/// `containers.json` and `images.json` for a bundle `…/DRIVER-containers/ID/userdata`.
fn stores(bundle: &Path) -> Option<(PathBuf, PathBuf)> {
    if bundle.file_name()? != "userdata" {
        return None;
    }
    let containers = bundle.parent()?.parent()?;
    let driver = containers.file_name()?.to_str()?.strip_suffix("-containers")?;
    let images = containers.parent()?.join(format!("{driver}-images"));
    Some((containers.join("containers.json"), images.join("images.json")))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<Vec<T>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(JSON_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn names_beside_the_bundle() {
        let dir = TempDir::new("podman");
        let bundle = dir.path().join("overlay-containers/abc/userdata");
        fs::create_dir_all(&bundle).unwrap();
        fs::create_dir_all(dir.path().join("overlay-images")).unwrap();
        let mut names = Names { id: "abc".to_owned(), ..Names::default() };
        complete(&mut names, &bundle);
        assert_eq!(names.name, None);
        fs::write(
            dir.path().join("overlay-containers/containers.json"),
            r#"[{"id":"zz"},{"id":"abc","names":["web"],"image":"i1","metadata":"{}"}]"#,
        )
        .unwrap();
        complete(&mut names, &bundle);
        assert_eq!((names.name.as_deref(), names.image.as_deref()), (Some("web"), Some("i1")));
        fs::write(
            dir.path().join("overlay-images/images.json"),
            r#"[{"id":"i1","names":["docker.io/library/nginx:1"],"digest":"sha256:1"}]"#,
        )
        .unwrap();
        names.image = None;
        complete(&mut names, &bundle);
        assert_eq!(names.image.as_deref(), Some("docker.io/library/nginx:1"));
    }

    #[test]
    fn other_bundles_are_left_alone() {
        assert_eq!(stores(Path::new("/run/containerd/io/x")), None);
        assert_eq!(stores(Path::new("/a/b/userdata")), None);
        assert!(stores(Path::new("/a/vfs-containers/b/userdata")).is_some());
    }
}
