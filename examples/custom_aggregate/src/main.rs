//! An aggregate of one's own, and a report of it: the Apdex of each operation.
//!
//! ```sh
//! cargo run --release -p custom_aggregate
//! ```
//!
//! It is a crate of its own that depends on `karga-core` alone, and its test is
//! the conformance kit (`apdex.rs`, at the bottom). With the whole of karga it
//! is used as
//! `LoadTest::builder().aggregate(Apdex::new(target))`; here a loop of a few
//! lines stands in for an executor.
//!
//! The service under test stands on a loopback port. "search" takes 2 ms,
//! "basket" 15 ms, and every tenth "checkout" 60 ms.

mod apdex;

use std::{
    borrow::Cow,
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use apdex::{Apdex, ApdexReport};
use karga_core::{Account, Aggregate, Iteration, Metric, Outcome, Report, Run, Sample};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, sleep_until},
};

const TARGET: Duration = Duration::from_millis(10);
const REQUESTS: u64 = 300;
const EVERY: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut socket = TcpStream::connect(serve().await?).await?;
    socket.set_nodelay(true)?;
    let mut apdex = Apdex::new(TARGET);
    let t0 = Instant::now();
    for index in 0..REQUESTS {
        let iteration = Iteration::new(index, 0, EVERY * index as u32);
        sleep_until(t0 + iteration.due).await;
        let start = t0.elapsed();
        let answer = Answer::ask(&mut socket, index).await;
        apdex.record(&Sample::new(iteration, start, t0.elapsed(), answer));
    }
    let account = Account::new(REQUESTS, REQUESTS, 0, 0);
    let run = Run::new("shop", apdex, account, t0.elapsed());
    print(&ApdexReport::derive(&run).to_string())?;
    Ok(())
}

/// Prints to standard output. Whoever has closed it, as `head` does, has seen
/// enough.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What a request measured.
struct Answer {
    operation: &'static str,
    result: io::Result<u8>,
}

impl Answer {
    async fn ask(socket: &mut TcpStream, index: u64) -> Self {
        let (operation, request) = match index % 10 {
            0..=5 => ("search", b's'),
            6..=8 => ("basket", b'b'),
            _ if index % 100 == 99 => ("checkout", b'C'),
            _ => ("checkout", b'c'),
        };
        let result = async {
            socket.write_all(&[request]).await?;
            socket.read_u8().await
        };
        let result = result.await;
        Self { operation, result }
    }
}

impl Metric for Answer {
    fn outcome(&self) -> Outcome {
        self.result.outcome()
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.result.error_class()
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(self.operation))
    }
}

/// The service under test.
async fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(request) = socket.read_u8().await {
                    sleep(Duration::from_millis(match request {
                        b's' | b'c' => 2,
                        b'b' => 15,
                        _ => 60,
                    }))
                    .await;
                    if socket.write_all(b"!").await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(addr)
}
