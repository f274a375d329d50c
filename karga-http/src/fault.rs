//! Why a request did not succeed: the class that it counts under, and words.

use std::{borrow::Cow, error::Error, io, io::ErrorKind, time::Duration};

use karga_core::{Outcome, error_chain};

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) class: Cow<'static, str>,
    pub(crate) outcome: Outcome,
    /// In full, for the first of each class.
    pub(crate) words: String,
}

impl Fault {
    /// Something that did not happen, or went wrong for certain.
    pub(crate) fn failure(class: impl Into<Cow<'static, str>>, words: impl Into<String>) -> Self {
        Self {
            class: class.into(),
            outcome: Outcome::Failure,
            words: words.into(),
        }
    }

    /// Something that may or may not have happened.
    pub(crate) fn unknown(class: impl Into<Cow<'static, str>>, words: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Unknown,
            ..Self::failure(class, words)
        }
    }

    /// The deadline passed; `phase` says during what.
    pub(crate) fn timeout(deadline: Duration, phase: &str) -> Self {
        Self::unknown(
            "timeout",
            format!("the deadline of {deadline:?} passed {phase}"),
        )
    }

    /// An answer that is not HTTP.
    pub(crate) fn protocol(words: impl Into<String>) -> Self {
        Self::failure("protocol", words)
    }

    /// The server speaks something else from here on.
    pub(crate) fn switched() -> Self {
        Self::protocol("the server switched protocols, which nobody asked for")
    }

    /// No connection, and so no request.
    pub(crate) fn connect(error: &io::Error, to: &dyn std::fmt::Display) -> Self {
        let class = match error.kind() {
            ErrorKind::ConnectionRefused => "connect refused",
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "connect reset",
            ErrorKind::TimedOut => "connect timeout",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "connect unreachable",
            ErrorKind::AddrNotAvailable => "connect: no free local port",
            _ if is_out_of_files(error) => "connect: too many open files",
            _ => "connect",
        };
        Self::failure(class, format!("cannot connect to {to}: {error}"))
    }

    /// No address for a name.
    pub(crate) fn dns(host: &str, error: &dyn Error) -> Self {
        let why = error_chain(error);
        Self::failure("dns", format!("cannot resolve {host:?}: {why}"))
    }

    /// No agreement on TLS, and so no request.
    pub(crate) fn tls(error: &(dyn Error + 'static), to: &dyn std::fmt::Display) -> Self {
        let why = error_chain(error);
        Self::of_tls(format!("the TLS handshake with {to} failed: {why}"))
    }

    /// The same in these words, and the way out where they do not tell it.
    pub(crate) fn of_tls(mut words: String) -> Self {
        // What `openssl req -x509` makes unless it is told otherwise.
        if words.contains("CaUsedAsEndEntity") {
            words.push_str(
                " (the server shows an authority's certificate as its own: give it one \
                 with basicConstraints=CA:FALSE)",
            );
        }
        Self::failure("tls", words)
    }

    /// The connection broke when the request was on the wire.
    pub(crate) fn broken(error: &io::Error, when: &str) -> Self {
        let class = match error.kind() {
            ErrorKind::ConnectionReset => "connection reset",
            _ => "connection closed",
        };
        Self::unknown(class, format!("the connection broke {when}: {error}"))
    }

    /// The server closed the connection when the request was on the wire.
    pub(crate) fn closed(when: &str) -> Self {
        let words = format!("the server closed the connection {when}");
        Self::unknown("connection closed", words)
    }
}

/// EMFILE and ENFILE have no kind of their own.
fn is_out_of_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}
