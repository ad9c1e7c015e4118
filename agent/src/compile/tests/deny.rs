//! What deny rules take away.

use stockade_abi::access::{APPEND, CONNECT, CREATE, EXEC, READ, WRITE};
use stockade_abi::peer;
use stockade_abi::reason::{Mode, Reason, Verdict};

use super::{policy, v4};
use crate::compile::{CompileError, Object, compile};
use crate::profile::{ExecRule, FileRule, PeerRule, Profile, parse_target};

#[test]
fn denials_win_for_all() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.exec = vec![ExecRule::new("/bin/*")];
    profile.files = vec![FileRule::new("/data/**", READ | WRITE | CREATE)];
    profile.peers = vec![PeerRule::new(parse_target("10.0.0.0/8").unwrap())];
    profile.sessions.exec = vec!["/sbin/*".to_owned()];
    profile.deny.exec = vec!["/bin/nc".to_owned(), "/**/su".to_owned()];
    profile.deny.files = vec![FileRule::new("/data/keys/**", READ), FileRule::new("/data/*.log", APPEND)];
    profile.deny.peers = vec![PeerRule::new(parse_target("10.9.0.0/16").unwrap())];
    let policy = policy(&profile);
    let ask = |path: &str, access, session| {
        let decision = policy.decide(&Object::Path(path.as_bytes()), access, session);
        (decision.reason, decision.rule.map(|rule| rule.to_string()).unwrap_or_default(), decision.missing)
    };
    let denied = |rule: &str, missing| (Reason::DenyRule, rule.to_owned(), missing);
    let granted = |rule: &str| (Reason::Rule, rule.to_owned(), 0);

    for session in [false, true] {
        assert_eq!(ask("/bin/ls", EXEC, session), granted("exec[0] /bin/*"));
        assert_eq!(ask("/bin/nc", EXEC, session), denied("deny.exec[0] /bin/nc", EXEC));
        assert_eq!(ask("/sbin/su", EXEC, session), denied("deny.exec[1] /**/su", EXEC));
        // Denied by name although nothing grants it.
        assert_eq!(ask("/x/su", EXEC, session), denied("deny.exec[1] /**/su", EXEC));
        assert_eq!(ask("/data/keys/a", READ, session), denied("deny.files[0] /data/keys/**", READ));
        assert_eq!(ask("/data/keys/a", WRITE, session), granted("files[0] /data/**"));
        assert_eq!(ask("/data/a.log", WRITE, session), denied("deny.files[1] /data/*.log", WRITE));
        assert_eq!(ask("/data/a.log", READ | APPEND, session), denied("deny.files[1] /data/*.log", APPEND));
        assert_eq!(ask("/data/a.log", READ | CREATE, session), granted("files[0] /data/**"));
        assert_eq!(ask("/data/a.txt", READ | EXEC, session), (Reason::NoRule, String::new(), EXEC));
    }
    for (address, reason) in [([10, 8, 0, 1], Reason::Rule), ([10, 9, 0, 1], Reason::DenyRule)] {
        assert_eq!(policy.decide(&Object::Peer(&v4(peer::TCP, address, 1)), CONNECT, false).reason, reason);
    }
    let audit = compile(&profile, Mode::Audit).unwrap();
    let decision = audit.decide(&Object::Path(b"/bin/nc"), EXEC, false);
    assert_eq!((decision.verdict, decision.reason), (Verdict::WouldDeny, Reason::DenyRule));
}

#[test]
fn a_denial_at_a_tree_stays_beside_the_approval_of_it() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files = vec![FileRule::new("/**", READ | WRITE)];
    profile.deny.files = vec![FileRule::new("/**/secret/**", READ), FileRule::new("/**", CREATE)];
    let policy = policy(&profile);
    let missing = |path: &[u8]| policy.decide(&Object::Path(path), READ | WRITE | CREATE, false).missing;
    assert_eq!(missing(b"/a/b"), CREATE);
    assert_eq!(missing(b"/a/secret/b"), READ | CREATE);
    assert_eq!(policy.matching(&Object::Path(b"/a/secret/b"), false).len(), 3);
    assert!(policy.states() < 20);
}

#[test]
fn bad_globs_of_deny_rules_are_named() {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.deny.files = vec![FileRule::new("/a", READ), FileRule::new("/a**", READ)];
    let error = compile(&profile, Mode::Enforce).unwrap_err();
    assert!(matches!(&error, CompileError::Glob { rule, .. } if rule.at.index == 1), "{error}");
    assert!(error.to_string().starts_with("deny.files[1] /a**: "), "{error}");
}
