//! Learning: what is done twice is observed once, and the profile made of it lets it pass.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::agent::{self, PATIENCE};
use super::case::{self, Template};
use super::scene::Scene;
use crate::suite::Report;
use crate::suite::wait::eventually;

pub(super) fn run(report: &mut Report, templates: &[&Template]) -> Result<()> {
    let mut exported = Vec::new();
    for (number, template) in templates.iter().enumerate() {
        let name = &template.name;
        if ["observe", "export", "enforce"].iter().any(|step| report.wants(&format!("{name}.{step}"))) {
            let dir = format!("/tmp/l/{number:03}");
            report.case(&format!("{name}.observe"), || observe(template, &dir));
            let mut text = None;
            report.case(&format!("{name}.export"), || {
                text = Some(export(template, &dir)?);
                Ok(())
            });
            exported.push((*template, dir, text));
        }
    }
    let outcomes: Vec<_> = exported
        .iter()
        .map(|(template, dir, text)| {
            let text = text.as_deref().context("there is no profile to enforce")?;
            enforce(template, dir, text)
        })
        .collect();
    if outcomes.is_empty() {
        return Ok(());
    }
    agent::fence("fence.learn")?;
    for ((template, ..), outcome) in exported.iter().zip(outcomes) {
        report.case(&format!("{}.enforce", template.name), || {
            let events = agent::events(Some(&template.name))?;
            outcome.with_context(|| format!("{events:?}"))?;
            ensure!(events.is_empty(), "{events:?}");
            Ok(())
        });
    }
    Ok(())
}

/// Twice, under a profile that knows nothing; and what tells by its observation that all others are there.
fn observe(template: &Template, dir: &str) -> Result<()> {
    let case = template.case(dir)?;
    let _scene = Scene::set(&case, dir)?;
    let file = agent::profile_file(&template.name, &case.profile(&template.name, "learn", dir)?)?;
    for _ in 0..2 {
        act(&file, &case.act)?;
    }
    act(&file, &["list".to_owned(), marker(dir)])
}

/// The directory that is listed last: every scene has it.
fn marker(dir: &str) -> String {
    format!("{dir}/out")
}

fn act(profile: &str, words: &[String]) -> Result<()> {
    let output = agent::run(profile, None)
        .args(["/stockade/guest", "act"])
        .args(words)
        .output()
        .context("running the actor")?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    Ok(())
}

/// The learned profile: each rule wanted is in it once, and there is nothing to say against it.
fn export(template: &Template, dir: &str) -> Result<String> {
    let case = template.case(dir)?;
    let learned = &case.learned;
    let sections = [
        ("exec", &learned.exec),
        ("files", &learned.files),
        ("peers", &learned.peers),
        ("listen", &learned.listen),
        ("capabilities", &learned.capabilities),
    ];
    let mut last = String::new();
    // Observations wait a moment for company before they are stored.
    let exported = eventually(PATIENCE, "an export that holds what was done", || {
        let output = agent::cli(&["profile", "export", &template.name])?;
        if !output.status.success() {
            return Ok(None);
        }
        last = String::from_utf8(output.stdout).context("the export")?;
        let profile: Value = case::parse(&last)?;
        let listed = json!({"path": marker(dir), "access": ["read"]});
        let complete = times(&profile["spec"]["files"], &listed) == 1
            && sections.iter().all(|(section, wanted)| {
                wanted.iter().all(|rule| times(&profile["spec"][section], rule) == 1)
            });
        Ok(complete.then(|| last.clone()))
    });
    let exported = exported.with_context(|| format!("exported is {last}"))?;
    let file = agent::profile_file(&format!("{}.exported", template.name), &exported)?;
    let output = agent::cli(&["profile", "lint", "-o", "json", &file])?;
    ensure!(output.status.success() && output.stdout.is_empty(), "lint: {}", agent::told(&output));
    Ok(exported)
}

fn times(rules: &Value, wanted: &Value) -> usize {
    rules.as_array().map_or(0, |rules| rules.iter().filter(|rule| *rule == wanted).count())
}

/// The same once more, or what is like it, under the learned profile.
fn enforce(template: &Template, dir: &str, text: &str) -> Result<()> {
    let case = template.case(dir)?;
    // Files are where they were when it was learned.
    let _scene = Scene::set(&case.among_peers(), dir)?;
    let file = agent::profile_file(&format!("{}.enforced", template.name), text)?;
    act(&file, case.later.as_ref().unwrap_or(&case.act))
}
