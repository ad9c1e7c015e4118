//! Where a program may come from.

use stockade_abi::access::{DRIFT, EXEC};
use stockade_abi::reason::{Mode, Reason};

use super::tests::HEAD;
use super::{Provenance, parse};
use crate::compare::{Change, Who, compare};
use crate::compile::{Object, compile};

fn text(rules: &str) -> String {
    format!("{HEAD}  exec:\n{rules}")
}

#[test]
fn the_image_unless_said_otherwise() {
    let rules = "    - path: /a\n    - { path: /b, from: image }\n    - { path: /c, from: any }\n";
    let profile = parse("x", &text(rules)).unwrap().profile;
    let froms: Vec<Provenance> = profile.exec.iter().map(|rule| rule.from).collect();
    assert_eq!(froms, [Provenance::Image, Provenance::Image, Provenance::Any]);
    assert_eq!(parse("x", &profile.to_yaml()).unwrap().profile, profile);

    let policy = compile(&profile, Mode::Enforce).unwrap();
    let reason = |path: &str, access| policy.decide(&Object::Path(path.as_bytes()), access, false).reason;
    for path in ["/a", "/b"] {
        assert_eq!(reason(path, EXEC), Reason::Rule);
        assert_eq!(reason(path, EXEC | DRIFT), Reason::NotFromImage);
    }
    assert_eq!(reason("/c", EXEC | DRIFT), Reason::Rule);
    assert_eq!(reason("/d", EXEC | DRIFT), Reason::NoRule);
}

#[test]
fn what_cannot_be_is_refused() {
    let error = |rule: &str| parse("x", &text(rule)).unwrap_err().to_string();
    let unknown = error("    - { path: /a, from: elsewhere }\n");
    assert!(unknown.contains("`elsewhere` is nowhere that a program can come from"), "{unknown}");
    let both = error("    - { path: /a, from: any, parents: [/b] }\n");
    assert!(both.contains("`from: any` and `parents` do not go together"), "{both}");
}

#[test]
fn a_difference_is_one_of_accesses() {
    let of = |rule: &str| parse("x", &text(rule)).unwrap().profile;
    let (image, any) = (of("    - path: /a\n"), of("    - { path: /a, from: any }\n"));
    let differences = |a, b| -> Vec<_> {
        let found = compare(a, b, Who::All).unwrap();
        found.into_iter().map(|one| (one.change, one.access)).collect()
    };
    assert_eq!(differences(&image, &any), [(Change::Added, DRIFT)]);
    assert_eq!(differences(&any, &image), [(Change::Removed, DRIFT)]);
    assert_eq!(differences(&any, &any), []);
}
