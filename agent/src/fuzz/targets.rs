//! What is fed, and what must hold.

use stockade_abi::event::Event;

use super::{Target, table};
use crate::cli::profile_explain::answers_to;
use crate::compile::glob::{self, Kind};
use crate::compile::{compile_table, escape};
use crate::control::{Request, Response};
use crate::events::record::SubjectRef;
use crate::events::record::{Record, printable};
use crate::events::render::{ProcessFacts, object_name, render};
use crate::identity::oci::{Config, State, names};
use crate::image::packages::rpm::database::headers;
use crate::image::packages::rpm::header::Header;
use crate::profile::{Shelf, parse_any, read_any, read_profile};

const PROFILE_WORDS: &[&str] = &[
    "apiVersion: stockade.dev/v1alpha1",
    "kind: Profile",
    "kind: RuleSet",
    "spec:",
    "  mode: enforce",
    "include: [base]",
    "parents: [/a]",
    "  - {path: /a/**, access: [read]}",
    "access: [write]",
    "/**/",
    "{a,b*}",
    "[!a-z]",
    "\\x41",
    "- to: 10.0.0.0/8",
    "unix:@a*",
    "ports: [1-2]",
    "deny:",
    "sessions:",
    "&a",
    "*a",
    "<<: ",
    "---\n",
    "!!binary ",
    "? ",
    "|\n",
    "~",
    ".inf",
];

#[test]
fn profile() {
    Target { name: "profile", rounds: 400, words: PROFILE_WORDS, read: read_a_profile }.run();
}

fn read_a_profile(input: &[u8]) -> bool {
    let shelf = Shelf::default();
    match parse_any("p.yaml", input, &shelf) {
        Ok(parsed) => {
            parsed.findings.iter().for_each(|finding| assert!(!finding.to_string().is_empty()));
            let _ = compile_table(&parsed.profile);
        }
        Err(error) => assert!(error.to_string().contains("p.yaml")),
    }
    let Ok(profile) = read_profile("p.yaml", input, &shelf) else { return false };
    let text = String::from_utf8(input.to_vec()).unwrap();
    let whole = profile.standalone(&text);
    let again =
        read_profile("p.yaml", whole.as_bytes(), &shelf).unwrap_or_else(|error| panic!("{whole}\n{error}"));
    assert_eq!(
        (&again.name, &again.exec, &again.files, &again.deny),
        (&profile.name, &profile.exec, &profile.files, &profile.deny)
    );
    // Without the rule sets behind it, for those of the library.
    if let Ok(again) = read_profile("p.yaml", profile.to_yaml().as_bytes(), &shelf) {
        assert_eq!(again.to_yaml(), profile.to_yaml());
    } else {
        assert!(!profile.include.is_empty(), "{}", profile.to_yaml());
    }
    true
}

#[test]
fn glob() {
    let words = &["/**/", "{a,b}", "{", "}", "[a-z]", "[!", "]", "\\x", "\\xff", "{a,{b,c}}", "/../", "//"];
    Target { name: "glob", rounds: 8000, words, read: read_a_glob }.run();
}

fn read_a_glob(input: &[u8]) -> bool {
    // Whatever the bytes, escaped they are a glob for themselves, if a path can have them.
    if let Ok(flats) = glob::parse(&escape(input), Kind::Path) {
        assert_eq!(flats.len(), 1);
        assert_eq!(glob::literal_prefix(&flats[0]), input);
    }
    let Ok(text) = str::from_utf8(input) else { return false };
    let mut good = false;
    for flats in [Kind::Path, Kind::Name].into_iter().filter_map(|kind| glob::parse(text, kind).ok()) {
        good = true;
        flats.iter().for_each(|flat| drop(glob::show(flat)));
    }
    good
}

#[test]
fn policy_table() {
    Target { name: "table", rounds: 200, words: PROFILE_WORDS, read: table::read }.run();
}

#[test]
fn kernel_event() {
    Target { name: "event", rounds: 20_000, words: &[], read: read_an_event }.run();
}

fn read_an_event(input: &[u8]) -> bool {
    let Ok(event) = Event::parse(input) else { return false };
    assert!(event.object.len() <= input.len() && object_name(&event).len() <= input.len() + 64);
    let record = render(&event, 0, None, SubjectRef::default(), ProcessFacts::default(), 1);
    let line = serde_json::to_string(&record).unwrap();
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    assert!(!record.compact().chars().any(char::is_control));
    true
}

#[test]
fn event_record() {
    let words =
        &["null", "true", "-1", "1e999", "\"a\"", "\"subject\":", "[[[[[[", "{\"a\":", "\\u0000", "\\ud800"];
    Target { name: "record", rounds: 20_000, words, read: read_a_record }.run();
}

fn read_a_record(input: &[u8]) -> bool {
    let Ok(record) = serde_json::from_slice::<Record>(input) else { return false };
    assert!(!record.compact().chars().any(char::is_control));
    let _ = printable(&record.object.text());
    true
}

#[test]
fn control_request() {
    let words = &[
        "null",
        "-1",
        "4294967296",
        "\"request\":",
        "\"run\"",
        "\"bind\"",
        "{\"file\":",
        "[[[[[[",
        "{\"a\":",
    ];
    Target { name: "request", rounds: 20_000, words, read: read_a_request }.run();
}

fn read_a_request(input: &[u8]) -> bool {
    let request = serde_json::from_slice::<Request>(input);
    if let Ok(request) = &request {
        let line = serde_json::to_string(request).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), *request);
    }
    let response = serde_json::from_slice::<Response>(input);
    if let Ok(response) = &response {
        let line = serde_json::to_string(response).unwrap();
        assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), *response);
    }
    request.is_ok() || response.is_ok()
}

#[test]
fn oci() {
    let words = &[
        "null",
        "-1",
        "\"annotations\":",
        "\"pid\":",
        "\"root\":{\"path\":",
        "stockade.dev/profile",
        "[[[[",
        "{\"a\":",
    ];
    Target { name: "oci", rounds: 20_000, words, read: read_oci }.run();
}

fn read_oci(input: &[u8]) -> bool {
    let state = serde_json::from_slice::<State>(input);
    if let Ok(state) = &state {
        assert_eq!(names(&state.id, &state.annotations).id, state.id);
    }
    state.is_ok() | serde_json::from_slice::<Config>(input).is_ok()
}

#[test]
fn question() {
    let words = &[
        "read ",
        "exec ",
        "connect ",
        "tcp:",
        "udp:[::1]:53",
        "unix:@",
        "/etc/",
        "\r\n",
        "\n",
        "/../",
        "read,write ",
    ];
    Target { name: "question", rounds: 800, words, read: read_questions }.run();
}

/// One answer for each line, whatever stands there.
fn read_questions(input: &[u8]) -> bool {
    let text = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec: {mode: enforce, \
                files: [{path: /etc/**, access: [read]}], peers: [{to: 10.0.0.0/8}, {to: 'unix:/run/*'}]}\n";
    let profile = read_any("p.yaml", text.as_bytes(), &Shelf::default()).unwrap();
    for json in [false, true] {
        let out = answers_to(&profile, input, json);
        let lines = input.split(|byte| *byte == b'\n').count()
            - usize::from(input.is_empty() || input.ends_with(b"\n"));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), lines);
        assert!(!out.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n'));
    }
    !input.is_empty()
}

#[test]
fn rpm() {
    let words = &[
        "CREATE TABLE ",
        "CREATE VIEW ",
        "GENERATED ALWAYS AS (1)",
        "Packages",
        "blob",
        "/usr/lib64/\0",
        "\0\0\0\x08",
    ];
    Target { name: "rpm", rounds: 4000, words, read: read_rpm }.run();
}

/// The header of a package, or a database of them.
fn read_rpm(input: &[u8]) -> bool {
    let check = |header: Header<'_>| {
        let files = header.files()?;
        assert!(files.iter().all(|path| path.len() <= 4096));
        header.source().map(drop)
    };
    if input.starts_with(b"SQLite format 3\0") {
        return headers(input.to_vec(), check).is_ok();
    }
    Header::parse(input).and_then(check).is_ok()
}
