//! What carries requests: two engines behind one seam.

pub(crate) mod alarm;
pub(crate) mod dial;
pub(crate) mod lean;
pub(crate) mod reqwest;

use std::{fmt, str::FromStr, time::Duration};

use crate::{answer::Answer, fault::Fault};

/// What carries the requests of a scenario.
///
/// | | lean | reqwest |
/// |---|---|---|
/// | HTTP | 1.1 | 1.1 and 2 |
/// | TLS | yes | yes |
/// | cookies, redirects, proxies | no | yes |
/// | connections | one for each user and server | those of a client for each user |
/// | CPU per request | about wrk's, of small answers without TLS | that of reqwest |
///
/// The deadlines of the lean engine's requests are kept by a thread of the process's own,
/// which is started with the first of them and sleeps until one passes. A test that pauses
/// tokio's clock does so before that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Lean, unless the scenario asks for something that only reqwest can do.
    #[default]
    Auto,
    /// HTTP/1.1 with nothing in between.
    Lean,
    /// A client of the crate reqwest for each user.
    Reqwest,
}

impl Engine {
    const NAMES: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("lean", Self::Lean),
        ("reqwest", Self::Reqwest),
    ];

    /// As it is written: "auto", "lean", "reqwest".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Lean => "lean",
            Self::Reqwest => "reqwest",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no [`Engine`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no engine: choose auto, lean or reqwest")]
pub struct UnknownEngine(String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, engine)| *engine)
            .ok_or_else(|| UnknownEngine(text.to_owned()))
    }
}

/// What came of one request. It is moved several times, so it is small.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Bytes of the request and of its answer.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) status: Option<u16>,
    pub(crate) result: Result<Answer, Fault>,
    /// What else happened; most often nothing did.
    pub(crate) events: Option<Box<Events>>,
}

/// What happened during a request, beside that it was sent and answered.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// How long each connection took that was opened for it.
    pub(crate) connects: Vec<Duration>,
    /// How many of them took the place of another.
    pub(crate) reconnects: u64,
    /// How long ago the answer before had kept a connection that was gone, where neither
    /// that should be nor the engine can tell why.
    pub(crate) lost: Option<Duration>,
    /// Connections that were given up because of bytes that nobody asked for.
    pub(crate) unsolicited: u64,
    /// How the last of them began.
    pub(crate) said: Option<String>,
    /// The statuses of answers that led elsewhere.
    pub(crate) redirects: Vec<u16>,
}

impl Exchange {
    /// One that nothing has come of yet.
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            received: 0,
            status: None,
            result: Ok(Answer::default()),
            events: None,
        }
    }

    pub(crate) fn events(&mut self) -> &mut Events {
        self.events.get_or_insert_default()
    }
}
