//! Tests of the core against a kernel side that only remembers.

use std::path::PathBuf;

use stockade_abi::label::SubjectEntry;
use stockade_abi::reason::Reason;

use super::*;
use crate::agent::catalog::{Files, Source, judge};
use crate::agent::report::Surroundings;
use crate::agent::subjects::{Bound, Given, Refusal, Target, Wanted};
use crate::agent::table::Table;
use crate::identity::cgroup::Cgroup;
use crate::kernel::{Counters, HookState, Mechanism, Swap};
use crate::profile::{self, SetFile, Shelf};

/// A kernel side that only remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    /// Generation and mode by slot.
    pub(crate) policies: BTreeMap<u32, (u64, u64)>,
    pub(crate) swaps: usize,
    pub(crate) bound: BTreeMap<u64, SubjectEntry>,
    pub(crate) started: BTreeMap<u64, u64>,
    pub(crate) lost: BTreeMap<u32, u64>,
    pub(crate) refuse: bool,
}

impl Enforcer for Fake {
    fn set_policy(&mut self, slot: u32, swap: &Swap<'_>) -> Result<(), KernelError> {
        if self.refuse {
            return Err(KernelError::Slot(slot));
        }
        self.swaps += 1;
        self.policies.insert(slot, (swap.generation, swap.mode as u64));
        Ok(())
    }
    fn begin_generation(&mut self, slot: u32, generation: u64) -> Result<(), KernelError> {
        self.policies.get_mut(&slot).ok_or(KernelError::Slot(slot))?.0 = generation;
        Ok(())
    }
    fn last_generation(&self) -> Result<u64, KernelError> {
        Ok(self.policies.values().map(|(generation, _)| *generation).max().unwrap_or(0))
    }
    fn guard_again(&mut self) -> Result<(), KernelError> {
        Ok(())
    }
    fn tidy(&mut self) -> Result<(), KernelError> {
        Ok(())
    }
    fn has_policy(&self, slot: u32) -> Result<bool, KernelError> {
        Ok(self.policies.contains_key(&slot))
    }
    fn bind(&mut self, cgroup: u64, entry: SubjectEntry, started: u64) -> Result<(), KernelError> {
        if self.refuse {
            return Err(KernelError::SubjectsFull);
        }
        self.bound.insert(cgroup, entry);
        self.started.insert(cgroup, started);
        Ok(())
    }
    fn started(&mut self, cgroup: u64, started: u64) -> Result<(), KernelError> {
        self.started.entry(cgroup).or_insert(started);
        Ok(())
    }
    fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        self.bound.remove(&cgroup);
        Ok(())
    }
    fn subject_of(&self, _pid: u32) -> Result<Option<u64>, KernelError> {
        Ok(None)
    }
    fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError> {
        Ok(self.bound.iter().map(|(cgroup, entry)| (*cgroup, *entry)).collect())
    }
    fn counters(&self) -> Result<Counters, KernelError> {
        Ok(Counters {
            reasons: vec![(Reason::NoRule, 3)],
            events_lost: self.lost.values().sum(),
            lost_by_policy: self.lost.clone(),
        })
    }
    fn hooks(&self) -> Vec<HookState> {
        vec![HookState {
            name: "file_open",
            attached: true,
            proven: true,
            beyond: None,
            recursion_misses: 0,
            runs: 0,
            run_time_ns: 0,
            verified_instructions: 1,
        }]
    }
    fn mechanism(&self) -> Mechanism {
        Mechanism::Lsm
    }
}

pub(crate) fn yaml(name: &str, mode: &str, path: &str) -> String {
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: {mode}\n  \
         files:\n    - path: {path}\n      access: [read]\n"
    )
}

pub(crate) type Core = super::Core<Fake>;

pub(crate) fn core() -> Core {
    Core::recover(Fake::default(), Store::in_memory(), true).unwrap()
}

/// The agent is gone; another one finds what it left.
fn restart(core: Core) -> Core {
    Core::recover(core.kernel, core.store, false).unwrap()
}

pub(crate) fn apply(core: &mut Core, files: &[(&str, &str)], start: bool) {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source { path: PathBuf::from(path), text: Ok(text.as_bytes().to_vec()) })
        .collect();
    let (catalog, tables) = judge(sources, &core.catalog);
    core.apply(catalog, tables, start).unwrap();
}

/// The same with the rule sets that may be included.
fn apply_with(core: &mut Core, text: &str, sets: &[(&str, &str)], start: bool) {
    let mut shelf = Shelf::default();
    for (name, path) in sets {
        let text = yaml(name, "", path).replace("kind: Profile", "kind: RuleSet").replace("  mode: \n", "");
        shelf.add(SetFile { path: format!("{name}.yaml").into(), text: Ok(text.into_bytes()) });
    }
    let profiles = vec![Source { path: "/p/web.yaml".into(), text: Ok(text.as_bytes().to_vec()) }];
    let (catalog, tables) = judge(Files { profiles, shelf }, &core.catalog);
    core.apply(catalog, tables, start).unwrap();
}

fn target(cgroup: u64, pid: u32) -> Target {
    Target {
        cgroup: Cgroup { id: cgroup, path: PathBuf::from(format!("/cgroup/{cgroup}")) },
        init_pid: pid,
        shares_host_root: false,
        names: Names { id: format!("id{cgroup}"), ..Names::default() },
    }
}

pub(crate) fn bind(core: &mut Core, cgroup: u64, name: &str) -> Result<Bound, Refusal> {
    core.bind(target(cgroup, 7), Wanted::Named(name.to_owned()), "/p", 1, |_| true)
}

fn given(text: &str, mode: Option<Mode>) -> Wanted {
    let profile = profile::parse("given", text).unwrap().profile;
    let table = Table::compile(&profile).unwrap();
    Wanted::Given(Box::new(Given { text: text.to_owned(), profile, mode, table }))
}

fn state(core: &Core, name: &str) -> Option<(PolicyState, u64)> {
    let status = core.status(&Surroundings::default()).unwrap();
    status.policies.iter().find(|policy| policy.name == name).map(|policy| (policy.state, policy.generation))
}

#[test]
fn generations_grow_with_content_only() {
    let mut core = core();
    let first = yaml("web", "enforce", "/a");
    apply(&mut core, &[("/p/web.yaml", &first)], true);
    assert_eq!(core.kernel.policies[&1], (1, 3));
    // A comment is no new policy.
    apply(&mut core, &[("/p/web.yaml", &format!("# why\n{first}"))], false);
    assert_eq!((core.kernel.policies[&1].0, core.kernel.swaps), (1, 1));
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/b"))], false);
    assert_eq!(core.kernel.policies[&1].0, 2);
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "audit", "/b"))], false);
    assert_eq!(core.kernel.policies[&1], (3, 2));
    assert_eq!(state(&core, "web"), Some((PolicyState::Ok, 3)));
}

#[test]
fn how_long_it_took_is_told() {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
    let policy = &core.status(&Surroundings::default()).unwrap().policies[0];
    assert!(policy.compile_us > 0, "{policy:?}");
}

#[test]
fn a_bad_file_replaces_nothing() {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
    apply(&mut core, &[("/p/web.yaml", "nonsense"), ("/p/db.yaml", &yaml("db", "enforce", "/b"))], false);
    assert_eq!(state(&core, "web"), Some((PolicyState::Bad, 1)));
    assert_eq!(state(&core, "db"), Some((PolicyState::Ok, 2)));
    let status = core.status(&Surroundings::default()).unwrap();
    assert!(!status.healthy && status.problems[0].contains("/p/web.yaml"), "{:?}", status.problems);
    // Its last good version goes on for new containers, also after a restart.
    bind(&mut core, 10, "web").unwrap();
    let mut core = restart(core);
    apply(&mut core, &[("/p/web.yaml", "nonsense"), ("/p/db.yaml", &yaml("db", "enforce", "/b"))], true);
    assert_eq!(state(&core, "web"), Some((PolicyState::Bad, 1)));
    bind(&mut core, 11, "web").unwrap();
    // A name that was never good is refused with the reason.
    apply(&mut core, &[("/p/new.yaml", "nonsense")], false);
    let error = bind(&mut core, 12, "new").unwrap_err();
    assert!(matches!(&error, Refusal::Bad { message, .. } if message.contains("/p/new.yaml")), "{error}");
}

#[test]
fn what_is_included_is_remembered() {
    let mut core = core();
    let web = yaml("web", "enforce\n  include: [own, base]", "/a");
    apply_with(&mut core, &web, &[("own", "/one")], true);
    assert_eq!((state(&core, "web"), core.kernel.swaps), (Some((PolicyState::Ok, 1)), 1));
    // Nothing changed, and a comment is no new policy.
    apply_with(&mut core, &web, &[("own", "/one"), ("other", "/o")], false);
    apply_with(&mut core, &format!("# why\n{web}"), &[("own", "/one")], false);
    assert_eq!(core.kernel.swaps, 1);
    apply_with(&mut core, &web, &[("own", "/two")], false);
    assert_eq!((state(&core, "web"), core.kernel.swaps), (Some((PolicyState::Ok, 2)), 2));
    // A rule set that is gone makes the profile bad, and its last good version lives on, also after a
    // restart, in the words it was put in force with.
    apply_with(&mut core, &web, &[], false);
    assert_eq!(state(&core, "web"), Some((PolicyState::Bad, 2)));
    let mut core = restart(core);
    apply_with(&mut core, &web, &[], true);
    assert_eq!((state(&core, "web"), core.kernel.policies[&1]), (Some((PolicyState::Bad, 2)), (2, 3)));
    bind(&mut core, 11, "web").unwrap();
    // It comes back without a new generation.
    apply_with(&mut core, &web, &[("own", "/two")], false);
    assert_eq!(state(&core, "web"), Some((PolicyState::Ok, 2)));
}

#[test]
fn since_when_a_subject_is_one_is_not_forgotten() {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
    bind(&mut core, 10, "web").unwrap();
    let since = core.kernel.started[&10];
    assert!(since > 1_000_000_000);
    let mut core = restart(core);
    assert_eq!(core.kernel.started[&10], since);
    // Maps made anew know nothing: the database does, by the second.
    core.kernel.started.clear();
    assert_eq!(restart(core).kernel.started[&10], 1_000_000_000);
}

#[test]
fn a_removed_file_stays_in_force_while_it_is_used() {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
    bind(&mut core, 10, "web").unwrap();
    apply(&mut core, &[], false);
    assert_eq!(state(&core, "web"), Some((PolicyState::Removed, 1)));
    assert!(core.status(&Surroundings::default()).unwrap().healthy);
    assert!(matches!(bind(&mut core, 11, "web"), Err(Refusal::Unknown { .. })));
    core.sweep(1, |row| row.cgroup == 10).unwrap();
    assert_eq!(state(&core, "web"), None);
    assert!(core.kernel.bound.is_empty());
    // What outlived its subject is still judged by what was in force last.
    assert_eq!(core.kernel.policies[&1].0, 1);
    // It comes back to its slot with a generation of its own.
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], false);
    assert_eq!(core.kernel.policies[&1].0, 2);
}

#[test]
fn unknown_profiles_are_refused_with_those_there_are() {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
    let message = bind(&mut core, 10, "wbe").unwrap_err().to_string();
    assert_eq!(message, "there is no profile `wbe` in /p; there are: web");
    assert!(core.kernel.bound.is_empty());
}

#[test]
fn a_restart_keeps_slots_subjects_and_generations() {
    let mut core = core();
    let files = [("/p/a.yaml", &*yaml("a", "enforce", "/a")), ("/p/b.yaml", &*yaml("b", "learn", "/b"))];
    apply(&mut core, &files, true);
    bind(&mut core, 10, "b").unwrap();
    let before = core.kernel.policies.clone();
    let mut core = restart(core);
    assert_eq!(core.kernel.policies, before);
    // Another profile in front must not move the others.
    let more = yaml("0a", "enforce", "/0");
    apply(&mut core, &[("/p/0.yaml", &more), files[0], files[1]], true);
    assert_eq!(core.kernel.policies[&1], (1, 3));
    // Learning begins anew, so that the kernel reports again what was lost with the agent.
    assert_eq!(core.kernel.policies[&2], (3, 1));
    assert_eq!(core.kernel.policies[&3], (4, 3));
    let who = core.who(10, 2, 0);
    assert_eq!((who.profile.as_deref(), who.subject.id.as_str()), (Some("b"), "id10"));
}

#[test]
fn another_boot_has_no_subjects() {
    let mut core = core();
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], true);
    bind(&mut core, 10, "a").unwrap();
    let mut core = Core::recover(Fake::default(), core.store, true).unwrap();
    assert!(core.subjects.is_empty());
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], true);
    assert_eq!(core.kernel.policies[&1].0, 1);
}

#[test]
fn given_profiles_have_slots_of_their_own() {
    let mut core = core();
    let web = yaml("web", "enforce", "/a");
    apply(&mut core, &[("/p/web.yaml", &web)], true);
    let run =
        |core: &mut Core, cgroup, wanted| core.bind(target(cgroup, 7), wanted, "/p", 1, |_| true).unwrap();
    let one = run(&mut core, 10, given(&web, None));
    let same = run(&mut core, 11, given(&web, None));
    let audit = run(&mut core, 12, given(&web, Some(Mode::Audit)));
    let named = run(&mut core, 13, Wanted::NamedAs("web".to_owned(), Mode::Learn));
    assert_eq!((one.slot, same.slot, audit.slot, named.slot), (2, 2, 3, 4));
    assert_eq!(
        (one.mode, audit.mode, named.mode),
        (Some(Mode::Enforce), Some(Mode::Audit), Some(Mode::Learn))
    );
    // What the file says next holds for the override, and not for what was given.
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/b"))], false);
    assert_eq!((core.kernel.policies[&2].0, core.kernel.policies[&4]), (2, (6, 1)));
    // A restart knows them.
    let mut core = restart(core);
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/b"))], true);
    assert_eq!(core.kernel.policies.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    core.sweep(1, |row| row.cgroup != 11).unwrap();
    assert_eq!(core.live.keys().copied().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_live_subject_keeps_its_cgroup() {
    let mut core = core();
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], true);
    bind(&mut core, 10, "a").unwrap();
    bind(&mut core, 10, "a").unwrap();
    let wanted = || Wanted::Named("a".to_owned());
    assert!(matches!(core.bind(target(10, 8), wanted(), "/p", 1, |_| true), Err(Refusal::Taken(_))));
    core.bind(target(10, 8), wanted(), "/p", 1, |_| false).unwrap();
    assert_eq!(core.kernel.bound[&10].init_pid, 8);
}

#[test]
fn what_the_kernel_refuses_is_not_claimed() {
    let mut core = core();
    core.kernel.refuse = true;
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], true);
    assert!(core.wants_retry());
    assert!(matches!(bind(&mut core, 10, "a"), Err(Refusal::Bad { .. })));
    assert!(!core.status(&Surroundings::default()).unwrap().healthy);
    core.kernel.refuse = false;
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], false);
    core.kernel.refuse = true;
    assert!(matches!(bind(&mut core, 10, "a"), Err(Refusal::Kernel(KernelError::SubjectsFull))));
    assert!(core.subjects.is_empty() && core.store.subjects().unwrap().is_empty());
    // A swap that fails leaves the old policy, and is tried again.
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/b"))], false);
    assert_eq!(state(&core, "a").unwrap().0, PolicyState::Failed);
    core.kernel.refuse = false;
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/b"))], false);
    let (state, generation) = state(&core, "a").unwrap();
    assert_eq!((state, core.kernel.policies[&1].0), (PolicyState::Ok, generation));
}

#[test]
fn slots_run_out_by_name() {
    let mut core = core();
    for slot in stockade_abi::SLOTS_OF_POLICIES {
        let text = yaml(&format!("p{slot}"), "enforce", "/a");
        core.bind(target(u64::from(slot), 7), given(&text, None), "/p", 1, |_| true).unwrap();
    }
    let error = core.bind(target(5000, 7), given(&yaml("x", "enforce", "/a"), None), "/p", 1, |_| true);
    assert!(error.unwrap_err().to_string().contains("all 1022 policy slots"));
    core.sweep(1, |row| row.cgroup == 500).unwrap();
    let bound =
        core.bind(target(5000, 7), given(&yaml("x", "enforce", "/a"), None), "/p", 1, |_| true).unwrap();
    assert_eq!((bound.slot, bound.generation), (500, 1023));
}

#[test]
fn a_lost_database_keeps_what_is_in_force() {
    let mut core = core();
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/a"))], true);
    bind(&mut core, 10, "a").unwrap();
    let mut core = Core::recover(core.kernel, Store::in_memory(), true).unwrap();
    apply(&mut core, &[("/p/a.yaml", &yaml("a", "enforce", "/b"))], true);
    assert_eq!(core.kernel.policies[&1], (1, 3));
    assert_eq!(state(&core, "unknown-1").unwrap().0, PolicyState::Unknown);
    assert_eq!(core.kernel.policies.len(), 2);
    assert!(core.kernel.policies[&2].0 > core.kernel.policies[&1].0, "a number was used twice");
    core.sweep(1, |row| row.cgroup == 10).unwrap();
    assert_eq!(core.live.keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn losses_spoil_baselines_once() {
    let mut core = core();
    let files = [("/p/a.yaml", &*yaml("a", "enforce", "/a")), ("/p/b.yaml", &*yaml("b", "learn", "/b"))];
    apply(&mut core, &files, true);
    core.kernel.lost = BTreeMap::from([(1, 5), (2, 7)]);
    core.check_losses(100).unwrap();
    let baselines = core.store.baselines().unwrap();
    assert_eq!(baselines.len(), 1);
    assert_eq!((baselines[0].profile.as_str(), baselines[0].incomplete_since), ("b", Some(100)));
    let core = restart(core);
    assert_eq!(core.lost, core.kernel.lost);
}
