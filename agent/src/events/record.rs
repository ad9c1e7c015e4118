//! One event as it is written and read: a line of JSON.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One decision, or several equal ones that came together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, in UTC with nanoseconds (RFC 3339).
    pub time: String,
    /// The operation: `exec`, `file`, `connect`, `fork`, `capability`, `facility`; or `breaker`, when a profile
    /// was demoted.
    pub kind: String,
    /// `allowed`, `denied`, `would-deny`.
    pub verdict: String,
    /// Why: `no-rule`, `path-too-long`, …
    pub reason: String,
    /// Mode of the policy; null when it could not be read.
    pub mode: Option<String>,
    /// Name of the profile; null when the slot holds none that is known.
    pub profile: Option<String>,
    /// Generation of the policy that judged.
    pub generation: u64,
    /// Whose process it was.
    pub subject: SubjectRef,
    /// Whether the process entered the subject from outside.
    pub session: bool,
    /// The process.
    pub process: ProcessRef,
    /// What it wanted to use.
    pub object: ObjectRef,
    /// How: words as in a profile, or `exec`, `connect`.
    pub access: Vec<String>,
    /// The rule that granted it; null for everything that no rule grants.
    pub rule: Option<String>,
    /// How many equal decisions this line stands for.
    pub count: u64,
}

/// The subject, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectRef {
    /// Container id, run id, or `cgroup:N` for one that is not known.
    pub id: String,
    /// Container name.
    pub name: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
}

/// The process that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Process id on the host.
    pub pid: u32,
    /// Parent's process id on the host.
    pub ppid: u32,
    /// Path of its executable. When the process was gone before it could be asked: the name of the
    /// thread in parentheses, like `(nginx)`.
    pub exe: Option<String>,
    /// Its arguments; null when the process was gone before it could be asked.
    pub args: Option<Vec<String>>,
    /// Real user id on the host.
    pub uid: u32,
}

/// The object: a path, a peer, a capability or a facility.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// A file, an executable or a unix socket (an abstract one begins with `@`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `tcp`, `udp`, or the number of another protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// A capability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// A facility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
}

impl ObjectRef {
    /// One word for people.
    pub fn text(&self) -> String {
        match (&self.path, &self.address) {
            (Some(path), _) => path.clone(),
            (None, Some(address)) => {
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                let protocol = self.protocol.as_deref().map(|p| format!("/{p}")).unwrap_or_default();
                let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
                format!("{address}{port}{protocol}")
            }
            (None, None) => match (&self.protocol, self.port) {
                (Some(protocol), Some(port)) => format!("{protocol}:{port}"),
                (Some(_) | None, _) => self
                    .capability
                    .as_ref()
                    .or(self.facility.as_ref())
                    .cloned()
                    .unwrap_or_else(|| "?".to_owned()),
            },
        }
    }
}

impl Record {
    /// The human form: one line without its end.
    pub fn compact(&self) -> String {
        let clock = self.time.get(11..19).unwrap_or(&self.time);
        if self.kind == "breaker" {
            let profile = self.profile.as_deref().unwrap_or("?");
            return printable(&format!("{clock} demoted {profile} to audit: {}", self.reason));
        }
        let mut line = format!("{clock} {} ", self.verdict);
        // Files say what was asked for; the other kinds have only one access.
        if self.kind == "file" {
            let _ = write!(line, "{} ", self.access.join("+"));
        } else {
            let _ = write!(line, "{} ", self.kind);
        }
        if self.kind != "fork" {
            let _ = write!(line, "{} ", self.object.text());
        }
        let _ = write!(line, "by {} ({})", self.profile.as_deref().unwrap_or("?"), self.reason);
        let _ = write!(line, " in {}", self.subject.name.as_deref().unwrap_or(&self.subject.id));
        if self.session {
            line.push_str(" session");
        }
        let _ = write!(line, " pid {}", self.process.pid);
        if let Some(exe) = &self.process.exe {
            let _ = write!(line, " {exe}");
        }
        if self.count > 1 {
            let _ = write!(line, " x{}", self.count);
        }
        printable(&line)
    }
}

/// Escapes what a terminal would act on: names in events are chosen by whoever is being watched.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Bidirectional overrides reorder what stands around them.
        if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Bytes as text: what is not UTF-8 is written as `\xNN`, so that no two names look the same by chance.
pub fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Record {
        Record {
            time: "2026-11-23T14:02:11.000000001Z".to_owned(),
            kind: "exec".to_owned(),
            verdict: "denied".to_owned(),
            reason: "no-rule".to_owned(),
            mode: Some("enforce".to_owned()),
            profile: Some("web".to_owned()),
            generation: 3,
            subject: SubjectRef {
                id: "0123456789ab".to_owned(),
                name: Some("nginx-1".to_owned()),
                ..SubjectRef::default()
            },
            session: false,
            process: ProcessRef {
                pid: 123,
                ppid: 1,
                exe: Some("/usr/bin/sh".to_owned()),
                args: Some(vec!["sh".to_owned()]),
                uid: 0,
            },
            object: ObjectRef { path: Some("/tmp/x".to_owned()), ..ObjectRef::default() },
            access: vec!["exec".to_owned()],
            rule: None,
            count: 1,
        }
    }

    #[test]
    fn compact_line() {
        assert_eq!(
            sample().compact(),
            "14:02:11 denied exec /tmp/x by web (no-rule) in nginx-1 pid 123 /usr/bin/sh"
        );
        let mut record = sample();
        record.kind = "connect".to_owned();
        record.object = ObjectRef {
            path: None,
            address: Some("2001:db8::1".to_owned()),
            port: Some(443),
            protocol: Some("tcp".to_owned()),
            ..ObjectRef::default()
        };
        record.count = 7;
        record.session = true;
        assert_eq!(
            record.compact(),
            "14:02:11 denied connect [2001:db8::1]:443/tcp by web (no-rule) in nginx-1 session pid 123 /usr/bin/sh x7"
        );
    }

    #[test]
    fn a_demotion_is_a_sentence() {
        let reason = "50 denials in 60 s".to_owned();
        let record = Record { kind: "breaker".to_owned(), reason, ..sample() };
        assert_eq!(record.compact(), "14:02:11 demoted web to audit: 50 denials in 60 s");
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        let mut record = sample();
        record.object.path = Some("/tmp/\u{1b}[2Jx\n\u{202e}y".to_owned());
        let line = record.compact();
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line}");
    }

    #[test]
    fn bytes_that_are_not_text_survive() {
        assert_eq!(text(b"/a\xff\xfeb"), "/a\\xff\\xfeb");
        assert_eq!(text("/ä".as_bytes()), "/ä");
    }

    #[test]
    fn fields_of_the_contract_in_order() {
        let line = serde_json::to_string(&sample()).unwrap();
        let mut last = 0;
        for field in [
            "time",
            "kind",
            "verdict",
            "reason",
            "mode",
            "profile",
            "generation",
            "subject",
            "session",
            "process",
            "object",
            "access",
            "rule",
            "count",
        ] {
            let at = line.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} in {line}"));
            assert!(at > last, "{field}");
            last = at;
        }
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), sample());
    }
}
