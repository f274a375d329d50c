//! A server that stalls once: the response times must say so.
//!
//! The clock is paused and everything shares one thread, so that time passes
//! only while nothing on the loopback socket is ready: the figures are exact
//! but for the resolution of the timer and of the histogram.

#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{net::SocketAddr, time::Duration};

use karga::{http::Engine, prelude::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    time::{Instant, sleep_until},
};

const RATE: f64 = 1000.0;
const LENGTH: Duration = Duration::from_secs(10);
const STALL_AT: Duration = Duration::from_secs(4);
const STALL_FOR: Duration = Duration::from_secs(2);

/// What a server reads as a request, and what it answers.
#[derive(Clone, Copy)]
enum Protocol {
    /// A byte for a byte.
    Ping,
    Http,
}

impl Protocol {
    /// Reads one request; whether there was one.
    async fn read(self, socket: &mut TcpStream) -> bool {
        match self {
            Self::Ping => socket.read_u8().await.is_ok(),
            Self::Http => {
                let mut request = Vec::new();
                // A GET has no body: a blank line is its end.
                while !request.ends_with(b"\r\n\r\n") {
                    match socket.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return false,
                    }
                }
                true
            }
        }
    }

    fn answer(self) -> &'static [u8] {
        match self {
            Self::Ping => b"!",
            Self::Http => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        }
    }
}

/// Answers each request, at once or when the stall is over.
async fn serve(protocol: Protocol) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let started = Instant::now();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while protocol.read(&mut socket).await {
                    let stall = started + STALL_AT..started + STALL_AT + STALL_FOR;
                    if stall.contains(&Instant::now()) {
                        sleep_until(stall.end).await;
                    }
                    if socket.write_all(protocol.answer()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

struct Ping {
    addr: SocketAddr,
}

struct PingUser {
    socket: Mutex<TcpStream>,
}

impl Scenario for Ping {
    type Action = PingUser;
    type Error = std::io::Error;

    fn name(&self) -> &str {
        "ping"
    }

    async fn connect(&self, _user: u64) -> Result<PingUser, std::io::Error> {
        let socket = TcpStream::connect(self.addr).await?;
        socket.set_nodelay(true)?;
        Ok(PingUser {
            socket: Mutex::new(socket),
        })
    }
}

impl Action for PingUser {
    type Metric = Result<(), std::io::Error>;

    async fn call(&self, _: Iteration) -> Self::Metric {
        let mut socket = self.socket.lock().await;
        socket.write_u8(1).await?;
        socket.read_u8().await?;
        Ok(())
    }
}

async fn run(workers: u64, overload: OverloadPolicy) -> Run<HistogramAggregate> {
    let addr = serve(Protocol::Ping).await;
    run_scenario(Ping { addr }, workers, overload).await
}

async fn run_scenario<S: Scenario>(
    scenario: S,
    workers: u64,
    overload: OverloadPolicy,
) -> Run<HistogramAggregate> {
    LoadTest::builder()
        .scenario(scenario)
        .executor(
            StageExecutor::builder()
                .start_rate(RATE)
                .stages([Stage::new(LENGTH, RATE)])
                .workers(workers)
                .overload(overload)
                .build(),
        )
        .build()
        .run()
        .await
        .unwrap()
}

fn close(actual: Duration, expected: f64) {
    within(actual.as_secs_f64(), expected, 0.03);
}

fn within(actual: f64, expected: f64, share: f64) {
    assert!(
        (actual - expected).abs() <= expected * share,
        "{actual} is not within {share} of {expected}"
    );
}

/// 10,000 arrivals, of which 2,000 fall into the stall and wait for what is
/// left of it: the slowest 1 % are its first 100 ms, so p99 is 1.9 s; the
/// slowest 10 % are its first half, so p90 is 1 s.
#[tokio::test(start_paused = true)]
async fn response_times_tell_the_whole_stall() {
    let run = run(64, OverloadPolicy::Queue).await;
    let summary = Summary::derive(&run);
    let ping = &summary.scenarios[0];
    assert_eq!(
        (ping.planned, ping.completed, ping.failed),
        (10_000, 10_000, 0)
    );
    close(ping.response_time.p99, 1.9);
    close(ping.response_time.p90, 1.0);
    close(ping.response_time.max, 2.0);
    // 64 workers met the stall; from the actual start, all others were served
    // at once.
    assert!(
        ping.service_time.p99 < Duration::from_millis(10),
        "{:?}",
        ping.service_time.p99
    );
    assert_eq!(ping.generator.verdict, Verdict::InFlightLimit);
}

/// With a worker for every arrival of the stall nothing ever waits for the
/// generator: the same response times, and a healthy verdict.
#[tokio::test(start_paused = true)]
async fn enough_workers_see_the_same_and_are_healthy() {
    let run = run(2_200, OverloadPolicy::Queue).await;
    let summary = Summary::derive(&run);
    let ping = &summary.scenarios[0];
    close(ping.response_time.p99, 1.9);
    close(ping.service_time.p99, 1.9);
    assert_eq!(
        ping.generator.verdict,
        Verdict::Healthy,
        "{:?}",
        ping.generator.reason
    );
}

/// Arrivals more than 100 ms late are dropped: of the 2,000 in the stall, those
/// of its last 100 ms are still served and 64 were in flight; the rest is gone,
/// and counted.
#[tokio::test(start_paused = true)]
async fn dropped_arrivals_are_counted_and_the_rest_is_true() {
    let max_lag = Duration::from_millis(100);
    let run = run(64, OverloadPolicy::Drop { max_lag }).await;
    let summary = Summary::derive(&run);
    let ping = &summary.scenarios[0];
    assert_eq!(ping.planned, 10_000);
    assert_eq!(ping.completed + ping.dropped, 10_000);
    within(ping.dropped as f64, 2_000.0 - 100.0 - 64.0, 0.03);
    // The 64 that met the stall waited for nearly all of it.
    close(ping.response_time.max, 2.0);
    assert!(
        ping.response_time.p99 < Duration::from_millis(110),
        "{:?}",
        ping.response_time.p99
    );
}

/// The same over HTTP, by each engine as it is: 32 connections meet the stall,
/// and there is nothing to switch on.
async fn http_tells_the_whole_stall(engine: Engine) {
    let url = format!("http://{}/", serve(Protocol::Http).await);
    let scenario = HttpScenario::builder(url).engine(engine).build().unwrap();
    let run = run_scenario(scenario, 32, OverloadPolicy::Queue).await;
    let summary = Summary::derive(&run);
    let http = &summary.scenarios[0];
    assert_eq!(
        (http.planned, http.succeeded, http.dropped),
        (10_000, 10_000, 0)
    );
    close(http.response_time.p90, 1.0);
    close(http.response_time.p99, 1.9);
    close(http.response_time.max, 2.0);
    assert_eq!(http.generator.verdict, Verdict::InFlightLimit);
    let connected: Vec<_> = http.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(connected, ["connect"]);
    assert_eq!(http.steps[0].duration.count, 32);
}

#[tokio::test(start_paused = true)]
async fn the_lean_http_engine_tells_the_whole_stall() {
    http_tells_the_whole_stall(Engine::Lean).await;
}

#[tokio::test(start_paused = true)]
async fn the_reqwest_http_engine_tells_the_whole_stall() {
    http_tells_the_whole_stall(Engine::Reqwest).await;
}
