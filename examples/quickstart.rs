//! The first load test: a closure with your own HTTP client, a staged
//! schedule, and a report that can be judged.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```
//!
//! It loads a little server of its own on a loopback port.

use std::{error::Error, net::SocketAddr, time::Duration};

use karga::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const RATE: f64 = 100.0; // requests per second at the plateau

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = format!("http://{}/", serve().await?);
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

/// Answers every request on a loopback port with "hello".
async fn serve() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                // A GET has no body: each blank line is the end of a request.
                while socket.read_buf(&mut request).await.is_ok_and(|n| n > 0) {
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                        if socket.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(addr)
}
