//! Programs that only some programs may start.

use stockade_abi::access::EXEC;
use stockade_abi::reason::{Mode, Reason};

use super::policy;
use crate::compile::{CompileError, Object, Start, compile};
use crate::profile::{ExecRule, Profile};

fn by(parent: &[u8]) -> Start<'_> {
    Start { parent: Some(parent), ..Start::default() }
}

fn rule(path: &str, parents: &[&str]) -> ExecRule {
    let mut rule = ExecRule::new(path);
    rule.parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
    rule
}

#[test]
fn only_children_of_the_parents() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = vec![
        rule("/bin/tool", &["/bin/sh", "/usr/bin/*"]),
        rule("/bin/other", &["/usr/bin/*", "/bin/sh"]),
        rule("/bin/third", &["/bin/tool"]),
        rule("/bin/third", &["/bin/other"]),
        rule("/bin/*ool", &["/bin/any"]),
        rule("/bin/any", &["/bin/sh"]),
        rule("/bin/any", &[]),
        rule("/bin/never", &["/bin/sh"]),
    ];
    profile.sessions.exec = vec!["/bin/other".to_owned()];
    profile.deny.exec = vec!["/bin/never".to_owned()];
    let policy = policy(&profile);
    let by = |path: &str, parent: &str, session| {
        let decision = policy.decide_exec(path.as_bytes(), EXEC, &by(parent.as_bytes()), session);
        match decision.reason {
            Reason::Rule => decision.rule.unwrap().index,
            Reason::NoRule => 98,
            Reason::DenyRule => 99,
            other @ (Reason::PathTooLong
            | Reason::PathUnreadable
            | Reason::ScratchBusy
            | Reason::UnknownSubject
            | Reason::PolicyCorrupt
            | Reason::LabelFull
            | Reason::BadAddress
            | Reason::UnsupportedFamily
            | Reason::Guarded
            | Reason::WiderRules
            | Reason::NotFromImage
            | Reason::OtherContent
            | Reason::RootUnknown) => panic!("{other:?}"),
        }
    };
    for session in [false, true] {
        assert_eq!(by("/bin/tool", "/bin/sh", session), 0);
        assert_eq!(by("/bin/tool", "/usr/bin/x", session), 0);
        assert_eq!(by("/bin/tool", "/bin/any", session), 4);
        assert_eq!(by("/bin/tool", "/bin/tool", session), 98);
        assert_eq!(by("/bin/third", "/bin/tool", session), 2);
        assert_eq!(by("/bin/third", "/bin/other", session), 3);
        assert_eq!(by("/bin/third", "/bin/sh", session), 98);
        assert_eq!(by("/bin/any", "/nowhere", session), 6);
        assert_eq!(by("/bin/never", "/bin/sh", session), 99);
    }
    assert_eq!(by("/bin/other", "/usr/bin/x", false), 1);
    assert_eq!(by("/bin/other", "/nowhere", false), 98);
    assert_eq!(by("/bin/other", "/nowhere", true), 0);
    let too_long = "/usr/bin/".to_owned() + &"x".repeat(4096);
    assert_eq!(by("/bin/tool", &too_long, false), 98);

    // Without a parent, what depends on one is not granted; `any` is started by everybody.
    let alone = |path: &[u8]| policy.decide(&Object::Path(path), EXEC, false).reason;
    assert_eq!((alone(b"/bin/tool"), alone(b"/bin/any")), (Reason::NoRule, Reason::Rule));
    let matching = policy.matching(&Object::Path(b"/bin/tool"), false);
    let shown: Vec<String> = matching.iter().map(|(rule, _)| rule.to_string()).collect();
    assert_eq!(shown, ["exec[0] /bin/tool", "exec[4] /bin/*ool"]);
    assert_eq!(policy.parents(matching[0].0), ["/bin/sh", "/usr/bin/*"]);
    assert_eq!(policy.rules().count(), 10);
    // Lists of the same parents are one group; groups that are settled otherwise are left out.
    let grant = |path: &[u8]| {
        let start = policy.table().start(crate::compile::StartKind::Path);
        policy.table().grant(path.iter().fold(start, |state, byte| policy.table().next(state, *byte)))
    };
    assert_eq!((grant(b"/bin/sh").member.count_ones(), grant(b"/usr/bin/x").member.count_ones()), (2, 1));
    assert_eq!((grant(b"/bin/any").parents, grant(b"/bin/never").parents), (0, 0));
    assert_eq!(grant(b"/bin/other").parents, grant(b"/usr/bin/x").member);
}

#[test]
fn more_lists_than_bits() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = (0..32).map(|index| rule(&format!("/bin/{index}"), &[&format!("/by/{index}")])).collect();
    profile.exec.push(rule("/bin/x", &["/by/31", "/by/31"]));
    let full = policy(&profile);
    assert_eq!(full.decide_exec(b"/bin/31", EXEC, &by(b"/by/31"), false).reason, Reason::Rule);
    assert_eq!(full.decide_exec(b"/bin/31", EXEC, &by(b"/by/30"), false).reason, Reason::NoRule);
    profile.exec.push(rule("/bin/y", &["/by/31", "/by/30"]));
    let error = compile(&profile, Mode::Enforce).unwrap_err();
    assert!(matches!(error, CompileError::TooManyParents { .. }));
    assert!(error.to_string().starts_with("exec[33] /bin/y: "), "{error}");
    profile.exec.pop();
    profile.exec[3].parents = vec!["by".to_owned()];
    assert!(compile(&profile, Mode::Enforce).unwrap_err().to_string().contains("parents by"));
}
