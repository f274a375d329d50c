//! goose: one scenario of one GET, without a wait between. Prints the same line as `rivals-http`.

#[path = "../../http/src/load.rs"]
mod load;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use goose::{config::GooseConfiguration, prelude::*};
use load::{Done, Load};
use tokio::runtime::Builder;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    load: Load,
}

fn main() -> Result<()> {
    let Cli { load } = Cli::parse();
    ensure!(load.rate.is_none(), "goose has no open model");
    // It joins every request's path to the host.
    let (host, path) = split(&load.url)?;
    ensure!(path == "/", "{}: only the root is asked for", load.url);

    let mut configuration = GooseConfiguration::default();
    configuration.host = Some(host.to_owned());
    configuration.users = Some(load.connections as usize);
    // All at once, as nearly as it can.
    configuration.increase_rate = Some((load.connections * 1_000).to_string());
    configuration.run_time = Some(format!("{}s", load.seconds));
    // Requests of the start have cost their CPU, so they are counted.
    configuration.no_reset_metrics = true;
    configuration.no_print_metrics = true;
    // It would listen on a port of its own.
    configuration.no_telnet = true;
    configuration.quiet = 1;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let metrics = runtime.block_on(
        GooseAttack::initialize_with_config(configuration)?
            .register_scenario(scenario!("get").register_transaction(transaction!(get)))
            .execute(),
    )?;
    let of = |part: fn(&goose::metrics::GooseRequestMetricAggregate) -> usize| -> u64 {
        metrics.requests.values().map(|row| part(row) as u64).sum()
    };
    let ok = of(|row| row.status_code_counts.get(&200).copied().unwrap_or(0));
    let all = of(|row| row.success_count + row.fail_count);
    load::print(&Done {
        requests: ok,
        failed: all - ok,
        // It knows whole seconds only, and says so of the whole attack.
        seconds: load.duration().as_secs_f64(),
        percentiles: None,
    })
}

async fn get(user: &mut GooseUser) -> TransactionResult {
    // Without its body an answer would cost its connection.
    user.get("/").await?.response?.bytes().await?;
    Ok(())
}

/// `http://127.0.0.1:8080/path` as `http://127.0.0.1:8080` and `/path`.
fn split(url: &str) -> Result<(&str, &str)> {
    let scheme = "http://".len();
    let slash = url.get(scheme..).and_then(|rest| rest.find('/'));
    let slash = slash.with_context(|| format!("{url} is not http://HOST:PORT/"))?;
    Ok(url.split_at(scheme + slash))
}
