//! Rules that name contents.

use stockade_abi::access::{DRIFT, EXEC};
use stockade_abi::reason::{Mode, Reason};
use stockade_abi::table::{PINS, PINS_MAX, low};

use super::policy;
use crate::compile::{CompileError, Object, Start, check, compile, digest};
use crate::profile::{ExecRule, Profile, Provenance};

/// The digest whose bytes are all `byte`.
fn of(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn rule(path: &str, contents: &[u8], parents: &[&str]) -> ExecRule {
    ExecRule {
        sha256: contents.iter().map(|byte| of(*byte)).collect(),
        parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
        ..ExecRule::new(path)
    }
}

#[test]
fn the_right_content_starts_wherever_it_comes_from() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = vec![
        rule("/bin/one", &[1, 2], &[]),
        rule("/bin/by", &[3], &["/bin/sh"]),
        rule("/bin/free", &[4], &[]),
        ExecRule::new("/bin/fr*"),
        rule("/bin/denied", &[5], &[]),
        ExecRule { from: Provenance::Any, ..ExecRule::new("/bin/any") },
    ];
    profile.deny.exec = vec!["/bin/denied".to_owned()];
    let policy = policy(&profile);
    let ask = |path: &str, content: u8, parent: Option<&str>, access| {
        let start = Start { parent: parent.map(str::as_bytes), content: digest(&of(content)) };
        policy.decide_exec(path.as_bytes(), access, &start, false)
    };
    let reason = |path, content, parent, access| ask(path, content, parent, access).reason;
    for content in [1, 2] {
        assert_eq!(reason("/bin/one", content, None, EXEC), Reason::Rule);
        assert_eq!(reason("/bin/one", content, None, EXEC | DRIFT), Reason::Rule);
    }
    assert_eq!(ask("/bin/one", 1, None, EXEC).rule.unwrap().to_string(), "exec[0] /bin/one");
    assert_eq!(reason("/bin/one", 3, None, EXEC), Reason::OtherContent);
    assert_eq!(reason("/bin/other", 1, None, EXEC), Reason::NoRule);
    assert_eq!(reason("/bin/by", 3, None, EXEC), Reason::OtherContent);
    assert_eq!(reason("/bin/by", 3, Some("/bin/sh"), EXEC), Reason::Rule);
    assert_eq!(reason("/bin/by", 1, Some("/bin/sh"), EXEC), Reason::OtherContent);
    // Another rule lets it start from the image, and this one, if it is the right one, from anywhere.
    assert_eq!(reason("/bin/free", 9, None, EXEC), Reason::Rule);
    assert_eq!(reason("/bin/free", 9, None, EXEC | DRIFT), Reason::NotFromImage);
    assert_eq!(reason("/bin/free", 4, None, EXEC | DRIFT), Reason::Rule);
    assert_eq!(reason("/bin/denied", 5, None, EXEC), Reason::DenyRule);
    // Who does not say what it holds means the right content.
    assert_eq!(policy.decide(&Object::Path(b"/bin/one"), EXEC, false).reason, Reason::Rule);
    assert_eq!(policy.decide(&Object::Path(b"/bin/by"), EXEC, false).reason, Reason::NoRule);
}

#[test]
fn digests_are_bytes_in_their_order() {
    let text = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let bytes: Vec<u8> = digest(text).unwrap().iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(bytes, (0..32).collect::<Vec<u8>>());
    assert_eq!((digest(&text[1..]), digest(&text.replace('0', "g"))), (None, None));
}

#[test]
fn more_than_there_is_room_for_is_an_error() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = (0..33).map(|n| rule(&format!("/bin/{n}"), &[n], &[])).collect();
    assert!(matches!(compile(&profile, Mode::Enforce), Err(CompileError::TooManyPins { .. })));
    profile.exec.pop();
    assert!(compile(&profile, Mode::Enforce).is_ok());
    let many = (0..=PINS_MAX).map(|n| format!("{n:064x}")).collect();
    profile.exec = vec![ExecRule { sha256: many, ..ExecRule::new("/bin/x") }];
    assert!(matches!(compile(&profile, Mode::Enforce), Err(CompileError::TooManyPins { .. })));
    profile.exec[0].sha256.pop();
    let policy = compile(&profile, Mode::Enforce).unwrap();
    // A table whose pins were moved, or belong to no set, is none.
    for (at, spoil) in [(PINS as usize, 1u64), (PINS as usize, 1 << 32)] {
        let mut words = policy.words().to_vec();
        words[at] = words[at].wrapping_add(spoil);
        assert!(check(&words).is_err());
    }
    let first = low(policy.words()[PINS as usize]) as usize;
    let mut words = policy.words().to_vec();
    words[first] |= 2;
    assert!(check(&words).is_err());
}
