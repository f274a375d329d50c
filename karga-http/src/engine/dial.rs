//! Opening a connection: name, TCP, TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use crate::{BuildError, fault::Fault, target::Origin};

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
        let mut last = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(Fault::connect(&error, &address)),
            }
        }
        Err(last.unwrap_or_else(|| {
            let none = io::Error::other("it has no address");
            Fault::dns(&self.origin.host.to_string(), &none)
        }))
    }
}

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
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
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
