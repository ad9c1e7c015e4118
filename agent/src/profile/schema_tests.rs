//! The JSON Schema: up to date, and of one mind with the reader.

use serde_json::{Map, Value, json};

use super::tests::{BAD, HEAD};
use super::yaml::{self, Node};
use super::{Shelf, json_schema, library, parse_any};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles/schema.json");

#[test]
fn the_shipped_schema_is_up_to_date() {
    let shipped = std::fs::read_to_string(FILE).unwrap_or_default();
    let shipped: Value = serde_json::from_str(&shipped).unwrap_or_default();
    assert!(
        shipped == json_schema(),
        "profiles/schema.json is stale; run: cargo run -p stockade-agent --bin stockade -- profile schema > profiles/schema.json"
    );
}

#[test]
fn shipped_profiles_and_rule_sets_fulfil_the_schema() {
    let mut texts: Vec<String> =
        library::names().map(|name| library::text(name).unwrap().to_owned()).collect();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../profiles")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    assert!(texts.len() > 10);
    for text in texts {
        valid(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

/// Documents that use every field.
#[test]
fn whatever_the_reader_takes_fulfils_the_schema() {
    let all = format!(
        "{HEAD}  match: {{ images: [a], labels: {{ a: b }}, containers: [c] }}\n  include: [base]\n  \
         exec: [{{ path: \"/a\", sha256: [\"{0}\", \"sha256:{0}\"], args: [], parents: [\"{{/b,/c}}\"] }}]\n  \
         files: [{{ path: '\\x2fa', access: [read, write, append, create, delete, rename, link, attr, map] }}]\n  \
         peers:\n    - {{ to: 10.0.0.0/8, ports: [0, 443, 8000-8010, \"65535\"], protocol: udp }}\n    \
         - {{ to: \"fd00::/8\" }}\n    - {{ to: unix:/run/x }}\n    - {{ to: \"unix:@x\" }}\n  \
         listen: [{{ ports: [80], protocol: tcp }}]\n  capabilities: [bpf]\n  facilities: [mount, jit]\n  \
         deny: {{ exec: [/x], files: [{{ path: /y, access: [read] }}], peers: [{{ to: \"::1\" }}],\n    capabilities: [chown], facilities: [jit] }}\n  \
         sessions: {{ exec: [/z], files: [{{ path: /z, access: [read] }}],\n    capabilities: [chown], facilities: [bpf] }}\n",
        "ab".repeat(32)
    );
    parse_any("p.yaml", all.as_bytes(), &Shelf::default()).unwrap_or_else(|error| panic!("{error}"));
    valid(&all).unwrap();
}

/// Faults that only the reader sees: in what a value means, not in how it is built.
const READER_ONLY: [&str; 15] = [
    "glued",
    "not closed",
    "empty",
    "`..`",
    "without a slash",
    "zero byte",
    "stands twice",
    "10.0.0.0/8",
    "10.0.0.1/32",
    "127.0.0.1",
    "0 to 65535",
    "reversed",
    "absolute",
    "more than one document",
    "is no peer",
];

#[test]
fn whatever_the_schema_refuses_the_reader_refuses() {
    let mut seen = 0;
    for (text, _, part) in BAD {
        let text = format!("{HEAD}{text}");
        let Ok(documents) = yaml::documents(&text) else { continue };
        if documents.len() == 1 && valid(&text).is_ok() {
            assert!(READER_ONLY.contains(part), "the schema accepts this ({part})\n{text}");
        } else {
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

fn valid(text: &str) -> Result<(), String> {
    let documents = yaml::documents(text).map_err(|error| format!("{error:?}"))?;
    let schema = json_schema();
    documents.iter().try_for_each(|document| check(&schema, &schema, &value(&document.root), ""))
}

fn value(node: &Node) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => json!(value),
        Node::Int(value) => json!(value),
        Node::Number(value) => json!(value.parse::<f64>().unwrap()),
        Node::Text(value) => json!(value),
        Node::List(items) => items.iter().map(value).collect(),
        Node::Map(entries) => {
            let entry = |(key, held): &(Node, Node)| {
                let key = if let Node::Text(key) = key { key.clone() } else { format!("{key:?}") };
                (key, value(held))
            };
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

/// Judges `value` by `schema`, for the keywords that ours has; any other keyword is a failure.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        let allowed = schema.as_bool().unwrap();
        return if allowed { Ok(()) } else { Err(format!("{at}: must not be there")) };
    };
    let holds = |schema: &Value| check(root, schema, value, at);
    for (keyword, wanted) in schema {
        let good = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "then" | "properties" => true,
            "$ref" => {
                holds(root.pointer(wanted.as_str().unwrap().strip_prefix('#').unwrap()).unwrap())?;
                true
            }
            "oneOf" => {
                let outcomes: Vec<_> = wanted.as_array().unwrap().iter().map(holds).collect();
                if outcomes.iter().filter(|outcome| outcome.is_ok()).count() != 1 {
                    return Err(format!("{at}: not one of them: {outcomes:?}"));
                }
                true
            }
            "anyOf" => wanted.as_array().unwrap().iter().any(|one| holds(one).is_ok()),
            "if" => {
                if holds(wanted).is_ok() {
                    holds(&schema["then"])?;
                }
                true
            }
            "type" => match wanted.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_u64() || value.is_i64(),
                other => panic!("{other}"),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "pattern" => value
                .as_str()
                .is_none_or(|text| regex_lite::Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, wanted, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "required" => {
                let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                value.as_object().is_none_or(|_| wanted.as_array().unwrap().iter().all(has))
            }
            "additionalProperties" => {
                for (name, held) in value.as_object().into_iter().flatten() {
                    let known = schema.get("properties").and_then(|known| known.get(name));
                    check(root, known.unwrap_or(wanted), held, &format!("{at}/{name}"))?;
                }
                true
            }
            other => panic!("unknown keyword {other}"),
        };
        if !good {
            return Err(format!("{at}: {keyword} {wanted} is not fulfilled by {value}"));
        }
    }
    // Without `additionalProperties` nothing has looked at them yet.
    if schema.get("additionalProperties").is_none() {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, wanted) in properties.into_iter().flatten() {
            if let Some(held) = value.get(name) {
                check(root, wanted, held, &format!("{at}/{name}"))?;
            }
        }
    }
    Ok(())
}
