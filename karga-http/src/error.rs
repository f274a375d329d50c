//! Why a scenario cannot be built, or its load cannot begin.

use std::error::Error;

/// Why a scenario cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A URL that cannot be loaded.
    #[error("the URL {url:?} cannot be loaded: {why}")]
    #[non_exhaustive]
    Url {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it, and the way out.
        why: String,
    },
    /// A method that no request can have.
    #[error("the method {method:?} cannot be used: {why}")]
    #[non_exhaustive]
    Method {
        /// The method as it was given.
        method: String,
        /// Why not, and the way out.
        why: &'static str,
    },
    /// A header that cannot be sent.
    #[error("the header {name:?} with the value {value:?} cannot be sent: {why}")]
    #[non_exhaustive]
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
    #[non_exhaustive]
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
    #[non_exhaustive]
    Name {
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A regular expression that cannot be read.
    #[error("the regular expression {pattern:?} cannot be read")]
    #[non_exhaustive]
    Regex {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A JSON pointer that is none.
    #[error(
        "{pointer:?} is no JSON pointer: it begins with a slash, as in \"/user/id\", or is empty \
         for the whole"
    )]
    #[non_exhaustive]
    Pointer {
        /// The pointer.
        pointer: String,
    },
    /// A body that cannot be written as JSON.
    #[error("the body cannot be written as JSON")]
    #[non_exhaustive]
    Json {
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A setting outside of its range.
    #[error("{setting} must be {range}, and is {value}")]
    #[non_exhaustive]
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
    #[non_exhaustive]
    Engine {
        /// The engine that was chosen.
        engine: &'static str,
        /// What it cannot do.
        what: &'static str,
    },
    /// Certificates that cannot be used, or a key.
    #[error("the {what} cannot be used: give them in PEM form")]
    #[non_exhaustive]
    Certificates {
        /// Which: "root certificates", "client's certificate and its key".
        what: &'static str,
        /// What is wrong with them.
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    #[non_exhaustive]
    Tls {
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A proxy that cannot be used.
    #[error("the proxy {url:?} cannot be used: {why}")]
    #[non_exhaustive]
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
    #[error("{class}: {origin} cannot be reached: {why} ({})", way_out(class))]
    #[non_exhaustive]
    Unreachable {
        /// What the failure counts as during a run: "connect refused", "dns",
        /// "tls", "timeout".
        class: String,
        /// The server, as "http://host:port", or "the proxy http://host:port".
        origin: String,
        /// What happened.
        why: String,
    },
    /// A client of the reqwest engine cannot be made.
    #[error("the reqwest engine cannot make a client")]
    #[non_exhaustive]
    Client {
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
}

fn way_out(class: &str) -> &'static str {
    match class {
        "tls" => {
            "a server under test may be trusted by root_certificates_pem, or by \
             accept_invalid_certificates whoever it is"
        }
        _ => "to offer load all the same, begin without a preflight: preflight(false)",
    }
}
