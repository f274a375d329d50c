//! An embedded broker as a program of its own, for kcat, Kafka's tools, or anything else that
//! speaks Kafka:
//!
//! ```text
//! cargo run --release -p karga-kafka-testbed --example broker -- --port 9092
//! ```
//!
//! Prints one line when it is ready, ends at Ctrl-C, and keeps nothing.

use std::{error::Error, process::ExitCode};

use clap::Parser;
use karga_kafka_testbed::EmbeddedBroker;

/// A Kafka broker in memory.
#[derive(Parser)]
struct Arguments {
    /// Name or address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// TCP port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 9092)]
    port: u16,
    /// Partitions of topics whose creator does not say how many.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Bytes kept in each partition before the oldest batches are dropped.
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    retention_bytes: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut message = format!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                message.push_str(&format!(": {error}"));
                cause = error.source();
            }
            #[expect(
                clippy::print_stderr,
                reason = "a program tells its user why it failed"
            )]
            {
                eprintln!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let broker = EmbeddedBroker::builder()
        .host(arguments.host)
        .port(arguments.port)
        .partitions(arguments.partitions)
        .retention_bytes(arguments.retention_bytes)
        .start()
        .await?;
    #[expect(
        clippy::print_stdout,
        reason = "the line that tells users and scripts it is ready"
    )]
    {
        println!(
            "ready: kafka://{}/<topic>, Ctrl-C ends it",
            broker.bootstrap()
        );
    }
    tokio::signal::ctrl_c().await?;
    drop(broker);
    Ok(())
}
