//! A tokio socket and httparse: a ready-made request, and of the answer only what must be read.

use std::io;
use std::sync::Arc;

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Client, Error};

/// Room for an answer.
const ANSWER_BYTES: usize = 4096;

/// A connection of its own.
pub struct TokioClient {
    socket: TcpStream,
    request: Arc<[u8]>,
    answer: Box<[u8; ANSWER_BYTES]>,
}

impl TokioClient {
    /// Connects, with Nagle's algorithm off.
    pub async fn connect(authority: &str, path: &str) -> io::Result<Self> {
        let socket = TcpStream::connect(authority).await?;
        socket.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        Ok(Self {
            socket,
            request: Arc::from(request.into_bytes()),
            answer: Box::new([0; ANSWER_BYTES]),
        })
    }
}

impl Client for TokioClient {
    async fn get(&mut self) -> Result<u16, Error> {
        self.socket.write_all(&self.request).await?;
        let mut read = 0;
        loop {
            match self.socket.read(&mut self.answer[read..]).await? {
                0 => return Err("the connection ended, or the answer is too long".into()),
                n => read += n,
            }
            if let Some((status, length)) = head(&self.answer[..read])?
                && read >= length
            {
                return match read {
                    n if n == length => Ok(status),
                    _ => Err("more was answered than asked for".into()),
                };
            }
        }
    }
}

/// Status of the answer that `read` begins with and the length of its head and body, once its head
/// is there.
fn head(read: &[u8]) -> Result<Option<(u16, usize)>, Error> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(read)? else {
        return Ok(None);
    };
    let status = response.code.ok_or("an answer without a status")?;
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer without content-length")?;
    let body: usize = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some((status, head + body)))
}
