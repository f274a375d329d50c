//! How much can it take? Searches the highest rate at which the thresholds
//! hold, and answers with an interval.
//!
//! ```sh
//! cargo run --release --example capacity
//! ```
//!
//! The service answers 8 at a time and takes some 4 ms for each, so that its
//! capacity lies below 2,000/s. The search takes about half a minute.

use std::{
    error::Error,
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use karga::prelude::*;

#[path = "support/service.rs"]
mod service;

const SERVICE_TIME: Duration = Duration::from_millis(4);
const SLOTS: usize = 8;
const PROBE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr = service::start(SERVICE_TIME, SLOTS).await?;

    let capacity = Capacity::builder()
        .start_rate(250.0)
        .max_rate(16_000.0)
        .precision(0.1)
        .repeats(3)
        .thresholds(Thresholds::parse([
            "p99(response_time) < 50ms",
            "achieved_rate > 95%",
        ])?)
        .build()?;
    let report = capacity.search(|rate| probe(addr, rate)).await?;

    print(&report.to_string())?;
    Ok(())
}

/// One probe: a constant rate for a while, with half a second to warm up.
async fn probe(addr: SocketAddr, rate: f64) -> Result<Run<HistogramAggregate>, BoxError> {
    let run = LoadTest::builder()
        .scenario(service::Ask { addr })
        .executor(
            StageExecutor::constant(rate, PROBE)
                .warm_up(Duration::from_millis(500))
                .workers(256)
                .graceful_stop(Duration::from_secs(1))
                .build(),
        )
        .build()
        .run()
        .await?;
    Ok(run)
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Prints to standard output. Whoever has closed it, as `head` does, has seen
/// enough.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
