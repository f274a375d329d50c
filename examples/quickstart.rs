//! The first load test: a closure with your own HTTP client, a staged
//! schedule, and a report that can be judged.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```
//!
//! It loads a little server of its own on a loopback port.

use std::{error::Error, time::Duration};

use karga::prelude::*;

#[path = "support/http_server.rs"]
mod http_server;

const RATE: f64 = 100.0; // requests per second at the plateau

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = format!("http://{}/", http_server::start()?);
    let client = reqwest::Client::new();

    let run = LoadTest::builder()
        .name("HTTP scenario")
        .action(move |_iteration| {
            let (client, url) = (client.clone(), url.clone());
            async move { client.get(url).send().await }
        })
        .executor(
            StageExecutor::builder()
                .stages([
                    Stage::new(Duration::from_secs(1), RATE), // ramp from 0 to RATE
                    Stage::new(Duration::from_secs(3), RATE), // hold
                    Stage::new(Duration::from_secs(1), 0.0),  // ramp down
                ])
                .build(),
        )
        .build()
        .run()
        .await?;

    StdoutReporter::default()
        .report(&Summary::derive(&run))
        .await?;
    Ok(())
}
