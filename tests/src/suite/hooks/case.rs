//! Cases as they are written down.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::words::replaced;

/// Where a guest has the cases.
pub(super) const CASES: &str = "/stockade/cases";

/// What guests' root has.
const CAPABILITIES: &str = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap \
    linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio \
    sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod \
    lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend \
    audit_read perfmon bpf checkpoint_restore";

/// One thing to do, and what is to become of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    #[serde(default)]
    pub(super) setup: Vec<Step>,
    /// Rules of the profile beyond what every case has, as in a profile.
    #[serde(default)]
    exec: Vec<Value>,
    #[serde(default)]
    files: Vec<Value>,
    #[serde(default)]
    peers: Vec<Value>,
    /// Capabilities that the profile grants; all of them if nothing is said.
    #[serde(default)]
    capabilities: Option<Vec<Value>>,
    #[serde(default)]
    facilities: Vec<Value>,
    #[serde(default)]
    listen: Vec<Value>,
    #[serde(default)]
    deny: Option<Value>,
    #[serde(default)]
    sessions: Option<Value>,
    /// A file that is open for reading and writing as standard input.
    #[serde(default)]
    pub(super) given: Option<String>,
    /// Arguments of `guest act`.
    pub(super) act: Vec<String>,
    /// What under enforce is denied, and under audit would be; nothing for a case that is allowed.
    #[serde(default)]
    pub(super) denied: Option<Expected>,
    /// What audit reports beyond that, because there the case goes on.
    #[serde(default)]
    pub(super) audit_too: Vec<Expected>,
    /// What audit reports besides on kernels before 6.2, which judge the truncation of an open by name too.
    #[serde(default)]
    pub(super) audit_before_6_2: Vec<Expected>,
    /// What can be seen from outside exactly when it was done.
    #[serde(default)]
    pub(super) effect: Option<Effect>,
    /// Rules that a profile learned from it holds, each once.
    #[serde(default)]
    pub(super) learned: Learned,
    /// What is done under that profile, where it is not the same again.
    #[serde(default)]
    pub(super) later: Option<Vec<String>>,
}

/// Something to be there before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// A directory with its parents.
    Dir(String),
    /// A file of this text.
    File {
        path: String,
        text: String,
    },
    /// A program that makes the file that its first argument names.
    Tool(String),
    /// A program that maps the file that its first argument names, executable.
    Mapper(String),
    /// One that maps it readable and makes that executable.
    Protector(String),
    /// One that opens it to append, and maps it so that it can be written anywhere.
    Overwriter(String),
    /// The same, with a mapping that is made writable later.
    LateOverwriter(String),
    /// A program that makes these system calls.
    Calls {
        path: String,
        calls: Vec<String>,
    },
    /// The tool once more, to be started through this loader.
    Loaded {
        path: String,
        loader: String,
    },
    /// A script.
    Script {
        path: String,
        interpreter: String,
    },
    Copy {
        from: String,
        to: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Symlink {
        at: String,
        to: String,
    },
    Hardlink {
        at: String,
        to: String,
    },
    Chmod {
        path: String,
        mode: u32,
    },
    /// An extended attribute of a file.
    Attribute {
        path: String,
        name: String,
    },
    /// An empty file system, mounted there.
    Mount(String),
    /// `levels` directories called `name`, one in the other, and the file `leaf` of this text in the
    /// last; made step by step, so that the whole may be longer than any path.
    Abyss {
        at: String,
        name: String,
        levels: u32,
        leaf: String,
        text: String,
    },
    /// A peer that waits.
    Tcp(String),
    /// One that sends an open file to whoever comes.
    Sender {
        at: String,
        file: String,
    },
    Udp(String),
    Unix(String),
    Abstract(String),
    UnixDatagram(String),
    /// One that nobody looks at.
    UnixListed(String),
    AbstractDatagram(String),
    /// A socket that listens there as the actor's standard input, with a client that waits.
    HandedOver(String),
}

/// An event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) kind: String,
    /// As `stockade events` shows it; none for an object that could not be named.
    #[serde(default)]
    pub(super) object: Option<String>,
    #[serde(default)]
    pub(super) access: Vec<String>,
    #[serde(default = "no_rule")]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) session: bool,
}

fn no_rule() -> String {
    "no-rule".to_owned()
}

/// What is seen from outside.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Effect {
    /// There is such a file.
    File(String),
    /// There is no such file.
    Gone(String),
    /// The file has these bits of permission, in octal.
    Mode { path: String, bits: String },
    /// The file has this owner.
    Owner { path: String, id: u32 },
    /// The file is no longer as it was.
    Changed(String),
    /// A file system is mounted there.
    Mounted(String),
    /// The actor printed this.
    Stdout(String),
    /// A peer of the set-up was reached.
    Peer,
}

/// Rules of a learned profile.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Learned {
    pub(super) exec: Vec<Value>,
    pub(super) files: Vec<Value>,
    pub(super) peers: Vec<Value>,
    pub(super) capabilities: Vec<Value>,
    pub(super) listen: Vec<Value>,
}

/// A case as written, before its words are replaced.
pub(super) struct Template {
    /// Its group and its name: `exec.unlisted`.
    pub(super) name: String,
    /// Its group.
    pub(super) group: String,
    value: Value,
}

/// Every case in a directory.
pub(super) fn all(dir: &str) -> Result<Vec<Template>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {dir}"))? {
        let path = entry.with_context(|| dir.to_owned())?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let group = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let values: Vec<Value> = parse(&text).with_context(|| path.display().to_string())?;
        for mut value in values {
            let fields = value.as_object_mut().context("a case is no mapping")?;
            let name = fields.remove("name").context("a case without a name")?;
            let name = format!("{group}.{}", name.as_str().context("a name that is no text")?);
            let template = Template { name: name.clone(), group: group.clone(), value };
            // Better now than in the middle.
            template.case("/").with_context(|| format!("{}: {name}", path.display()))?;
            all.push(template);
        }
    }
    Ok(all)
}

/// Reads YAML.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_yaml::from_str(text)?)
}

impl Template {
    /// The case for the directory `dir`, which `{D}` stands for.
    pub(super) fn case(&self, dir: &str) -> Result<Case> {
        Ok(serde_json::from_value(replaced(&self.value, dir)?)?)
    }
}

impl Case {
    /// The same, in surroundings of nothing but its peers.
    pub(super) fn among_peers(&self) -> Self {
        let is_peer = |step: &&Step| {
            matches!(step, Step::Tcp(_) | Step::Udp(_) | Step::Unix(_) | Step::Abstract(_))
                || matches!(step, Step::UnixDatagram(_) | Step::AbstractDatagram(_))
        };
        Self { setup: self.setup.iter().filter(is_peer).cloned().collect(), effect: None, ..self.clone() }
    }

    /// Its profile, under the name `name`.
    pub(super) fn profile(&self, name: &str, mode: &str, dir: &str) -> Result<String> {
        yaml(&json!({
            "apiVersion": "stockade.dev/v1alpha1",
            "kind": "Profile",
            "metadata": {"name": name},
            "spec": self.spec(mode, dir),
        }))
    }

    /// What the profile says.
    pub(super) fn spec(&self, mode: &str, dir: &str) -> Value {
        let mut exec = vec![json!({"path": "/stockade/guest"})];
        let mut files = vec![
            json!({"path": "/proc/self/**", "access": ["read"]}),
            json!({"path": format!("{dir}/out/*"), "access": ["create", "write"]}),
        ];
        if mode == "learn" {
            exec.clear();
            files.clear();
        }
        exec.extend(self.exec.iter().cloned());
        files.extend(self.files.iter().cloned());
        let capabilities = match &self.capabilities {
            None if mode != "learn" => CAPABILITIES.split_whitespace().map(Value::from).collect(),
            None => Vec::new(),
            Some(capabilities) => capabilities.clone(),
        };
        let mut spec = json!({
            "mode": mode, "exec": exec, "files": files, "peers": self.peers,
            "capabilities": capabilities, "facilities": self.facilities,
        });
        if !self.listen.is_empty() {
            spec["listen"] = json!(self.listen);
        }
        if let Some(deny) = &self.deny {
            spec["deny"] = deny.clone();
        }
        if let Some(sessions) = &self.sessions {
            spec["sessions"] = sessions.clone();
        }
        spec
    }
}

/// A document as a profile's file has it.
pub(super) fn yaml(document: &Value) -> Result<String> {
    Ok(serde_yaml::to_string(document)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_can_be_read() {
        let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");
        let all = all(cases).unwrap();
        let names: std::collections::BTreeSet<_> = all.iter().map(|one| &one.name).collect();
        assert!(all.len() > 100 && names.len() == all.len());
    }
}
