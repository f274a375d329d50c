//! An executor of one's own: it finds how many users a service bears.
//!
//! ```sh
//! cargo run --release -p custom_executor
//! ```
//!
//! karga's executors offer a load that is known beforehand. This one asks the
//! other way round: how many users can there be before a call takes longer than
//! the target? It is a crate of its own that depends on `karga-core` alone, and
//! its test is the conformance kit (`adaptive.rs`, at the bottom).
//!
//! The service under test stands on a loopback port. It has eight places and
//! takes 5 ms, rounded up to the next by its timer, so it can do 8 / 6 ms =
//! some 1,300 requests a second; who comes ninth waits.

mod adaptive;
mod caught;

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use adaptive::AdaptiveExecutor;
use karga_core::{
    Action, Aggregate, Executor, Iteration, Merge, Observer, Sample, Scenario, Snapshot, StopReason,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, Semaphore},
    time::sleep,
};

const PLACES: usize = 8;
const WORK: Duration = Duration::from_millis(5);
const TARGET: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = Service {
        addr: serve().await?,
    };
    let executor = AdaptiveExecutor {
        target: TARGET,
        users: 64,
        duration: Duration::from_secs(4),
        grace: Duration::from_secs(1),
        interval: Duration::from_millis(500),
    };
    print("     time  in flight   requests/s   mean service time\n")?;
    let run = executor
        .execute(&service, Times::default(), &mut Table)
        .await?;
    print(&format!(
        "{} requests, {:.0} a second, {:.1} ms each on average (target {} ms), at most {} in flight\n",
        run.account.completed,
        run.account.completed as f64 / run.elapsed.as_secs_f64(),
        run.aggregate.mean().as_secs_f64() * 1e3,
        TARGET.as_millis(),
        run.generator.peak_in_flight,
    ))?;
    for warning in &run.warnings {
        print(&format!("warning: {warning}\n"))?;
    }
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

/// How long calls took.
#[derive(Debug, Default)]
struct Times {
    calls: u32,
    sum: Duration,
}

impl Times {
    fn mean(&self) -> Duration {
        self.sum.checked_div(self.calls).unwrap_or_default()
    }
}

impl Merge for Times {
    fn fork(&self) -> Self {
        Self::default()
    }
    fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.sum += other.sum;
    }
}

impl<M> Aggregate<M> for Times {
    fn record(&mut self, sample: &Sample<M>) {
        self.calls += 1;
        self.sum += sample.service_time();
    }
}

/// Prints a line for each interval.
struct Table;

impl Observer<Times> for Table {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, Times>) -> ControlFlow<StopReason> {
        let seconds = snapshot.interval_length.as_secs_f64();
        if seconds > 0.1 {
            let line = format!(
                "{:>7.1} s {:>10} {:>12.0} {:>16.1} ms\n",
                snapshot.elapsed.as_secs_f64(),
                snapshot.in_flight,
                f64::from(snapshot.interval.calls) / seconds,
                snapshot.interval.mean().as_secs_f64() * 1e3,
            );
            if let Err(error) = print(&line) {
                return ControlFlow::Break(StopReason::Observer(error.to_string()));
            }
        }
        ControlFlow::Continue(())
    }
}

/// One connection for each user, one byte there and one back for each call.
struct Service {
    addr: SocketAddr,
}

struct User(Mutex<TcpStream>);

impl Scenario for Service {
    type Action = User;
    type Error = io::Error;

    fn name(&self) -> &str {
        "service"
    }

    async fn connect(&self, _: u64) -> io::Result<User> {
        let socket = TcpStream::connect(self.addr).await?;
        socket.set_nodelay(true)?;
        Ok(User(Mutex::new(socket)))
    }
}

impl Action for User {
    type Metric = io::Result<u8>;

    async fn call(&self, _: Iteration) -> io::Result<u8> {
        let mut socket = self.0.lock().await;
        socket.write_all(b"?").await?;
        socket.read_u8().await
    }
}

/// The service under test.
async fn serve() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let places = Arc::new(Semaphore::new(PLACES));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let places = Arc::clone(&places);
            tokio::spawn(async move {
                while socket.read_u8().await.is_ok() {
                    let place = places.acquire().await;
                    sleep(WORK).await;
                    drop(place);
                    if socket.write_all(b"!").await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(addr)
}
