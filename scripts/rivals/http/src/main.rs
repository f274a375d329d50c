//! What a request costs: bare loops, rlt and the published karga, one contender to a process.
//!
//! Prints one line of JSON: requests answered with 200, all others, seconds, and seconds of CPU of
//! this whole process. `scripts/bench-http.sh` runs it in rounds, beside rivals that are programs.

#[path = "../../../../benches/support/http/mod.rs"]
#[expect(unreachable_pub, reason = "shared with a benchmark")]
mod bare;
mod bare_timer;
mod hyper_client;
mod load;
mod published;
mod rlt_suite;

use anyhow::{Context, Result, bail, ensure};
use bare::{reqwest_client::ReqwestClient, tokio_client::TokioClient};
use clap::{Parser, ValueEnum};
use hyper_client::HyperClient;
use load::{Done, Load};
use tokio::runtime::Builder;

#[derive(Parser)]
struct Cli {
    contender: Contender,
    #[command(flatten)]
    load: Load,
}

#[derive(Clone, Copy, ValueEnum)]
enum Contender {
    /// A bare loop: tokio's socket and httparse
    BareTokio,
    /// A bare loop: hyper's client connection
    BareHyper,
    /// A bare loop: one reqwest client that all share
    BareReqwest,
    /// A bare loop at a rate: epoll, a timer for each request, and httparse
    BareTimer,
    /// rlt 0.5.0 over hyper's client connection
    Rlt,
    /// karga 0.4.0 over one reqwest client that all share
    #[value(name = "karga-0.4")]
    Published,
}

fn main() -> Result<()> {
    let Cli { contender, load } = Cli::parse();
    let done = match contender {
        Contender::Rlt => rlt_suite::run(&load)?,
        Contender::Published => published::run(&load)?,
        Contender::BareTimer => {
            let (authority, path) = parts(&load.url)?;
            bare_timer::run(&load, authority, path)?
        }
        bare => {
            ensure!(load.rate.is_none(), "this bare loop has no rate");
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(bare_loop(bare, &load))?
        }
    };
    load::print(&done)
}

async fn bare_loop(contender: Contender, load: &Load) -> Result<Done> {
    let (authority, path) = parts(&load.url)?;
    let duration = load.duration();
    let loops = match contender {
        Contender::BareTokio => {
            let mut clients = Vec::new();
            for _ in 0..load.connections {
                clients.push(TokioClient::connect(authority, path).await?);
            }
            bare::closed_loop(clients, duration).await
        }
        Contender::BareHyper => {
            let mut clients = Vec::new();
            for _ in 0..load.connections {
                clients.push(HyperClient::connect(authority, path).await?);
            }
            bare::closed_loop(clients, duration).await
        }
        Contender::BareReqwest => {
            let client = ReqwestClient::new(&load.url).map_err(anyhow::Error::from_boxed)?;
            let clients = vec![client; load.connections as usize];
            bare::closed_loop(clients, duration).await
        }
        _ => bail!("not a bare loop"),
    };
    let loops = loops.map_err(anyhow::Error::from_boxed)?;
    Ok(Done {
        requests: loops.requests,
        failed: loops.failed,
        seconds: loops.elapsed.as_secs_f64(),
        percentiles: None,
    })
}

/// `http://127.0.0.1:8080/path` as `127.0.0.1:8080` and `/path`.
fn parts(url: &str) -> Result<(&str, &str)> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url} is not http://HOST:PORT/PATH"))?;
    let slash = rest
        .find('/')
        .with_context(|| format!("{url} has no path"))?;
    Ok(rest.split_at(slash))
}
