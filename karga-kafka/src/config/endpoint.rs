//! A broker's host and port.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of a broker that is named without one.
pub const DEFAULT_PORT: u16 = 9092;

/// A broker's host and port.
///
/// Read from `host`, `host:port`, `[::1]` or `[::1]:port`; printed with its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// A host (a name, an IPv4 address, or an IPv6 address without brackets) and a port.
    ///
    /// # Errors
    /// An empty host, characters that no host has, or port 0.
    pub fn new(host: impl Into<String>, port: u16) -> Result<Self, EndpointError> {
        let host = host.into();
        if host.is_empty() {
            return Err(EndpointError::EmptyHost);
        }
        let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !host.chars().all(lawful) && host.parse::<Ipv6Addr>().is_err() {
            return Err(EndpointError::BadHost { host });
        }
        if port == 0 {
            return Err(EndpointError::BadPort { port: "0".into() });
        }
        Ok(Self { host, port })
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let bad_host = || EndpointError::BadHost {
            host: text.to_owned(),
        };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            match rest {
                "" => (host, None),
                _ => (host, Some(rest.strip_prefix(':').ok_or_else(bad_host)?)),
            }
        } else {
            match text.split_once(':') {
                Some((_, port)) if port.contains(':') => return Err(bad_host()),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port.parse().map_err(|_| EndpointError::BadPort {
                port: port.to_owned(),
            })?,
        };
        Self::new(host, port)
    }
}

/// Why a text names no broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Nothing where the host should be.
    #[error("a host is empty: write host or host:port")]
    EmptyHost,
    /// A host with characters that no host has.
    #[error(
        "host {host:?} is neither a name nor an address: \
         write host:port, and an IPv6 address in brackets as [::1]:port"
    )]
    BadHost {
        /// What was written.
        host: String,
    },
    /// A port that is no number from 1 to 65535.
    #[error("port {port:?} is not a number from 1 to 65535")]
    BadPort {
        /// What was written.
        port: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_printed() {
        for (text, host, port) in [
            ("kafka", "kafka", 9092),
            ("kafka-1.example:19092", "kafka-1.example", 19092),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]", "::1", 9092),
            ("[fe80::2]:9093", "fe80::2", 9093),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, part) in [
            ("", "host is empty"),
            (":9092", "host is empty"),
            ("::1", "in brackets"),
            ("[::1", "in brackets"),
            ("[kafka]:1", "in brackets"),
            ("[::1]9092", "in brackets"),
            ("user@kafka", "\"user@kafka\""),
            ("kafka:", "port \"\""),
            ("kafka:0", "port \"0\""),
            ("kafka:65536", "port \"65536\""),
            ("kafka:-1", "port \"-1\""),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
