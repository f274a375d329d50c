//! A little HTTP server on a loopback port, to have something to load.
//!
//! - `POST /login` takes `{"user": "..."}` and answers with a token.
//! - `GET /me` greets who shows a token, and answers 401 to others.
//! - Everything else is answered with 100 bytes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};

const PAGE: [u8; 100] = [b'.'; 100];
const MOST_HEADERS: usize = 32;
const LONGEST_REQUEST: usize = 64 * 1024;

/// Starts the server on a thread of its own, so that it takes no time of the
/// load's; it ends with the program.
pub(crate) fn start() -> io::Result<SocketAddr> {
    let (started, address) = mpsc::channel();
    thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(serve(started)),
                Err(error) => drop(started.send(Err(error))),
            }
        })?;
    address.recv().map_err(io::Error::other)?
}

async fn serve(started: mpsc::Sender<io::Result<SocketAddr>>) {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
        Ok(listener) => listener,
        Err(error) => return drop(started.send(Err(error))),
    };
    let _ = started.send(listener.local_addr());
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away is no news.
        tokio::spawn(async move { answer_all(stream).await.ok() });
    }
}

async fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut answers = Vec::new();
    while stream.read_buf(&mut buffer).await? > 0 {
        let mut at = 0;
        while let Some(request) = Request::parse(&buffer[at..])? {
            request.answer(&mut answers);
            at += request.len;
        }
        buffer.drain(..at);
        if buffer.len() > LONGEST_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.write_all(&answers).await?;
        answers.clear();
    }
    Ok(())
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    authorization: &'a [u8],
    body: &'a [u8],
    /// All of its bytes.
    len: usize,
}

impl<'a> Request<'a> {
    /// The first request of the bytes, if it is whole.
    fn parse(bytes: &'a [u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let head_len = match head.parse(bytes).map_err(io::Error::other)? {
            httparse::Status::Complete(len) => len,
            httparse::Status::Partial => return Ok(None),
        };
        let field = |name: &str| {
            let mut headers = head.headers.iter();
            let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or(&b""[..], |header| header.value)
        };
        let length = match str::from_utf8(field("content-length")) {
            Ok("") => 0,
            Ok(text) => text.parse().map_err(io::Error::other)?,
            Err(error) => return Err(io::Error::other(error)),
        };
        let len = head_len.saturating_add(length);
        let Some(body) = bytes.get(head_len..len) else {
            return Ok(None);
        };
        Ok(Some(Self {
            method: head.method.unwrap_or_default(),
            path: head.path.unwrap_or_default(),
            authorization: field("authorization"),
            body,
            len,
        }))
    }

    fn answer(&self, to: &mut Vec<u8>) {
        let path = self.path.split('?').next().unwrap_or_default();
        match (self.method, path) {
            ("POST", "/login") => match self.user() {
                Some(user) => {
                    let body = format!(r#"{{"token": "token-of-{user}"}}"#);
                    write(to, "200 OK", "application/json", body.as_bytes());
                }
                None => write(to, "400 Bad Request", "text/plain", b"who is it?\n"),
            },
            (_, "/me") => match self.authorization.strip_prefix(b"Bearer token-of-") {
                Some(user) => write(to, "200 OK", "text/plain", &[b"hello, ", user].concat()),
                None => write(to, "401 Unauthorized", "text/plain", b"log in first\n"),
            },
            _ => write(to, "200 OK", "text/plain", &PAGE),
        }
    }

    fn user(&self) -> Option<&str> {
        let text = str::from_utf8(self.body).ok()?;
        let (_, value) = text.split_once(r#""user":"#)?;
        value.split('"').nth(1)
    }
}

fn write(to: &mut Vec<u8>, status: &str, content_type: &str, body: &[u8]) {
    let len = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len}\r\n\r\n"
    );
    to.extend_from_slice(head.as_bytes());
    to.extend_from_slice(body);
}
