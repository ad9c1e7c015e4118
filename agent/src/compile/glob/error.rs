//! What can be wrong with a glob, and what to write instead.

/// What is wrong with a glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It is empty.
    #[error("the path is empty")]
    Empty,
    /// A path does not start at the root.
    #[error("`{0}` is not an absolute path: it has to start with `/`")]
    NotAbsolute(String),
    /// `**` beside other text.
    #[error("`**` in `{0}` is glued to other text: it stands only as a whole component, as in `/a/**/b`")]
    Glued(String),
    /// `[` without `]`.
    #[error("`[` is not closed: the `]` is missing (a literal bracket is written `\\[`)")]
    ClassOpen,
    /// `[]` or `[!]`.
    #[error("the class `{0}` is empty (a literal `]` in a class is written `\\]`)")]
    ClassEmpty(String),
    /// `/` in a class.
    #[error("a class never matches `/`: take it out, or close the class before it with `]`")]
    ClassSlash,
    /// Several bytes in a class.
    #[error("`{0}` is more than one byte, and a class stands for one: write {{{0},…}} instead")]
    ClassWide(char),
    /// `[[:alpha:]]`.
    #[error("named classes such as `[:alpha:]` are not supported: write the range, as in `[A-Za-z]`")]
    ClassNamed,
    /// `[z-a]`.
    #[error("the range `{0}` in a class is reversed")]
    ClassRange(String),
    /// `{` without `}`.
    #[error("`{{` is not closed: the `}}` is missing (a literal brace is written `\\{{`)")]
    BraceOpen,
    /// `}` without `{`.
    #[error("`}}` closes nothing (a literal brace is written `\\}}`)")]
    BraceClose,
    /// Braces nested without end, or too many combinations.
    #[error("the braces stand for more than {} alternatives: split the rule", super::WAYS_MAX)]
    TooManyWays,
    /// `\` at the end.
    #[error("`\\` at the end escapes nothing (a literal backslash is written `\\\\`)")]
    EscapeEnd,
    /// `\x` without two digits.
    #[error("`\\x` needs two hexadecimal digits, as in `\\x7f`")]
    EscapeHex,
    /// A zero byte.
    #[error("a path cannot hold a zero byte")]
    Zero,
    /// A component that no canonical path has.
    #[error("`{path}` has {what}, which no canonical path has, so it would never match: {remedy}")]
    NotCanonical {
        /// The path, with one choice made for each brace.
        path: String,
        /// The odd component.
        what: &'static str,
        /// What to write instead.
        remedy: String,
    },
}
