//! The rule sets that come with the program.

/// Name and text of each, in the order of their names.
const SETS: [(&str, &str); 10] = [
    ("base", include_str!("../../../profiles/include/base.yaml")),
    ("dns-client", include_str!("../../../profiles/include/dns-client.yaml")),
    ("jvm", include_str!("../../../profiles/include/jvm.yaml")),
    ("nginx", include_str!("../../../profiles/include/nginx.yaml")),
    ("node", include_str!("../../../profiles/include/node.yaml")),
    ("postgres", include_str!("../../../profiles/include/postgres.yaml")),
    ("python", include_str!("../../../profiles/include/python.yaml")),
    ("redis", include_str!("../../../profiles/include/redis.yaml")),
    ("shell", include_str!("../../../profiles/include/shell.yaml")),
    ("tls-client", include_str!("../../../profiles/include/tls-client.yaml")),
];

/// The text of the rule set `name`.
pub(super) fn text(name: &str) -> Option<&'static str> {
    SETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the rule sets.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETS.iter().map(|(name, _)| *name)
}
