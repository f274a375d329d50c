//! Opening a connection: name, TCP, TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use crate::{BuildError, fault::Fault, target::Origin, tls::with_own_sessions};

/// What an address has before the next one is tried beside it (RFC 8305, 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) origin: Origin,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    pub(crate) fn new(origin: Origin, tls: &Arc<ClientConfig>) -> Result<Self, BuildError> {
        if !origin.tls {
            return Ok(Self { origin, tls: None });
        }
        let name = match &origin.host {
            Host::Domain(name) => {
                ServerName::try_from(name.clone()).map_err(|error| BuildError::Url {
                    url: origin.to_string(),
                    why: format!("TLS takes no such host: {error}"),
                })?
            }
            Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::V4(*ip).into()),
            Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::V6(*ip).into()),
        };
        let connector = TlsConnector::from(Arc::clone(tls));
        Ok(Self {
            origin,
            tls: Some((connector, name)),
        })
    }

    /// The same for one user, who resumes no TLS session of another's.
    pub(crate) fn of_user(&self) -> Self {
        let mut own = self.clone();
        if let Some((connector, _)) = &mut own.tls {
            let config = with_own_sessions(connector.config());
            *connector = TlsConnector::from(Arc::new(config));
        }
        own
    }

    /// Opens a connection. The caller sees to the deadline.
    pub(crate) async fn dial(&self) -> Result<Stream, Fault> {
        let tcp = self.connect().await?;
        // One write is one request: there is nothing to wait for.
        tcp.set_nodelay(true)
            .map_err(|error| Fault::connect(&error, &self.origin))?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => {
                let connected = connector.connect(name.clone(), tcp).await;
                match connected {
                    Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
                    Err(error) => Err(Fault::tls(&error, &self.origin)),
                }
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, Fault> {
        let port = self.origin.port;
        let addresses: Vec<SocketAddr> = match &self.origin.host {
            Host::Ipv4(ip) => vec![(*ip, port).into()],
            Host::Ipv6(ip) => vec![(*ip, port).into()],
            Host::Domain(name) => match lookup_host((name.as_str(), port)).await {
                Ok(addresses) => addresses.collect(),
                Err(error) => return Err(Fault::dns(name, &error)),
            },
        };
        race(&self.origin, addresses).await
    }
}

/// Connects to the first address that answers. Each is given a head start; one that
/// is dead must not use up the time of the others (RFC 8305, 5).
async fn race(origin: &Origin, addresses: Vec<SocketAddr>) -> Result<TcpStream, Fault> {
    let mut waiting = addresses.into_iter();
    let mut last = None;
    let Some(first) = waiting.next() else {
        let none = io::Error::other("it has no address");
        return Err(Fault::dns(&origin.host.to_string(), &none));
    };
    if waiting.len() == 0 {
        let connected = TcpStream::connect(first).await;
        return connected.map_err(|error| Fault::connect(&error, &first));
    }
    let mut racing = JoinSet::new();
    let mut next = Some(first);
    loop {
        if let Some(address) = next.take().or_else(|| waiting.next()) {
            racing.spawn(async move {
                let connected = TcpStream::connect(address).await;
                connected.map_err(|error| Fault::connect(&error, &address))
            });
        }
        let joined = if waiting.len() == 0 {
            racing.join_next().await
        } else {
            match timeout(HEAD_START, racing.join_next()).await {
                Ok(joined) => joined,
                Err(_) => continue,
            }
        };
        match joined {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(fault))) => last = Some(fault),
            // The runtime goes down.
            Some(Err(_)) => {}
            None if waiting.len() == 0 => break,
            None => {}
        }
    }
    Err(last.unwrap_or_else(|| {
        let gone = io::Error::other("the runtime went down");
        Fault::connect(&gone, origin)
    }))
}

/// The most that one record of TLS holds (RFC 8446, 5.1).
const RECORD: usize = 16 * 1024;

/// A connection, with or without TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Reads what is there, if anything is; nobody is woken when something comes.
    #[inline]
    pub(crate) fn poll_read_now(
        &mut self,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            // Costs neither a system call nor a waker, unless something came.
            Self::Plain(stream) => match stream.try_read(space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                read => Poll::Ready(read),
            },
            Self::Tls(stream) => {
                let mut space = ReadBuf::new(space);
                let read = Pin::new(stream).poll_read(cx, &mut space);
                read.map_ok(|()| space.filled().len())
            }
        }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            // A record at a time: of a write that fails, rustls does not tell how much
            // of it went out before. Of one record nobody can read a part.
            Self::Tls(stream) => {
                let record = &buf[..buf.len().min(RECORD)];
                Pin::new(stream).poll_write(cx, record)
            }
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())), // nothing is held back
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, time::Instant};

    use super::*;

    fn origin() -> Origin {
        Origin {
            tls: false,
            host: Host::Domain("several".to_owned()),
            port: 80,
            authority: "several".to_owned(),
        }
    }

    /// An address at which nobody accepts: its queue is full.
    async fn dead() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind((std::net::Ipv4Addr::LOCALHOST, 0).into())
            .unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = Vec::new();
        while let Ok(Ok(stream)) = timeout(HEAD_START, TcpStream::connect(address)).await {
            held.push(stream);
        }
        (listener, held, address)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_does_not_use_up_the_time_of_the_next() {
        let (_listener, _held, dead) = dead().await;
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let start = Instant::now();
        let stream = race(&origin(), vec![dead, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let took = start.elapsed();
        assert!(took >= HEAD_START && took < 2 * HEAD_START, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_refusal_is_told_if_all_refuse() {
        let start = Instant::now();
        let refusing = async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap() // closed with the listener
        };
        let addresses = vec![refusing().await, refusing().await, refusing().await];
        let last = addresses[2].to_string();
        let fault = race(&origin(), addresses).await.unwrap_err();
        assert_eq!(fault.class, "connect refused");
        assert!(fault.words.contains(&last), "{}", fault.words);
        assert!(start.elapsed() < HEAD_START);
        let fault = race(&origin(), Vec::new()).await.unwrap_err();
        assert_eq!(fault.class, "dns");
    }
}
