//! The documents: a profile or a rule set, with its name and its lists of rules.

use std::collections::BTreeMap;

use stockade_abi::reason::Mode;

use super::fields::{self, Object};
use super::problem::Problem;
use super::reader::{At, Fields, Reader};
use super::rules::{self, rules};
use super::yaml::Node;
use super::{API_VERSION, Kind, Match, Profile};

/// Longest name that a DNS subdomain, and so a Kubernetes object, can have.
const NAME_MAX: usize = 253;

/// Reads the document; without one there is at least one problem. A rule set becomes a profile under
/// `audit` that matches nothing.
pub(super) fn document(reader: &mut Reader, root: &Node, kind: Kind) -> Option<Profile> {
    let (what, object, spec_object) = match kind {
        Kind::Profile => ("the profile", &fields::PROFILE, &fields::SPEC),
        Kind::RuleSet => ("the rule set", &fields::RULE_SET, &fields::SET_SPEC),
    };
    let fields = reader.fields(&At::root(root), what, object);
    constant(reader, &fields, "kind", kind.word());
    constant(reader, &fields, "apiVersion", API_VERSION);
    let named = fields.get("metadata").and_then(|at| identity(reader, at));
    let rules = fields.get("spec").and_then(|at| spec(reader, at, spec_object, kind));
    let (name, labels, annotations) = named?;
    Some(Profile { name, labels, annotations, ..rules? })
}

/// What kind of document `root` says it is.
pub(super) fn kind(root: &Node) -> Option<Kind> {
    let Node::Text(word) = root.get("kind")? else { return None };
    Kind::ALL.into_iter().find(|kind| kind.word() == word)
}

fn spec(reader: &mut Reader, at: &At<'_>, object: &Object, kind: Kind) -> Option<Profile> {
    let spec = reader.fields(at, "spec", object);
    let mode = match kind {
        Kind::Profile => spec.get("mode").and_then(|at| mode(reader, at)),
        Kind::RuleSet => Some(Mode::Audit),
    };
    let matches = spec.get("match").map(|at| matching(reader, at)).unwrap_or_default();
    let read = Profile {
        matches,
        include: spec.get("include").map(|at| reader.texts(at, "include")).unwrap_or_default(),
        exec: rules(reader, &spec, "exec", rules::exec_rule),
        files: rules(reader, &spec, "files", rules::file_rule),
        peers: rules(reader, &spec, "peers", rules::peer_rule),
        listen: rules(reader, &spec, "listen", rules::listen_rule),
        capabilities: rules(reader, &spec, "capabilities", rules::capability),
        facilities: rules(reader, &spec, "facilities", rules::facility),
        deny: spec.get("deny").map(|at| rules::deny(reader, at)).unwrap_or_default(),
        sessions: spec.get("sessions").map(|at| rules::sessions(reader, at)).unwrap_or_default(),
        ..Profile::new("", Mode::Audit)
    };
    Some(Profile { mode: mode?, ..read })
}

fn constant(reader: &mut Reader, fields: &Fields<'_>, name: &str, wanted: &str) {
    let Some(at) = fields.get(name) else { return };
    let Some(found) = reader.text(at, name) else { return };
    if found != wanted {
        let problem = Problem::new(format!("{name} is `{found}`, and only `{wanted}` is known here"));
        reader.fail(
            at,
            match Kind::ALL.iter().find(|kind| kind.word() == found) {
                Some(Kind::RuleSet) => {
                    problem.help("rule sets stand in the directory `include` beside the profiles")
                }
                Some(Kind::Profile) | None => problem.help(format!("write {name}: {wanted}")),
            },
        );
    }
}

type Named = (String, BTreeMap<String, String>, BTreeMap<String, String>);

fn identity(reader: &mut Reader, at: &At<'_>) -> Option<Named> {
    let fields = reader.fields(at, "metadata", &fields::METADATA);
    let labels = fields.get("labels").map(|at| text_map(reader, at, "metadata.labels")).unwrap_or_default();
    let annotations =
        fields.get("annotations").map(|at| text_map(reader, at, "metadata.annotations")).unwrap_or_default();
    let at = fields.get("name")?;
    let name = reader.text(at, "metadata.name")?;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let edge =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    if bytes.len() > NAME_MAX
        || !edge(bytes.first())
        || !edge(bytes.last())
        || !bytes.iter().copied().all(inner)
    {
        let problem = Problem::new(format!("`{name}` cannot be a name"));
        let help = "a name has at most 253 lower-case letters, digits, `-` and `.`, and begins and ends with a letter or digit";
        reader.fail(at, problem.help(help));
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
    let fields = reader.fields(at, "spec.match", &fields::MATCH);
    let list = |reader: &mut Reader, name: &str| {
        fields.get(name).map(|at| reader.texts(at, &format!("spec.match.{name}"))).unwrap_or_default()
    };
    Match {
        images: list(reader, "images"),
        labels: fields.get("labels").map(|at| text_map(reader, at, "spec.match.labels")).unwrap_or_default(),
        containers: list(reader, "containers"),
    }
}
