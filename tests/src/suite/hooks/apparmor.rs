//! A case's profile as one of AppArmor's, as far as it has words for it: it knows no addresses, no origin of
//! programs, no sessions, and one letter for everything that changes a file or its name.

use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::agent::told;

const PARSER: &str = "/sbin/apparmor_parser";
const FEATURES: &str = "/stockade/apparmor-features";

/// Compiles and loads the profile `name` that says what `spec`, the `spec` of a profile, says.
pub(super) fn load(name: &str, spec: &Value) -> Result<()> {
    let text = profile(name, spec);
    let source = format!("/tmp/{name}.apparmor");
    fs::write(&source, &text).with_context(|| source.clone())?;
    let mut parser = Command::new(PARSER);
    parser.args(["--replace", "--skip-cache", "--quiet", "--features-file", FEATURES]).arg(&source);
    let output = parser.stdin(Stdio::null()).output().context(PARSER)?;
    ensure!(output.status.success(), "{}: {text}", told(&output));
    Ok(())
}

fn profile(name: &str, spec: &Value) -> String {
    // What needs no rule in the product's profile: whoever started it may end it, it may signal and look at itself,
    // and sockets that reach nobody by themselves.
    let mut out = format!(
        "profile {name} {{\n  signal receive peer=unconfined,\n  signal peer={name},\n  ptrace peer={name},\n  \
         network unix,\n  network netlink,\n"
    );
    let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
    for rule in list("exec") {
        line(&mut out, "", &rule["path"], "mix");
    }
    for rule in list("files") {
        line(&mut out, "", &rule["path"], &letters(&rule["access"]));
    }
    let deny = &spec["deny"];
    for path in deny["exec"].as_array().into_iter().flatten() {
        line(&mut out, "deny ", path, "x");
    }
    for rule in deny["files"].as_array().into_iter().flatten() {
        line(&mut out, "deny ", &rule["path"], &letters(&rule["access"]));
    }
    if !list("listen").is_empty() || list("peers").iter().any(|rule| !is_unix(rule)) {
        out.push_str("  network inet,\n  network inet6,\n");
    }
    for rule in list("peers") {
        match rule["to"].as_str().and_then(|to| to.strip_prefix("unix:")) {
            Some(name) if name.starts_with('@') => out.push_str("  unix,\n  network unix,\n"),
            Some(path) => {
                out.push_str("  unix,\n  network unix,\n");
                line(&mut out, "", &Value::from(path), "rw");
            }
            None => {}
        }
    }
    for capability in list("capabilities") {
        push(&mut out, &format!("  capability {},\n", capability.as_str().unwrap_or_default()));
    }
    for facility in list("facilities") {
        push(&mut out, power(facility.as_str().unwrap_or_default()));
    }
    out.push_str("}\n");
    out
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: &str) {
    let _ = out.write_str(text);
}

fn is_unix(rule: &Value) -> bool {
    rule["to"].as_str().is_some_and(|to| to.starts_with("unix:"))
}

fn line(out: &mut String, deny: &str, path: &Value, letters: &str) {
    let path = glob(path.as_str().unwrap_or_default());
    // A directory's name ends in a slash there, and a process's own entries have its number.
    push(out, &format!("  {deny}\"{path}{{,/}}\" {letters},\n"));
    if let Some(own) = path.strip_prefix("/proc/self") {
        push(out, &format!("  {deny}\"/proc/[0-9]*{own}{{,/}}\" {letters},\n"));
    }
}

/// A component `**` also stands for none, which AppArmor's does not.
fn glob(path: &str) -> String {
    path.replace("/**/", "/{,**/}").replace("[!", "[^").replace('"', "\\\"")
}

fn letters(access: &Value) -> String {
    let words: Vec<&str> = match access {
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        Value::String(word) => vec![word],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    let has = |these: &[&str]| words.iter().any(|word| these.contains(word));
    let writes = has(&["write", "create", "delete", "rename", "attr"]);
    let all = [
        ("r", has(&["read"])),
        ("w", writes),
        ("a", has(&["append"]) && !writes),
        ("l", has(&["link"])),
        ("m", has(&["map"])),
    ];
    all.iter().filter(|(_, there)| *there).map(|(letter, _)| *letter).collect()
}

/// What stands for a facility; nothing for what only a capability speaks of, or nothing at all.
fn power(facility: &str) -> &'static str {
    match facility {
        "mount" => "  mount,\n  umount,\n  remount,\n  pivot_root,\n",
        "ptrace" => "  ptrace,\n",
        "signals" => "  signal,\n",
        "raw_sockets" | "other_sockets" => "  network,\n",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_in_its_words() {
        let spec = json!({
            "exec": [{"path": "/a"}],
            "files": [{"path": "/b/**/c", "access": ["read", "append"]}, {"path": "/d", "access": ["write", "append"]}],
            "peers": [{"to": "10.0.0.0/8"}, {"to": "unix:/run/x"}],
            "capabilities": ["chown"],
            "facilities": ["mount"],
            "deny": {"files": [{"path": "/e[!f]", "access": ["read"]}]},
        });
        let text = profile("p", &spec);
        for line in [
            "  \"/a{,/}\" mix,",
            "  \"/b/{,**/}c{,/}\" ra,",
            "  \"/d{,/}\" w,",
            "  deny \"/e[^f]{,/}\" r,",
            "  network inet,",
            "  \"/run/x{,/}\" rw,",
            "  capability chown,",
            "  mount,",
        ] {
            assert!(text.lines().any(|is| is == line), "{line} in {text}");
        }
    }
}
