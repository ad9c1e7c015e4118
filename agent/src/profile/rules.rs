//! The rules, as they are read: what each field's value may be.

use stockade_abi::access::{self, AccessSet};
use stockade_abi::facility::Facility;

use super::fields;
use super::problem::Problem;
use super::reader::{At, Fields, Reader, nearest};
use super::scalar;
use super::yaml::Node;
use super::{
    Deny, ExecRule, FILE_ACCESS, FileRule, ListenRule, PeerRule, PeerTarget, PortRange, Protocol, Provenance,
    Sessions,
};
use crate::compile::glob::{self, Kind};

pub(super) fn rules<T>(
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

pub(super) fn exec_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<ExecRule> {
    if let Node::Text(text) = at.node {
        let problem = Problem::new("a rule of exec is a mapping with `path`, not plain text");
        reader.fail(at, problem.help(format!("write `- path: {text}`")));
        return None;
    }
    let fields = reader.fields(at, what, &fields::EXEC_RULE);
    let sha256 = fields.get("sha256").map(|at| reader.items(at, "sha256")).unwrap_or_default();
    let sha256 = sha256
        .iter()
        .filter_map(|at| {
            let text = reader.text(at, "an entry of sha256")?;
            reader.keep(at, scalar::digest(&text))
        })
        .collect();
    let from = fields.get("from").map_or(Some(Provenance::Image), |at| provenance(reader, at));
    let args = fields.get("args").map(|at| reader.texts(at, "args"));
    let parents = fields.get("parents").map(|at| reader.items(at, "parents")).unwrap_or_default();
    let parents: Vec<String> =
        parents.iter().filter_map(|at| path(reader, at, "an entry of parents")).collect();
    if let Some(at) = fields.get("from")
        && from == Some(Provenance::Any)
        && !parents.is_empty()
    {
        let problem = Problem::new("`from: any` and `parents` do not go together");
        reader.fail(
            at,
            problem.help("leave out one of them: what anybody wrote is not safer for who starts it"),
        );
    }
    let path = path(reader, fields.get("path")?, "path")?;
    Some(ExecRule { path, from: from?, sha256, args, parents })
}

fn provenance(reader: &mut Reader, at: &At<'_>) -> Option<Provenance> {
    let word = reader.text(at, "from")?;
    let known = Provenance::ALL.into_iter().find(|known| known.word() == word);
    if known.is_none() {
        let problem = Problem::new(format!("`{word}` is nowhere that a program can come from"));
        reader.fail(at, problem.help("write `image`, which it also means when left out, or `any`"));
    }
    known
}

pub(super) fn file_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<FileRule> {
    let fields = reader.fields(at, what, &fields::FILE_RULE);
    let path_at = fields.get("path");
    let access_at = fields.get("access");
    let path = path_at.and_then(|at| path(reader, at, "path"));
    let access = access_at.and_then(|at| access_set(reader, at));
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

pub(super) fn peer_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<PeerRule> {
    let fields = reader.fields(at, what, &fields::PEER_RULE);
    let ports = fields.get("ports").map(|at| ports(reader, at)).unwrap_or_default();
    let protocol = fields.get("protocol").and_then(|at| protocol(reader, at));
    let at = fields.get("to")?;
    let text = reader.text(at, "to")?;
    let to = reader.keep(at, scalar::target(&text))?;
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

pub(super) fn listen_rule(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<ListenRule> {
    let fields = reader.fields(at, what, &fields::LISTEN_RULE);
    let protocol = fields.get("protocol").and_then(|at| protocol(reader, at));
    let at = fields.get("ports")?;
    Some(ListenRule { ports: ports(reader, at), protocol })
}

pub(super) fn capability(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<String> {
    let text = reader.text(at, what)?;
    reader.keep(at, scalar::capability(&text))
}

pub(super) fn facility(reader: &mut Reader, at: &At<'_>, what: &str) -> Option<Facility> {
    let text = reader.text(at, what)?;
    reader.keep(at, scalar::facility(&text))
}

pub(super) fn deny(reader: &mut Reader, at: &At<'_>) -> Deny {
    let fields = reader.fields(at, "deny", &fields::DENY);
    Deny {
        exec: rules(reader, &fields, "exec", plain_path),
        files: rules(reader, &fields, "files", file_rule),
        peers: rules(reader, &fields, "peers", peer_rule),
        capabilities: rules(reader, &fields, "capabilities", capability),
        facilities: rules(reader, &fields, "facilities", facility),
    }
}

pub(super) fn sessions(reader: &mut Reader, at: &At<'_>) -> Sessions {
    let fields = reader.fields(at, "sessions", &fields::SESSIONS);
    Sessions {
        exec: rules(reader, &fields, "exec", plain_path),
        files: rules(reader, &fields, "files", file_rule),
        capabilities: rules(reader, &fields, "capabilities", capability),
        facilities: rules(reader, &fields, "facilities", facility),
    }
}

fn plain_path(reader: &mut Reader, at: &At<'_>, _: &str) -> Option<String> {
    if matches!(at.node, Node::Map(_)) {
        let problem = Problem::new("a program is a plain path here, not a mapping");
        reader.fail(at, problem.help("write `- /bin/sh`"));
        return None;
    }
    path(reader, at, "a program")
}
