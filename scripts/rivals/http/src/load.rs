//! What every contender is told, and what it has to tell.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rustix::time::{ClockId, clock_gettime};

/// The load.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// What is asked for, by GET; plain HTTP
    #[arg(long)]
    pub(crate) url: String,
    /// Users, each with one request in flight
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: u32,
    /// How long, in whole seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Requests per second, instead of as many as there can be
    #[arg(long)]
    pub(crate) rate: Option<u32>,
}

impl Load {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Requests that were answered with 200.
    pub(crate) requests: u64,
    /// All others.
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    /// Median and 99th percentile in seconds, as the contender tells them.
    pub(crate) percentiles: Option<(f64, f64)>,
}

/// Prints it as one line of JSON, with user and system time of this process so far.
pub(crate) fn print(done: &Done) -> Result<()> {
    let cpu: Duration = clock_gettime(ClockId::ProcessCPUTime).try_into()?;
    let (p50, p99) = match done.percentiles {
        Some((p50, p99)) => (p50.to_string(), p99.to_string()),
        None => ("null".into(), "null".into()),
    };
    println!(
        r#"{{"requests":{},"failed":{},"seconds":{:.6},"cpu_seconds":{:.6},"p50":{p50},"p99":{p99}}}"#,
        done.requests,
        done.failed,
        done.seconds,
        cpu.as_secs_f64(),
    );
    Ok(())
}
