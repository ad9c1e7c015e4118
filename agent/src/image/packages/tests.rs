//! Tests with small databases.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::TempDir;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn shown(packages: &Packages, dir: &str) -> Vec<String> {
    let show =
        |(path, owner): (&[u8], Option<&str>)| format!("{} {}", path.escape_ascii(), owner.unwrap_or("-"));
    packages.below(dir.as_bytes()).map(show).collect()
}

const STATUS: &str = "Package: libz1\nStatus: install ok installed\nSource: zlib\n\nPackage: tz\nStatus: install ok \
                      installed\n\nPackage: gone\nStatus: deinstall ok config-files\n";

#[test]
fn dpkg_with_merged_directories() {
    let dir = TempDir::new("dpkg");
    let root = dir.path();
    put(root, "var/lib/dpkg/status", STATUS);
    put(root, "var/lib/dpkg/info/libz1:amd64.list", "/.\n/lib\n/lib/x\n/lib/x/libz.so.1\n");
    put(root, "var/lib/dpkg/info/tz.list", "/usr/share/tz\n/usr/share/tz/UTC\n/usr/share/tz/doc\n/etc/tz\n");
    put(root, "var/lib/dpkg/info/gone.list", "/usr/share/tz/left\n");
    for file in ["usr/lib/x/libz.so.1", "usr/share/tz/UTC", "usr/share/tz/left", "usr/share/tz.own", "etc/tz"]
    {
        put(root, file, "");
    }
    symlink("usr/lib", root.join("lib")).unwrap();
    let packages = Packages::read(root).unwrap();
    assert_eq!(shown(&packages, "/usr/lib"), ["/usr/lib/x/libz.so.1 zlib"]);
    // What is not there is not counted, and what has no owner is.
    assert_eq!(shown(&packages, "/usr/share/tz"), ["/usr/share/tz/UTC tz", "/usr/share/tz/left -"]);
    assert_eq!(packages.owner(b"/usr/share/tz/UTC"), Some("tz"));
    assert_eq!(packages.owner(b"/etc/tz"), None);
    assert!(!packages.is_empty());
}

#[test]
fn apk() {
    let dir = TempDir::new("apk");
    put(dir.path(), "lib/apk/db/installed", "P:tz\nF:usr/share/tz\nR:UTC\n\nP:b\nF:usr/lib/b\nR:m.py\n");
    for file in ["usr/share/tz/UTC", "usr/lib/b/m.py", "usr/lib/b/__pycache__/m.cpython-312.opt-1.pyc"] {
        put(dir.path(), file, "");
    }
    let packages = Packages::read(dir.path()).unwrap();
    assert_eq!(shown(&packages, "/usr/share"), ["/usr/share/tz/UTC tz"]);
    assert_eq!(packages.owner(b"/usr/lib/b/__pycache__/m.cpython-312.opt-1.pyc"), Some("b"));
}

#[test]
fn databases_do_not_lead_out_of_the_image() {
    let dir = TempDir::new("dpkg");
    let root = dir.path().join("root");
    put(dir.path(), "status", STATUS);
    put(&root, "usr/share/tz/UTC", "");
    put(&root, "var/lib/dpkg/info/tz.list", "/usr/share/tz/UTC\n");
    symlink(dir.path().join("status"), root.join("var/lib/dpkg/status")).unwrap();
    assert!(Packages::read(&root).unwrap().is_empty());
    // A link that stays inside is followed.
    put(&root, "db/status", STATUS);
    fs::remove_file(root.join("var/lib/dpkg/status")).unwrap();
    symlink("/db/status", root.join("var/lib/dpkg/status")).unwrap();
    assert!(!Packages::read(&root).unwrap().is_empty());
}

#[test]
fn what_is_no_database_is_an_error_or_nothing() {
    let dir = TempDir::new("dpkg");
    assert!(Packages::read(&dir.path().join("none")).is_err());
    assert!(Packages::read(dir.path()).unwrap().is_empty());
    fs::create_dir_all(dir.path().join("var/lib/dpkg/status")).unwrap();
    let error = Packages::read(dir.path()).unwrap_err();
    assert!(error.to_string().contains("var/lib/dpkg/status of the image"), "{error}");
}
