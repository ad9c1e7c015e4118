//! The fields of a profile and of a rule set: the one description that the reader takes its known and
//! needed fields from, and that the JSON Schema is made of.

use super::{API_VERSION, KIND, SET_KIND};

/// A mapping with known fields.
#[derive(Debug)]
pub(super) struct Object {
    /// Its name in the JSON Schema.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) needed: bool,
    pub(super) holds: Holds,
    pub(super) about: &'static str,
}

/// What a field holds.
#[derive(Debug)]
pub(super) enum Holds {
    /// This text and no other.
    Constant(&'static str),
    /// The name of a profile or rule set.
    Name,
    /// Any text.
    Text,
    /// Any text by any name.
    TextMap,
    /// A glob of canonical paths.
    Glob,
    /// A SHA-256 digest.
    Digest,
    /// What a peer rule's `to` says.
    Peer,
    /// A port or a range of ports.
    Port,
    /// `learn`, `audit` or `enforce`.
    Mode,
    /// An access to a file.
    Access,
    /// `tcp` or `udp`.
    Protocol,
    /// `image` or `any`.
    Provenance,
    /// A capability.
    Capability,
    /// A facility.
    Facility,
    /// A mapping with known fields.
    Object(&'static Object),
    /// A list of mappings with known fields, perhaps without items.
    Objects(&'static Object),
    /// A list, perhaps without items.
    List(&'static Self),
    /// A list with at least one item.
    Some(&'static Self),
}

impl Object {
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }
}

const fn field(name: &'static str, holds: Holds, about: &'static str) -> Field {
    Field { name, needed: false, holds, about }
}

const fn needed(name: &'static str, holds: Holds, about: &'static str) -> Field {
    Field { name, needed: true, holds, about }
}

pub(super) static PROFILE: Object = Object {
    name: "Profile",
    about: "What a container may do",
    fields: &[
        needed("apiVersion", Holds::Constant(API_VERSION), "The version of this schema"),
        needed("kind", Holds::Constant(KIND), "Says that this is a profile"),
        needed("metadata", Holds::Object(&METADATA), "What it is called"),
        needed("spec", Holds::Object(&SPEC), "The mode and the rules"),
    ],
};

pub(super) static RULE_SET: Object = Object {
    name: "RuleSet",
    about: "Rules that profiles include by name",
    fields: &[
        needed("apiVersion", Holds::Constant(API_VERSION), "The version of this schema"),
        needed("kind", Holds::Constant(SET_KIND), "Says that this is a rule set"),
        needed("metadata", Holds::Object(&METADATA), "What it is called; its file is NAME.yaml"),
        needed("spec", Holds::Object(&SET_SPEC), "The rules"),
    ],
};

pub(super) static METADATA: Object = Object {
    name: "Metadata",
    about: "What a document is called",
    fields: &[
        needed(
            "name",
            Holds::Name,
            "Up to 253 lower-case letters, digits, - and ., beginning and ending with a letter or digit",
        ),
        field("labels", Holds::TextMap, "Text by name, for your own use"),
        field("annotations", Holds::TextMap, "Text by name, for your own use"),
    ],
};

const INCLUDE: Field = field(
    "include",
    Holds::List(&Holds::Name),
    "Names of rule sets whose rules count as if they stood here: of include/NAME.yaml beside the profile, or of the library",
);
const EXEC: Field = field("exec", Holds::Objects(&EXEC_RULE), "Programs and scripts that may be started");
const FILES: Field = field("files", Holds::Objects(&FILE_RULE), "Files, and what may be done with them");
const PEERS: Field = field("peers", Holds::Objects(&PEER_RULE), "Who may be connected to");
const LISTEN: Field = field("listen", Holds::Objects(&LISTEN_RULE), "Where to accept connections");
const CAPABILITIES: Field =
    field("capabilities", Holds::List(&Holds::Capability), "Capabilities that may be used");
const FACILITIES: Field = field(
    "facilities",
    Holds::List(&Holds::Facility),
    "Facilities of the kernel that may be used, such as mount; io_uring and jit may be anyway",
);
const DENY_FIELD: Field =
    field("deny", Holds::Object(&DENY), "What is denied whatever other rules grant, to sessions too");
const SESSIONS_FIELD: Field = field(
    "sessions",
    Holds::Object(&SESSIONS),
    "What processes that enter the running container may do beyond the container itself",
);

pub(super) static SPEC: Object = Object {
    name: "ProfileSpec",
    about: "The mode and the rules",
    fields: &[
        needed(
            "mode",
            Holds::Mode,
            "What happens with what no rule grants: learn allows it and takes it down, audit allows and reports it, enforce denies and reports it",
        ),
        field(
            "match",
            Holds::Object(&MATCH),
            "Which containers the profile is for: those that fulfil any of these",
        ),
        INCLUDE,
        EXEC,
        FILES,
        PEERS,
        LISTEN,
        CAPABILITIES,
        FACILITIES,
        DENY_FIELD,
        SESSIONS_FIELD,
    ],
};

pub(super) static SET_SPEC: Object = Object {
    name: "RuleSetSpec",
    about: "The rules",
    fields: &[INCLUDE, EXEC, FILES, PEERS, LISTEN, CAPABILITIES, FACILITIES, DENY_FIELD, SESSIONS_FIELD],
};

pub(super) static MATCH: Object = Object {
    name: "Match",
    about: "Which containers a profile is for",
    fields: &[
        field("images", Holds::List(&Holds::Text), "Globs of image references"),
        field("labels", Holds::TextMap, "Labels, all of which a pod has"),
        field("containers", Holds::List(&Holds::Text), "Names of containers"),
    ],
};

pub(super) static EXEC_RULE: Object = Object {
    name: "ExecRule",
    about: "A program or script that may be started; a script's interpreter needs a rule of its own",
    fields: &[
        needed("path", Holds::Glob, "Glob of the program's canonical path"),
        field(
            "from",
            Holds::Provenance,
            "Where the file may come from: image, which is meant if absent, does not let start what was written or changed since the container began; any does",
        ),
        field(
            "sha256",
            Holds::List(&Holds::Digest),
            "SHA-256 digests of the contents it may have, wherever it comes from; any if absent",
        ),
        field("args", Holds::List(&Holds::Text), "For the reader only: arguments are not judged"),
        field("parents", Holds::List(&Holds::Glob), "Globs of the programs that may start it; any if absent"),
    ],
};

pub(super) static FILE_RULE: Object = Object {
    name: "FileRule",
    about: "Files, and accesses to them",
    fields: &[
        needed("path", Holds::Glob, "Glob of the file's canonical path"),
        needed("access", Holds::Some(&Holds::Access), "The accesses"),
    ],
};

pub(super) static PEER_RULE: Object = Object {
    name: "PeerRule",
    about: "An address, a network or a unix socket",
    fields: &[
        needed(
            "to",
            Holds::Peer,
            "An address (10.0.0.1), a network (10.0.0.0/8, fd00::/8), unix:/PATH or unix:@NAME",
        ),
        field("ports", Holds::Some(&Holds::Port), "Ports and ranges of ports; every port if absent"),
        field("protocol", Holds::Protocol, "tcp or udp; both if absent"),
    ],
};

pub(super) static LISTEN_RULE: Object = Object {
    name: "ListenRule",
    about: "Where to accept connections",
    fields: &[
        needed("ports", Holds::Some(&Holds::Port), "Ports and ranges of ports"),
        field("protocol", Holds::Protocol, "tcp or udp; both if absent"),
    ],
};

pub(super) static DENY: Object = Object {
    name: "Deny",
    about: "What is denied whatever other rules grant",
    fields: &[
        field("exec", Holds::List(&Holds::Glob), "Globs of programs"),
        field(
            "files",
            Holds::Objects(&FILE_RULE),
            "Files, and accesses to them; write and append each deny both",
        ),
        field("peers", Holds::Objects(&PEER_RULE), "Peers"),
        field("capabilities", Holds::List(&Holds::Capability), "Capabilities"),
        field("facilities", Holds::List(&Holds::Facility), "Facilities, also those that need no rule"),
    ],
};

pub(super) static SESSIONS: Object = Object {
    name: "Sessions",
    about: "What sessions may do beyond the container itself",
    fields: &[
        field("exec", Holds::List(&Holds::Glob), "Globs of programs"),
        field("files", Holds::Objects(&FILE_RULE), "Files"),
        CAPABILITIES,
        FACILITIES,
    ],
};
