use std::{fmt, str::FromStr};

/// Which HTTP to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1 with the lean engine. With reqwest, over TLS what the server
    /// prefers (ALPN), and HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, which takes the reqwest engine. Without TLS it is spoken
    /// from the first byte on (prior knowledge, RFC 9113, 3.3).
    Http2,
}

impl HttpVersion {
    /// The application protocols that TLS offers for it (RFC 7301).
    pub(crate) const fn protocols(self) -> &'static [&'static str] {
        match self {
            Self::Auto => &["h2", "http/1.1"],
            Self::Http1 => &["http/1.1"],
            Self::Http2 => &["h2"],
        }
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        })
    }
}

/// A text that names no [`HttpVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version of HTTP: choose auto, 1.1 or 2")]
pub struct UnknownVersion(String);

impl FromStr for HttpVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        match text {
            "auto" => Ok(Self::Auto),
            "1" | "1.1" => Ok(Self::Http1),
            "2" => Ok(Self::Http2),
            other => Err(UnknownVersion(other.to_owned())),
        }
    }
}
