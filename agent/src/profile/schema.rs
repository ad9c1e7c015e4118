//! The schema: which fields there are, and what their values may be.

use std::collections::BTreeMap;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Mode;

use super::problem::Problem;
use super::reader::{At, Fields, Reader, nearest};
use super::scalar;
use super::yaml::Node;
use super::{
    API_VERSION, Deny, ExecRule, FILE_ACCESS, FileRule, KIND, ListenRule, Match, PeerRule, PeerTarget,
    PortRange, Profile, Protocol, Sessions,
};
use crate::compile::glob::{self, Kind};

/// Longest name that a DNS subdomain, and so a Kubernetes object, can have.
const NAME_MAX: usize = 253;

/// Reads the profile; without one there is at least one problem.
pub(super) fn profile(reader: &mut Reader, root: &Node) -> Option<Profile> {
    let fields = reader.fields(&At::root(root), "the profile", &["apiVersion", "kind", "metadata", "spec"]);
    constant(reader, &fields, "kind", KIND);
    constant(reader, &fields, "apiVersion", API_VERSION);
    let metadata = reader.required(&fields, "the profile", "metadata");
    let spec = reader.required(&fields, "the profile", "spec");
    let named = metadata.and_then(|at| identity(reader, &at));
    let spec = spec?;
    let what = "spec";
    let spec = reader.fields(
        &spec,
        what,
        &["mode", "match", "exec", "files", "peers", "listen", "capabilities", "sessions"],
    );
    let mode = reader.required(&spec, what, "mode").and_then(|at| mode(reader, &at));
    let matches = spec.get("match").map(|at| matching(reader, at)).unwrap_or_default();
    let exec = rules(reader, &spec, "exec", exec_rule);
    let files = rules(reader, &spec, "files", file_rule);
    let peers = rules(reader, &spec, "peers", peer_rule);
    let listen = rules(reader, &spec, "listen", listen_rule);
    let capabilities = rules(reader, &spec, "capabilities", capability);
    let sessions = spec.get("sessions").map(|at| sessions(reader, at)).unwrap_or_default();
    let (name, labels, annotations) = named?;
    Some(Profile {
        name,
        labels,
        annotations,
        mode: mode?,
        matches,
        exec,
        files,
        peers,
        listen,
        capabilities,
        sessions,
        deny: Deny::default(),
    })
}

fn constant(reader: &mut Reader, fields: &Fields<'_>, name: &str, wanted: &str) {
    let Some(at) = reader.required(fields, "the profile", name) else { return };
    let Some(found) = reader.text(&at, name) else { return };
    if found != wanted {
        let problem = Problem::new(format!("{name} is `{found}`, and only `{wanted}` is known"));
        reader.fail(&at, problem.help(format!("write {name}: {wanted}")));
    }
}

type Named = (String, BTreeMap<String, String>, BTreeMap<String, String>);

fn identity(reader: &mut Reader, at: &At<'_>) -> Option<Named> {
    let fields = reader.fields(at, "metadata", &["name", "labels", "annotations"]);
    let labels = fields.get("labels").map(|at| text_map(reader, at, "metadata.labels")).unwrap_or_default();
    let annotations =
        fields.get("annotations").map(|at| text_map(reader, at, "metadata.annotations")).unwrap_or_default();
    let at = reader.required(&fields, "metadata", "name")?;
    let name = reader.text(&at, "metadata.name")?;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    if bytes.len() > NAME_MAX
        || !edge(bytes.first())
        || !edge(bytes.last())
        || !bytes.iter().copied().all(inner)
    {
        let problem = Problem::new(format!("`{name}` cannot be a profile's name"));
        let help = "a name has at most 253 lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit";
        reader.fail(&at, problem.help(help));
        return None;
    }
    Some((name, labels, annotations))
}

fn text_map(reader: &mut Reader, at: &At<'_>, what: &str) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (key, value) in reader.entries(at, what) {
        if let Some(text) = reader.text(&value, &format!("`{key}` in {what}")) {
            map.insert(key.to_owned(), text);
        }
    }
    map
}

fn mode(reader: &mut Reader, at: &At<'_>) -> Option<Mode> {
    let word = reader.text(at, "spec.mode")?;
    let known = [Mode::Learn, Mode::Audit, Mode::Enforce].into_iter().find(|mode| mode.word() == word);
    if known.is_none() {
        reader.fail(
            at,
            Problem::new(format!("`{word}` is no mode")).help("the modes are learn, audit and enforce"),
        );
    }
    known
}

fn matching(reader: &mut Reader, at: &At<'_>) -> Match {
    let fields = reader.fields(at, "spec.match", &["images", "labels", "containers"]);
    let list = |reader: &mut Reader, name: &str| {
        fields.get(name).map(|at| reader.texts(at, &format!("spec.match.{name}"))).unwrap_or_default()
    };
    Match {
        images: list(reader, "images"),
        labels: fields.get("labels").map(|at| text_map(reader, at, "spec.match.labels")).unwrap_or_default(),
        containers: list(reader, "containers"),
    }
}

fn rules<T>(
    reader: &mut Reader,
    fields: &Fields<'_>,
    name: &str,
    rule: fn(&mut Reader, &At<'_>, &str) -> Option<T>,
) -> Vec<T> {
    let Some(at) = fields.get(name) else { return Vec::new() };
    let items = reader.items(at, name);
    items.iter().filter_map(|item| rule(reader, item, &format!("a rule of {name}"))).collect()
}

fn path(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<String> {
    let text = reader.text(at, what)?;
    let checked = glob::parse(&text, Kind::Path).map_err(|error| Problem::new(error.to_string()));
    reader.keep(at, checked)?;
    Some(text)
}

fn exec_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<ExecRule> {
    if let Node::Text(text) = at.node {
        let problem = Problem::new("a rule of exec is a mapping with `path`, not plain text");
        reader.fail(at, problem.help(format!("write `- path: {text}`")));
        return None;
    }
    let fields = reader.fields(at, what, &["path", "sha256", "args", "parents"]);
    let sha256 = fields.get("sha256").map(|at| reader.items(at, "sha256")).unwrap_or_default();
    let sha256 = sha256
        .iter()
        .filter_map(|at| {
            let text = reader.text(at, "an entry of sha256")?;
            reader.keep(at, scalar::digest(&text))
        })
        .collect();
    let args = fields.get("args").map(|at| reader.texts(at, "args"));
    let parents = fields.get("parents").map(|at| reader.items(at, "parents")).unwrap_or_default();
    let parents = parents.iter().filter_map(|at| path(reader, at, "an entry of parents")).collect();
    let at = reader.required(&fields, what, "path")?;
    Some(ExecRule { path: path(reader, &at, "path")?, sha256, args, parents })
}

fn file_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<FileRule> {
    let fields = reader.fields(at, what, &["path", "access"]);
    let path_at = reader.required(&fields, what, "path");
    let access_at = reader.required(&fields, what, "access");
    let path = path_at.and_then(|at| path(reader, &at, "path"));
    let access = access_at.and_then(|at| access_set(reader, &at));
    Some(FileRule { path: path?, access: access? })
}

fn access_set(reader: &mut Reader, at: &At<'_>) -> Option<AccessSet> {
    let items = reader.items(at, "access");
    if items.is_empty() && matches!(at.node, Node::List(_)) {
        let problem = Problem::new("`access` is an empty list, so the rule grants nothing");
        reader.fail(at, problem.help("name at least one access, or leave the rule out"));
    }
    let words: Vec<&str> = access::words(FILE_ACCESS).collect();
    let mut set = 0;
    let mut good = !items.is_empty();
    for item in &items {
        let Some(word) = reader.text(item, "an access") else {
            good = false;
            continue;
        };
        match access::from_word(&word).filter(|bit| bit & FILE_ACCESS != 0) {
            Some(bit) => set |= bit,
            None => {
                good = false;
                let help = match word.as_str() {
                    "exec" => "what may be started is listed under `exec`, not under `files`".to_owned(),
                    "connect" => "what may be connected to is listed under `peers`".to_owned(),
                    other => match nearest(other, &words) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the accesses are {}", words.join(", ")),
                    },
                };
                reader.fail(item, Problem::new(format!("`{word}` is no access to a file")).help(help));
            }
        }
    }
    good.then_some(set)
}

fn ports(reader: &mut Reader, at: &At<'_>) -> Vec<PortRange> {
    let items = reader.items(at, "ports");
    if items.is_empty() && matches!(at.node, Node::List(_)) {
        let problem = Problem::new("`ports` is an empty list");
        reader.fail(at, problem.help("leave `ports` out to mean every port"));
    }
    items
        .iter()
        .filter_map(|item| {
            let text = match item.node {
                Node::Int(number) => number.to_string(),
                Node::Number(number) => number.clone(),
                Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Map(_) => {
                    reader.text(item, "a port")?
                }
            };
            reader.keep(item, scalar::ports(&text))
        })
        .collect()
}

fn protocol(reader: &mut Reader, at: &At<'_>) -> Option<Protocol> {
    let word = reader.text(at, "protocol")?;
    let known = Protocol::from_word(&word);
    if known.is_none() {
        let problem = Problem::new(format!("`{word}` is no protocol"));
        reader.fail(at, problem.help("the protocols are tcp and udp; leave the field out to mean both"));
    }
    known
}

fn peer_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<PeerRule> {
    let fields = reader.fields(at, what, &["to", "ports", "protocol"]);
    let ports = fields.get("ports").map(|at| ports(reader, at)).unwrap_or_default();
    let protocol = fields.get("protocol").and_then(|at| protocol(reader, at));
    let at = reader.required(&fields, what, "to")?;
    let text = reader.text(&at, "to")?;
    let to = reader.keep(&at, scalar::target(&text))?;
    match &to {
        PeerTarget::Net(_) => {}
        PeerTarget::Unix(_) | PeerTarget::Abstract(_) => {
            for name in ["ports", "protocol"] {
                if let Some(at) = fields.get(name) {
                    reader
                        .fail(at, Problem::new(format!("a unix socket has no {name}")).help("leave it out"));
                }
            }
        }
    }
    Some(PeerRule { to, ports, protocol })
}

fn listen_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<ListenRule> {
    let fields = reader.fields(at, what, &["ports", "protocol"]);
    let protocol = fields.get("protocol").and_then(|at| protocol(reader, at));
    let at = reader.required(&fields, what, "ports")?;
    Some(ListenRule { ports: ports(reader, &at), protocol })
}

fn capability(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<String> {
    let text = reader.text(at, what)?;
    reader.keep(at, scalar::capability(&text))
}

fn sessions(reader: &mut Reader, at: &At<'_>) -> Sessions {
    let fields = reader.fields(at, "sessions", &["exec", "files"]);
    Sessions {
        exec: rules(reader, &fields, "exec", |reader, at, _| {
            if matches!(at.node, Node::Map(_)) {
                let problem = Problem::new("an entry of sessions.exec is a plain path, not a mapping");
                reader.fail(at, problem.help("write `- /bin/sh`"));
                return None;
            }
            path(reader, at, "an entry of sessions.exec")
        }),
        files: rules(reader, &fields, "files", file_rule),
    }
}
