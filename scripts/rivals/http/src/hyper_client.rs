//! hyper's client connection, without a pool.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Uri,
    client::conn::http1::{SendRequest, handshake},
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::bare::{Client, Error};

/// A connection of its own.
pub(crate) struct HyperClient {
    sender: SendRequest<Empty<Bytes>>,
    host: HeaderValue,
    uri: Uri,
}

impl HyperClient {
    /// Connects, with Nagle's algorithm off.
    pub(crate) async fn connect(authority: &str, path: &str) -> Result<Self> {
        let socket = TcpStream::connect(authority).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        // Its errors are the sender's as well.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: authority.parse()?,
            uri: path.parse()?,
        })
    }

    /// One GET and its whole answer; gives status and bytes of the body.
    pub(crate) async fn exchange(&mut self) -> Result<(u16, u64)> {
        let request = Request::get(self.uri.clone())
            .header(HOST, self.host.clone())
            .body(Empty::new())?;
        self.sender.ready().await?;
        let mut response = self.sender.send_request(request).await?;
        let mut bytes = 0;
        while let Some(frame) = response.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
        }
        Ok((response.status().as_u16(), bytes))
    }
}

impl Client for HyperClient {
    async fn get(&mut self) -> Result<u16, Error> {
        Ok(self.exchange().await?.0)
    }
}
