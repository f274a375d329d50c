//! A little service on a loopback port, to have something to load, and the
//! scenario that asks it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use karga::prelude::*;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    sync::{Mutex, Semaphore},
    time::sleep,
};

/// Starts a service that answers every line with "ok". Each answer takes
/// `service_time`, and no more than `slots` are worked on at once: so it can do
/// `slots / service_time` per second.
pub(crate) async fn start(service_time: Duration, slots: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let slots = Arc::new(Semaphore::new(slots));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let slots = Arc::clone(&slots);
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                // A client that goes away is no news.
                let _ = answer(BufStream::new(stream), &slots, service_time).await;
            });
        }
    });
    Ok(addr)
}

async fn answer(
    mut stream: BufStream<TcpStream>,
    slots: &Semaphore,
    service_time: Duration,
) -> io::Result<()> {
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        line.clear();
        {
            let _slot = slots.acquire().await.map_err(io::Error::other)?;
            sleep(service_time).await;
        }
        stream.write_all(b"ok\n").await?;
        stream.flush().await?;
    }
    Ok(())
}

/// One connection to the service.
pub(crate) struct Client {
    // A user has one iteration at a time, so nobody ever waits for this.
    stream: Mutex<BufStream<TcpStream>>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: Mutex::new(BufStream::new(stream)),
        })
    }

    /// Sends a line and waits for the answer.
    pub(crate) async fn ask(&self, line: &str) -> io::Result<()> {
        let mut stream = self.stream.lock().await;
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        stream.flush().await?;
        let mut answer = String::new();
        match stream.read_line(&mut answer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Action for Client {
    type Metric = io::Result<()>;

    async fn call(&self, iteration: Iteration) -> Self::Metric {
        self.ask(&iteration.index.to_string()).await
    }
}

/// Asks the service, each user over a connection of its own.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) addr: SocketAddr,
}

impl Scenario for Ask {
    type Action = Client;
    type Error = io::Error;

    fn name(&self) -> &str {
        "ask"
    }

    async fn connect(&self, _user: u64) -> io::Result<Client> {
        Client::connect(self.addr).await
    }
}
