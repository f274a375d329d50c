//! What an HTTP request costs its generator: karga's engines with full histograms, each beside the
//! bare loop on the same client. Nothing to install: a thread of this process is the server.
//!
//! `cargo bench --bench http`, some 25 s. `KARGA_BENCH_ROUNDS` says how often each contender takes
//! its turn (default 5); a word as argument measures only the contenders whose name holds it. 32
//! users in a closed loop, 100 bytes to an answer. CPU is that of the generator's thread alone: it
//! has no other. `scripts/bench-http.sh` has other load generators beside it, on nginx.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[expect(
    unreachable_pub,
    reason = "shared with programs, each a crate of its own"
)]
#[path = "support/http/mod.rs"]
mod bare;
#[expect(
    unreachable_pub,
    reason = "shared with programs, each a crate of its own"
)]
#[path = "support/http/server.rs"]
mod server;

use std::time::Duration;

use bare::reqwest_client::ReqwestClient;
use bare::tokio_client::TokioClient;
use bare::{Done, Error, closed_loop};
use karga::http::{Engine, HttpScenario};
use karga::prelude::*;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;

const USERS: usize = 32;
const TURN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Contender {
    Tokio,
    Lean,
    ReqwestLoop,
    Reqwest,
}

/// Names, and which of them is the floor under each.
const CONTENDERS: [(Contender, &str, usize); 4] = [
    (Contender::Tokio, "a bare loop on tokio and httparse", 0),
    (Contender::Lean, "karga, lean engine", 0),
    (
        Contender::ReqwestLoop,
        "a bare loop on one reqwest client",
        2,
    ),
    (Contender::Reqwest, "karga, reqwest engine", 2),
];

fn main() -> Result<(), Error> {
    let authority = server::start(|| pin(1))?.to_string();
    pin(0);
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let rounds = match std::env::var("KARGA_BENCH_ROUNDS") {
        Ok(text) => text.parse()?,
        Err(_) => 5,
    };
    let mut costs = CONTENDERS.map(|_| Vec::new());
    let mut rates = CONTENDERS.map(|_| Vec::new());
    for _ in 0..rounds {
        for (at, (contender, name, _)) in CONTENDERS.into_iter().enumerate() {
            if !words.is_empty() && !words.iter().any(|word| name.contains(word)) {
                continue;
            }
            // A runtime of its own: nothing of one turn is left for the next.
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let before = cpu()?;
            let done = runtime.block_on(turn(contender, &authority))?;
            let spent = cpu()? - before;
            if done.failed > 0 || done.requests == 0 {
                return Err(format!("{name}: {} failed", done.failed).into());
            }
            costs[at].push(spent.as_secs_f64() * 1e6 / done.requests as f64);
            rates[at].push(done.requests as f64 / done.elapsed.as_secs_f64());
        }
    }

    let costs = costs.map(median);
    println!("| {USERS} users, median of {rounds} | CPU per request | to its loop | requests/s |");
    println!("|---|--:|--:|--:|");
    for (at, (rate, (_, name, floor))) in rates.into_iter().zip(CONTENDERS).enumerate() {
        if let (Some(cost), Some(rate)) = (costs[at], median(rate)) {
            let ratio = costs[floor].map_or(String::new(), |floor| format!("{:.2}", cost / floor));
            println!("| {name} | {cost:.2} us | {ratio} | {rate:.0} |");
        }
    }
    Ok(())
}

async fn turn(contender: Contender, authority: &str) -> Result<Done, Error> {
    let url = format!("http://{authority}/");
    match contender {
        Contender::Tokio => {
            let mut clients = Vec::new();
            for _ in 0..USERS {
                clients.push(TokioClient::connect(authority, "/").await?);
            }
            closed_loop(clients, TURN).await
        }
        Contender::ReqwestLoop => closed_loop(vec![ReqwestClient::new(&url)?; USERS], TURN).await,
        Contender::Lean => karga(&url, Engine::Lean).await,
        Contender::Reqwest => karga(&url, Engine::Reqwest).await,
    }
}

async fn karga(url: &str, engine: Engine) -> Result<Done, Error> {
    let run = LoadTest::builder()
        .scenario(HttpScenario::builder(url).engine(engine).build()?)
        .executor(
            UsersExecutor::builder()
                .users(USERS as u64)
                .duration(TURN)
                .build()?,
        )
        .build()
        .run()
        .await?;
    let summary = Summary::derive(&run);
    let row = &summary.scenarios[0];
    Ok(Done {
        requests: row.succeeded,
        failed: row.completed - row.succeeded,
        elapsed: row.elapsed,
    })
}

/// CPU time of this thread.
fn cpu() -> Result<Duration, Error> {
    Ok(clock_gettime(ClockId::ThreadCPUTime).try_into()?)
}

/// Keeps this thread on a core, where that can be asked for: on one core with the server, a request
/// costs another price.
fn pin(core: usize) {
    #[cfg(target_os = "linux")]
    {
        let mut cores = rustix::thread::CpuSet::new();
        cores.set(core);
        // Without such a core it stays where it is.
        let _ = rustix::thread::sched_setaffinity(None, &cores);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

/// The middle of the values; the mean of the middle two when their number is even.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some(f64::midpoint(upper, values[(values.len() - 1) / 2]))
}
