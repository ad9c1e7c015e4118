//! The JSON Schema of profiles and rule sets, for editors, made of the description that the reader uses.
//!
//! It is stricter than the reader in one thing: a field with nothing behind its colon, which the reader
//! takes for absent, is not a list to an editor.

use serde_json::{Map, Value, json};
use stockade_abi::access;
use stockade_abi::capability::CAPABILITIES;
use stockade_abi::facility::Facility;
use stockade_abi::reason::Mode;

use super::fields::{self, Field, Holds, Object};
use super::{FILE_ACCESS, Protocol, Provenance};

/// The schema, draft 2020-12.
pub fn json_schema() -> Value {
    let mut parts = Map::new();
    add(&fields::PROFILE, &mut parts);
    add(&fields::RULE_SET, &mut parts);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://stockade.dev/schema/v1alpha1.json",
        "title": "stockade profile or rule set",
        "oneOf": [reference(&fields::PROFILE), reference(&fields::RULE_SET)],
        "$defs": parts,
    })
}

/// The object and all that it holds, once each.
fn add(object: &Object, parts: &mut Map<String, Value>) {
    if parts.contains_key(object.name) {
        return;
    }
    parts.insert(object.name.to_owned(), describe(object));
    for field in object.fields {
        if let Some(inner) = object_of(&field.holds) {
            add(inner, parts);
        }
    }
}

fn object_of(holds: &Holds) -> Option<&'static Object> {
    match holds {
        Holds::Object(object) | Holds::Objects(object) => Some(object),
        Holds::List(item) | Holds::Some(item) => object_of(item),
        Holds::Constant(_)
        | Holds::Name
        | Holds::Text
        | Holds::TextMap
        | Holds::Glob
        | Holds::Digest
        | Holds::Peer
        | Holds::Port
        | Holds::Mode
        | Holds::Access
        | Holds::Protocol
        | Holds::Provenance
        | Holds::Capability
        | Holds::Facility => None,
    }
}

fn describe(object: &Object) -> Value {
    let properties: Map<String, Value> =
        object.fields.iter().map(|field| (field.name.to_owned(), described(field))).collect();
    let needed: Vec<&str> =
        object.fields.iter().filter(|field| field.needed).map(|field| field.name).collect();
    let mut described = json!({
        "type": "object",
        "description": object.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if !needed.is_empty() {
        described["required"] = json!(needed);
    }
    if std::ptr::eq(object, &fields::PEER_RULE) {
        described["if"] = json!({ "properties": { "to": { "pattern": "^unix:" } } });
        described["then"] = json!({ "properties": { "ports": false, "protocol": false } });
    }
    described
}

fn described(field: &Field) -> Value {
    let mut holds = schema_of(&field.holds);
    holds["description"] = json!(field.about);
    holds
}

fn reference(object: &Object) -> Value {
    json!({ "$ref": format!("#/$defs/{}", object.name) })
}

fn schema_of(holds: &Holds) -> Value {
    let words = |words: &[&str]| json!({ "enum": words });
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match holds {
        Holds::Constant(word) => json!({ "const": word }),
        Holds::Name => json!({
            "type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "maxLength": 253,
        }),
        Holds::Text => json!({ "type": "string" }),
        Holds::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        // An escaped byte can be a slash.
        Holds::Glob => text(r"^[/{\\]"),
        Holds::Digest => text("^(sha256:)?[0-9A-Fa-f]{64}$"),
        Holds::Peer => text(r"^(unix:@?.+|[0-9A-Fa-f.:]+(/[0-9]{1,3})?)$"),
        Holds::Port => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u16::MAX },
            { "type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$" },
        ] }),
        Holds::Mode => words(&[Mode::Learn, Mode::Audit, Mode::Enforce].map(Mode::word)),
        Holds::Access => words(&access::words(FILE_ACCESS).collect::<Vec<_>>()),
        Holds::Protocol => words(&[Protocol::Tcp, Protocol::Udp].map(Protocol::word)),
        Holds::Provenance => words(&Provenance::ALL.map(Provenance::word)),
        Holds::Capability => words(&CAPABILITIES),
        Holds::Facility => words(&Facility::ALL.map(Facility::word)),
        Holds::Object(object) => reference(object),
        Holds::Objects(object) => json!({ "type": "array", "items": reference(object) }),
        Holds::List(item) => json!({ "type": "array", "items": schema_of(item) }),
        Holds::Some(item) => json!({ "type": "array", "items": schema_of(item), "minItems": 1 }),
    }
}
