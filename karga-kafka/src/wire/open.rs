//! Opening a connection: resolve, connect to the first address that answers, agree on versions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::exclusive::Exclusive;
use super::link::{CallError, LinkError, Progress};
use super::message::RequestError;
use super::message::api_versions::{Answer, AskVersions};
use super::versions::{Api, Versions};
use crate::client::counters::LiveCounters;
use crate::config::{ClientConfig, Endpoint};
use crate::error_codes::ErrorCode;

/// Why a broker cannot be connected to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host's name has no address, as far as the system's resolver knows.
    #[error("the host {host:?} cannot be resolved: check its name")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver says.
        #[source]
        source: Arc<io::Error>,
    },
    /// No address of the host took the connection.
    #[error(
        "it does not take connections{}: check that a broker listens there",
        at(*.address, *.resolved)
    )]
    Tcp {
        /// The address tried last.
        address: SocketAddr,
        /// Whether the host was given by a name, so that this address is news.
        resolved: bool,
        /// Why that one failed.
        #[source]
        source: Arc<io::Error>,
    },
    /// This process, or its machine, may have no more open files, and a connection is one.
    #[error(
        "too many open files: raise their limit (ulimit -n), or use fewer workers or a shared pool \
         (connections=N)"
    )]
    TooManyFiles(#[source] Arc<io::Error>),
    /// The deadline passed.
    #[error("not connected within {after:?}, while {doing}: is it a Kafka broker, and reachable?")]
    Timeout {
        /// The connect deadline.
        after: Duration,
        /// What was going on.
        doing: &'static str,
    },
    /// What listens there did not answer the first request as a broker does.
    #[error("what listens there does not answer like a Kafka broker: check the port")]
    Handshake(#[source] LinkError),
    /// The broker refused to say what it speaks.
    #[error("the broker refuses to name its protocol versions with {code}")]
    Refused {
        /// Its reason.
        code: ErrorCode,
    },
    /// The first request could not be written down.
    #[error("the first request could not be written")]
    Request(#[source] Arc<RequestError>),
}

/// What every connection of a client needs.
#[derive(Debug)]
pub(crate) struct LinkContext {
    pub(crate) config: ClientConfig,
    pub(crate) counters: LiveCounters,
}

impl LinkContext {
    /// Opens a connection within the connect deadline. `again` says that it replaces another.
    pub(crate) async fn open(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        again: bool,
    ) -> Result<Exclusive, ConnectError> {
        let after = self.config.connect_timeout();
        let progress = Progress::within(after);
        let stream = connect(endpoint, &progress).await?;
        let mut connection = Exclusive::new(stream, endpoint.clone(), Arc::clone(self));
        let versions = timeout_at(progress.deadline(), negotiate(&mut connection, &progress));
        let versions = versions.await.unwrap_or(Err(ConnectError::Timeout {
            after,
            doing: "waiting for its protocol versions",
        }))?;
        connection.set_versions(versions);
        self.counters.connects.add(1);
        if again {
            self.counters.reconnects.add(1);
        }
        Ok(connection)
    }
}

async fn connect(endpoint: &Endpoint, progress: &Progress) -> Result<TcpStream, ConnectError> {
    let after = progress.limit();
    let resolve = lookup_host((endpoint.host(), endpoint.port()));
    let addresses = match timeout_at(progress.deadline(), resolve).await {
        Ok(Ok(addresses)) => addresses.collect::<Vec<_>>(),
        Ok(Err(error)) => return Err(unresolved(endpoint, error)),
        Err(_) => {
            return Err(ConnectError::Timeout {
                after,
                doing: "resolving its name",
            });
        }
    };
    let mut failure = unresolved(endpoint, io::Error::other("it has no address"));
    let mut left = addresses.len();
    for address in addresses {
        // A share of the time that is left, so that one silent address does not take it all.
        let share = progress
            .deadline()
            .saturating_duration_since(Instant::now())
            / left as u32;
        left -= 1;
        let attempt = timeout(share, TcpStream::connect(address)).await;
        failure = match attempt {
            Ok(Ok(stream)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok(stream),
                Err(error) => tcp(endpoint, address, error),
            },
            Ok(Err(error)) => tcp(endpoint, address, error),
            Err(_) => ConnectError::Timeout {
                after,
                doing: "waiting for it to take the connection",
            },
        };
    }
    Err(failure)
}

fn unresolved(endpoint: &Endpoint, error: io::Error) -> ConnectError {
    if is_too_many_files(&error) {
        return ConnectError::TooManyFiles(Arc::new(error));
    }
    ConnectError::Resolve {
        host: endpoint.host().to_owned(),
        source: Arc::new(error),
    }
}

fn tcp(endpoint: &Endpoint, address: SocketAddr, error: io::Error) -> ConnectError {
    if is_too_many_files(&error) {
        return ConnectError::TooManyFiles(Arc::new(error));
    }
    ConnectError::Tcp {
        address,
        resolved: endpoint.host().parse::<IpAddr>().is_err(),
        source: Arc::new(error),
    }
}

/// The address, where the endpoint does not say it already.
fn at(address: SocketAddr, resolved: bool) -> String {
    if resolved {
        format!(" at {address}")
    } else {
        String::new()
    }
}

/// Whether the limit of the process (EMFILE) or of the machine (ENFILE) is reached. Their numbers
/// are the same on every Unix; Windows has WSAEMFILE.
fn is_too_many_files(error: &io::Error) -> bool {
    let codes: &[i32] = if cfg!(windows) { &[10024] } else { &[24, 23] };
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Asks in the newest version, and once more in the broker's own if it refuses that.
async fn negotiate(
    connection: &mut Exclusive,
    progress: &Progress,
) -> Result<Versions, ConnectError> {
    let newest = Api::ApiVersions.ours().max;
    let mut answer = ask(connection, newest, progress).await?;
    if answer.error == Some(ErrorCode::UNSUPPORTED_VERSION) {
        answer = ask(connection, answer.downgrade(), progress).await?;
    }
    match answer.error {
        None => Ok(Versions::from_answer(answer.apis)),
        Some(code) => Err(ConnectError::Refused { code }),
    }
}

async fn ask(
    connection: &mut Exclusive,
    version: i16,
    progress: &Progress,
) -> Result<Answer, ConnectError> {
    match connection
        .call(&mut AskVersions { version }, progress)
        .await
    {
        Ok(answered) => Ok(answered.answer),
        Err(CallError::Link { error, .. }) => Err(ConnectError::Handshake(error)),
        Err(CallError::Request(error)) => Err(ConnectError::Request(Arc::new(error))),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn too_many_open_files_are_not_blamed_on_the_broker() {
        let endpoint: Endpoint = "127.0.0.1:1".parse().unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let code = if cfg!(windows) { 10024 } else { 24 };
        let full = || io::Error::from_raw_os_error(code);
        for error in [
            tcp(&endpoint, address, full()),
            unresolved(&endpoint, full()),
        ] {
            let text = error.to_string();
            assert!(text.contains("ulimit -n"), "{text}");
            assert!(text.contains("connections=N"), "{text}");
            assert!(error.source().is_some());
        }
    }

    #[test]
    fn an_address_is_named_where_the_endpoint_does_not_name_it() {
        let address = "127.0.0.1:1".parse().unwrap();
        for (endpoint, named) in [("127.0.0.1:1", false), ("localhost:1", true)] {
            let endpoint = endpoint.parse().unwrap();
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            let text = tcp(&endpoint, address, refused).to_string();
            assert_eq!(text.contains("127.0.0.1:1"), named, "{text}");
        }
    }
}
