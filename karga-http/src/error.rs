//! Why a scenario cannot be built, or its load cannot begin.

use std::error::Error;

/// Why a scenario cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A URL that cannot be loaded.
    #[error("the URL {url:?} cannot be loaded: {why}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it, and the way out.
        why: String,
    },
    /// A method that is no token.
    #[error("{method:?} is no HTTP method: use letters, such as GET")]
    Method {
        /// The method as it was given.
        method: String,
    },
    /// A header that cannot be sent.
    #[error("the header {name:?} with the value {value:?} cannot be sent: {why}")]
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// Why not, and the way out.
        why: String,
    },
    /// A template that cannot be filled in.
    #[error("{what} has a template that cannot be filled in, {template:?}: {why}")]
    Template {
        /// Where it stands.
        what: String,
        /// The template.
        template: String,
        /// Why not, and the way out.
        why: String,
    },
    /// A variable or capture whose name cannot be used.
    #[error("{name:?} cannot be the name of a value: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A regular expression that cannot be read.
    #[error("the regular expression {pattern:?} cannot be read")]
    Regex {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// A JSON pointer that is none.
    #[error(
        "{pointer:?} is no JSON pointer: it begins with a slash, as in \"/user/id\", or is empty \
         for the whole"
    )]
    Pointer {
        /// The pointer.
        pointer: String,
    },
    /// A body that cannot be written as JSON.
    #[error("the body cannot be written as JSON")]
    Json {
        /// Why not.
        source: serde_json::Error,
    },
    /// A setting outside of its range.
    #[error("{setting} must be {range}, and is {value}")]
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it was.
        value: String,
    },
    /// Something that the chosen engine cannot do.
    #[error(
        "the {engine} engine cannot do {what}: choose Engine::Auto or Engine::Reqwest, or leave it out"
    )]
    Engine {
        /// The engine that was chosen.
        engine: &'static str,
        /// What it cannot do.
        what: &'static str,
    },
    /// Certificates that cannot be used, or a key.
    #[error("the {what} cannot be used: give them in PEM form")]
    Certificates {
        /// Which: "root certificates", "client's certificate and its key".
        what: &'static str,
        /// What is wrong with them.
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls {
        /// Why not.
        source: rustls::Error,
    },
    /// A proxy that cannot be used.
    #[error("the proxy {url:?} cannot be used: {why}")]
    Proxy {
        /// Its URL.
        url: String,
        /// Why not, and the way out.
        why: String,
    },
}

/// Why the load of a scenario cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A server cannot be reached.
    #[error(
        "{class}: {origin} cannot be loaded: {why} \
         (to offer load all the same, switch the look at it off: preflight(false))"
    )]
    Unreachable {
        /// What the failure counts as during a run: "connect refused", "dns",
        /// "tls", "timeout".
        class: String,
        /// The server, as "http://host:port".
        origin: String,
        /// What happened.
        why: String,
    },
    /// A client of the reqwest engine cannot be made.
    #[error("the reqwest engine cannot make a client")]
    Client {
        /// Why not.
        source: reqwest::Error,
    },
}
