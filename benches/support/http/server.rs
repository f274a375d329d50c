//! What is asked: a thread that answers every GET with the same 100 bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const BODY_BYTES: usize = 100;

/// Starts it on a free loopback port, on a thread of its own that first runs `prepare`. It ends
/// with the process.
pub fn start(prepare: impl FnOnce() + Send + 'static) -> io::Result<SocketAddr> {
    let (started, address) = mpsc::channel();
    thread::Builder::new()
        .name("server".into())
        .spawn(move || {
            prepare();
            let served = Builder::new_current_thread()
                .enable_io()
                .build()
                .and_then(|runtime| runtime.block_on(serve(&started)));
            // Whoever waits for the address gets the reason.
            let _ = started.send(served.map(|never| match never {}));
        })?;
    address.recv().map_err(io::Error::other)?
}

enum Never {}

async fn serve(started: &mpsc::Sender<io::Result<SocketAddr>>) -> io::Result<Never> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let _ = started.send(listener.local_addr());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        // A client that goes away is no news.
        tokio::spawn(answer(socket));
    }
}

async fn answer(mut socket: TcpStream) -> io::Result<()> {
    let body = "x".repeat(BODY_BYTES);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}");
    let mut request = Vec::with_capacity(4096);
    while socket.read_buf(&mut request).await? > 0 {
        // One request at a time and no bodies: a blank line is the end of it.
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            socket.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}
