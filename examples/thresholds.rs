//! A load test that can fail a build: thresholds decide the exit status.
//!
//! ```sh
//! cargo run --release --example thresholds
//! cargo run --release --example thresholds -- --require 'p99(response_time) < 1ms'
//! ```
//!
//! It loads a little service of its own on a loopback port. The exit status is
//! 0 if every threshold held, 1 if one was missed, 2 if one cannot be read or
//! the load could not be run.

use std::{error::Error, process::ExitCode, time::Duration};

use clap::Parser;
use karga::prelude::*;

#[path = "support/options.rs"]
mod options;
#[path = "support/program.rs"]
mod program;
#[path = "support/service.rs"]
mod service;

const SERVICE_TIME: Duration = Duration::from_millis(2);
const SLOTS: usize = 32;

/// Loads a little service and judges what came of it.
#[derive(Debug, Parser)]
struct Options {
    /// A condition that must hold; may be given several times.
    #[arg(long, value_name = "CONDITION", default_values = [
        "p99(response_time) < 250ms",
        "failures < 1%",
        "achieved_rate > 95%",
    ])]
    require: Vec<String>,
    /// Arrivals per second.
    #[arg(long, default_value_t = 200.0, allow_negative_numbers = true)]
    rate: f64,
    /// How long the load lasts.
    #[arg(long, default_value_t = 4.0, allow_negative_numbers = true)]
    seconds: f64,
    /// Stop as soon as a condition is missed over a window of a second.
    #[arg(long)]
    abort: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::exit_code(run(Options::parse()).await)
}

async fn run(given: Options) -> Result<bool, Box<dyn Error>> {
    let thresholds = Thresholds::parse(&given.require)?
        .window(Duration::from_secs(1))
        .abort_on_breach(given.abort);
    let seconds = options::seconds("--seconds", given.seconds)?;
    let rate = options::rate(given.rate)?;
    let addr = service::start(SERVICE_TIME, SLOTS).await?;

    let run = LoadTest::builder()
        .scenario(service::Ask { addr })
        .executor(StageExecutor::constant(rate, seconds).build())
        .thresholds(thresholds)
        .build()
        .run()
        .await?;

    let summary = Summary::derive(&run);
    StdoutReporter::default().report(&summary).await?;
    Ok(summary.passed())
}
