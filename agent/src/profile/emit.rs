//! The canonical form: one order of fields, one layout, quotes only where YAML needs them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stockade_abi::access;
use stockade_abi::facility::Facility;

use super::{API_VERSION, FileRule, Kind, Match, PeerRule, PortRange, Profile, Protocol, Provenance};

/// The document of `profile`, in which no rule is one of a rule set that it includes.
pub(super) fn document(profile: &Profile, kind: Kind) -> String {
    let mut out = Out(String::new());
    out.line(0, &format!("apiVersion: {API_VERSION}"));
    out.line(0, &format!("kind: {}", kind.word()));
    out.line(0, "metadata:");
    out.line(1, &format!("name: {}", scalar(&profile.name)));
    out.map(1, "labels", &profile.labels);
    out.map(1, "annotations", &profile.annotations);
    let start = out.0.len();
    out.line(0, "spec:");
    let empty = out.0.len();
    match kind {
        Kind::Profile => out.line(1, &format!("mode: {}", profile.mode.word())),
        Kind::RuleSet => {}
    }
    out.matches(&profile.matches);
    out.rules(profile);
    if out.0.len() == empty {
        // A rule set without rules: a mapping without entries must be written as one.
        out.0.truncate(start);
        out.line(0, "spec: {}");
    }
    out.0
}

struct Out(String);

impl Out {
    fn matches(&mut self, matches: &Match) {
        if *matches != Match::default() {
            self.line(1, "match:");
            self.list(2, "images", &matches.images);
            self.map(2, "labels", &matches.labels);
            self.list(2, "containers", &matches.containers);
        }
    }

    fn rules(&mut self, profile: &Profile) {
        self.flow(1, "include", &profile.include);
        self.head(1, "exec", profile.exec.is_empty());
        for rule in &profile.exec {
            self.line(2, &format!("- path: {}", scalar(&rule.path)));
            match rule.from {
                Provenance::Image => {}
                Provenance::Any => self.line(3, "from: any"),
            }
            self.flow(3, "sha256", &rule.sha256);
            match &rule.args {
                Some(args) if args.is_empty() => self.line(3, "args: []"),
                Some(args) => self.flow(3, "args", args),
                None => {}
            }
            self.flow(3, "parents", &rule.parents);
        }
        self.files(1, &profile.files);
        self.peers(1, &profile.peers);
        self.head(1, "listen", profile.listen.is_empty());
        for rule in &profile.listen {
            self.ports(2, &rule.ports, "- ");
            self.protocol(3, rule.protocol);
        }
        self.flow(1, "capabilities", &profile.capabilities);
        self.facilities(1, &profile.facilities);
        if !profile.deny.is_empty() {
            self.line(1, "deny:");
            self.list(2, "exec", &profile.deny.exec);
            self.files(2, &profile.deny.files);
            self.peers(2, &profile.deny.peers);
            self.flow(2, "capabilities", &profile.deny.capabilities);
            self.facilities(2, &profile.deny.facilities);
        }
        if !profile.sessions.is_empty() {
            self.line(1, "sessions:");
            self.list(2, "exec", &profile.sessions.exec);
            self.files(2, &profile.sessions.files);
            self.flow(2, "capabilities", &profile.sessions.capabilities);
            self.facilities(2, &profile.sessions.facilities);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:width$}{text}", "", width = depth * 2);
    }

    fn head(&mut self, depth: usize, name: &str, empty: bool) {
        if !empty {
            self.line(depth, &format!("{name}:"));
        }
    }

    fn map(&mut self, depth: usize, name: &str, map: &BTreeMap<String, String>) {
        self.head(depth, name, map.is_empty());
        for (key, value) in map {
            self.line(depth.saturating_add(1), &format!("{}: {}", scalar(key), scalar(value)));
        }
    }

    /// One item a line.
    fn list(&mut self, depth: usize, name: &str, items: &[String]) {
        self.head(depth, name, items.is_empty());
        for item in items {
            self.line(depth.saturating_add(1), &format!("- {}", scalar(item)));
        }
    }

    /// All items in one line.
    fn flow(&mut self, depth: usize, name: &str, items: &[String]) {
        if !items.is_empty() {
            let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
            self.line(depth, &format!("{name}: [{}]", items.join(", ")));
        }
    }

    fn facilities(&mut self, depth: usize, facilities: &[Facility]) {
        let words: Vec<String> = facilities.iter().map(|facility| facility.word().to_owned()).collect();
        self.flow(depth, "facilities", &words);
    }

    fn files(&mut self, depth: usize, rules: &[FileRule]) {
        self.head(depth, "files", rules.is_empty());
        for rule in rules {
            self.line(depth.saturating_add(1), &format!("- path: {}", scalar(&rule.path)));
            let words: Vec<&str> = access::words(rule.access).collect();
            self.line(depth.saturating_add(2), &format!("access: [{}]", words.join(", ")));
        }
    }

    fn peers(&mut self, depth: usize, rules: &[PeerRule]) {
        self.head(depth, "peers", rules.is_empty());
        for rule in rules {
            self.line(depth.saturating_add(1), &format!("- to: {}", scalar(&rule.to.to_string())));
            self.ports(depth.saturating_add(2), &rule.ports, "");
            self.protocol(depth.saturating_add(2), rule.protocol);
        }
    }

    fn ports(&mut self, depth: usize, ports: &[PortRange], dash: &str) {
        if !ports.is_empty() {
            let ports: Vec<String> = ports.iter().map(PortRange::to_string).collect();
            self.line(depth, &format!("{dash}ports: [{}]", ports.join(", ")));
        }
    }

    fn protocol(&mut self, depth: usize, protocol: Option<Protocol>) {
        if let Some(protocol) = protocol {
            self.line(depth, &format!("protocol: {}", protocol.word()));
        }
    }
}

/// `text` as a YAML scalar that every reader takes for text, in lists in brackets too.
fn scalar(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-*+@=~%^".contains(&byte);
    let inner = |byte: u8| plain(byte) || byte == b':';
    let bytes = text.as_bytes();
    // A word or number could be a boolean, null or a number to some reader; a path or an address cannot.
    let address = !text.contains(':') && text.matches('.').count() > 1;
    let safe = bytes.first().is_some_and(|byte| {
        byte.is_ascii_alphabetic() || *byte == b'/' || (byte.is_ascii_digit() && address)
    }) && bytes.last().copied().is_some_and(plain)
        && bytes.iter().copied().all(inner)
        && !is_word(text);
    if safe { text.to_owned() } else { quoted(text) }
}

fn is_word(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{a0}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            printable => out.push(printable),
        }
    }
    out.push('"');
    out
}
