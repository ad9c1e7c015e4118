//! Capabilities and facilities.

use stockade_abi::facility::Facility;
use stockade_abi::reason::{Mode, Reason};
use stockade_abi::table::{POWERS, Powers};

use super::policy;
use crate::compile::{Power, TableError, check};
use crate::profile::Profile;

fn profile() -> Profile {
    let mut profile = Profile::new("test", Mode::Enforce);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    profile.capabilities = words(&["chown", "bpf", "kill"]);
    profile.sessions.capabilities = words(&["sys_ptrace", "kill"]);
    profile.deny.capabilities = words(&["kill"]);
    profile.facilities = vec![Facility::Mount, Facility::Signals];
    profile.sessions.facilities = vec![Facility::Ptrace];
    profile.deny.facilities = vec![Facility::Jit, Facility::Signals];
    profile
}

#[test]
fn what_is_granted_to_whom_by_which_rule() {
    let policy = policy(&profile());
    let asked = |power: Option<Power>, session| {
        let decision = policy.decide_power(power.unwrap(), session);
        (decision.reason, decision.rule.map(|rule| (rule.list.word(), rule.index)))
    };
    let cases = [
        (Power::capability("bpf"), (Reason::Rule, Some(("capabilities", 1))), true),
        (Power::capability("sys_ptrace"), (Reason::NoRule, None), false),
        (Power::capability("kill"), (Reason::DenyRule, Some(("deny.capabilities", 0))), true),
        (Power::capability("sys_boot"), (Reason::NoRule, None), true),
        (Power::facility("mount"), (Reason::Rule, Some(("facilities", 0))), true),
        (Power::facility("ptrace"), (Reason::NoRule, None), false),
        (Power::facility("signals"), (Reason::DenyRule, Some(("deny.facilities", 1))), true),
        (Power::facility("jit"), (Reason::DenyRule, Some(("deny.facilities", 0))), true),
        (Power::facility("io_uring"), (Reason::Rule, None), true),
        (Power::facility("bpf"), (Reason::NoRule, None), true),
        (Some(Power::Capability(63)), (Reason::NoRule, None), true),
    ];
    for (power, wanted, same_for_sessions) in cases {
        assert_eq!(asked(power, false), wanted, "{power:?}");
        assert_eq!(asked(power, true) == wanted, same_for_sessions, "{power:?}");
    }
    assert_eq!(asked(Power::facility("ptrace"), true), (Reason::Rule, Some(("sessions.facilities", 0))));
}

#[test]
fn a_table_says_what_the_policy_says() {
    let policy = policy(&profile());
    let words = policy.words()[POWERS as usize..].first_chunk().unwrap();
    assert_eq!(Powers::from_words(*words).as_ref(), Some(policy.powers()));
}

#[test]
fn powers_that_contradict_themselves_are_refused() {
    let good = policy(&profile()).words().to_vec();
    let spoilt: [fn(&mut [u64]); 7] = [
        // Granted to the container and not to sessions.
        |powers| powers[0] |= 1 << 20,
        |powers| powers[3] |= 1 << 2,
        // Granted and denied.
        |powers| powers[2] |= 1,
        |powers| powers[4] |= 1,
        // Without a name.
        |powers| powers[1] |= 1 << 41,
        |powers| powers[3] |= 1 << 63,
        |powers| powers[4] |= 1 << 32,
    ];
    for spoil in spoilt {
        let mut words = good.clone();
        spoil(&mut words[POWERS as usize..]);
        assert_eq!(check(&words), Err(TableError::Powers));
    }
}
