//! Several load tests on one t0: readers from the beginning, writers a second
//! later, stopped together when the readers miss their threshold.
//!
//! ```sh
//! cargo run --release --example suite
//! cargo run --release --example suite -- --slow   # a service that cannot keep up
//! ```
//!
//! The exit status is 0 if the suite passed and 1 if it did not.

use std::{error::Error, process::ExitCode, time::Duration};

use clap::Parser;
use karga::prelude::*;

#[path = "support/service.rs"]
mod service;

const READS: f64 = 400.0; // per second
const WRITES: f64 = 100.0;
const LASTS: Duration = Duration::from_secs(4);
const WRITERS_START: Duration = Duration::from_secs(1);

/// Loads a little service with readers and writers.
#[derive(Debug, Parser)]
struct Options {
    /// Let the service be too slow for both together.
    #[arg(long)]
    slow: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let slots = if options.slow { 2 } else { 64 }; // for 500/s at 2 ms it takes more than one
    let addr = service::start(
        Duration::from_millis(if options.slow { 5 } else { 2 }),
        slots,
    )
    .await?;

    let reads = LoadTest::builder()
        .name("reads")
        .scenario(service::Ask { addr })
        .executor(
            StageExecutor::constant(READS, LASTS)
                .warm_up(Duration::from_millis(500))
                .build(),
        )
        .thresholds(
            Thresholds::parse(["p95(response_time) < 100ms", "failures < 1%"])?
                .window(Duration::from_secs(1))
                .abort(),
        )
        .build();
    let writes = LoadTest::builder()
        .name("writes")
        .scenario(service::Ask { addr })
        .executor(StageExecutor::constant(WRITES, LASTS).build())
        .build();

    let summary = Suite::new("reads and writes")
        .with(reads)
        .with_offset(WRITERS_START, writes)
        .observer(Progress::new())
        .run()
        .await?;
    StdoutReporter::default().report(&summary).await?;
    Ok(if summary.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
