//! What can be done with an object: one bit each, in profiles, tables and events alike.

/// A set of accesses, one bit each.
pub type AccessSet = u32;

/// Open for reading, or list a directory.
pub const READ: AccessSet = 1 << 0;
/// Open for writing, or truncate. The compiler adds [`APPEND`] to each rule that grants it.
pub const WRITE: AccessSet = 1 << 1;
/// Open for writing with `O_APPEND`.
pub const APPEND: AccessSet = 1 << 2;
/// Make a new name.
pub const CREATE: AccessSet = 1 << 3;
/// Remove a name.
pub const DELETE: AccessSet = 1 << 4;
/// Give a name away.
pub const RENAME: AccessSet = 1 << 5;
/// Make the name as a hard link.
pub const LINK: AccessSet = 1 << 6;
/// Change mode, owner, extended attributes or times.
pub const ATTR: AccessSet = 1 << 7;
/// Map executable.
pub const MAP: AccessSet = 1 << 8;
/// Start as a program.
pub const EXEC: AccessSet = 1 << 9;
/// Connect to a peer.
pub const CONNECT: AccessSet = 1 << 10;
/// Take connections or messages on a local port.
pub const LISTEN: AccessSet = 1 << 11;
/// Start as a program although the file does not come from the image. Asked for along with [`EXEC`].
pub const DRIFT: AccessSet = 1 << 12;

/// What changes the object or its name.
pub const CHANGES: AccessSet = WRITE | APPEND | CREATE | DELETE | RENAME | LINK | ATTR;

/// Every access with the word that profiles, events and the command line use for it.
pub const WORDS: [(AccessSet, &str); 13] = [
    (READ, "read"),
    (WRITE, "write"),
    (APPEND, "append"),
    (CREATE, "create"),
    (DELETE, "delete"),
    (RENAME, "rename"),
    (LINK, "link"),
    (ATTR, "attr"),
    (MAP, "map"),
    (EXEC, "exec"),
    (CONNECT, "connect"),
    (LISTEN, "listen"),
    (DRIFT, "drift"),
];

/// The words of a set, in the order of [`WORDS`].
pub fn words(set: AccessSet) -> impl Iterator<Item = &'static str> {
    WORDS.iter().filter(move |(bit, _)| set & bit != 0).map(|(_, word)| *word)
}

/// The access that `word` names.
pub fn from_word(word: &str) -> Option<AccessSet> {
    WORDS.iter().find(|(_, known)| *known == word).map(|(bit, _)| *bit)
}
