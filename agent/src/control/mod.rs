//! The socket between the agent and the command line: one JSON request on a line, one JSON answer.

pub mod client;
pub mod server;

use serde::{Deserialize, Serialize};

use crate::identity::Names;
use crate::status::Status;

/// Where the agent listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/stockade/agent.sock";
/// Environment variable that says otherwise.
pub const SOCKET_ENV: &str = "STOCKADE_SOCKET";

/// Longest request. The largest part of one is a profile's text.
pub const REQUEST_MAX: u64 = 6 << 20;
/// Longest answer: the status of a full node.
pub const RESPONSE_MAX: u64 = 64 << 20;

/// What the command line asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The state of everything.
    Status,
    /// Where state is kept.
    Where,
    /// Makes a container a subject.
    Bind(Bind),
    /// Makes the asking process a subject, in a cgroup of its own.
    Run(Run),
}

/// A container that is about to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Name of the profile.
    pub profile: String,
    /// The container's first process.
    pub pid: u32,
    /// Whether its root directory is the host's.
    pub shares_host_root: bool,
    /// Its names.
    pub names: Names,
}

/// A command that is about to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The profile.
    pub profile: ProfileRef,
    /// Mode that replaces the profile's own.
    pub mode: Option<String>,
    /// The process that becomes the command.
    pub pid: u32,
    /// Name of the subject.
    pub name: Option<String>,
}

/// A profile, by name or by text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileRef {
    /// One of the profile directory.
    Name(String),
    /// One of a file that only the command line knows.
    File {
        /// The file's name, for messages.
        source: String,
        /// Its text.
        text: String,
    },
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "kebab-case")]
pub enum Response {
    /// The state of everything.
    Status(Box<Status>),
    /// Where state is kept.
    Where {
        /// State directory.
        state: String,
    },
    /// A subject was bound.
    Bound {
        /// Its id.
        subject: String,
        /// Name of its profile.
        profile: String,
        /// Generation of its policy.
        generation: u64,
        /// Mode it is judged under.
        mode: Option<String>,
    },
    /// It was not done, and nothing was changed.
    Refused {
        /// Why, complete.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_on_the_wire() {
        for (request, line) in [
            (Request::Status, r#"{"request":"status"}"#),
            (
                Request::Run(Run {
                    profile: ProfileRef::Name("web".to_owned()),
                    mode: None,
                    pid: 7,
                    name: None,
                }),
                r#"{"request":"run","profile":{"name":"web"},"mode":null,"pid":7,"name":null}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), line);
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        }
        assert!(serde_json::from_str::<Request>(r#"{"request":"stop"}"#).is_err());
    }
}
