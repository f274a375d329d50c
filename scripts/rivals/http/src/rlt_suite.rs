//! rlt over the cheapest client that there is for it: hyper's connection, one to a worker.

use std::{env, fs, process};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use clap::Parser;
use rlt::{BenchSuite, IterInfo, IterReport, Status, cli::BenchCli};
use serde_json::Value;
use tokio::{runtime::Builder, time::Instant};

use crate::{
    hyper_client::HyperClient,
    load::{Done, Load},
};

#[derive(Clone)]
struct Suite {
    authority: String,
    path: String,
}

#[async_trait]
impl BenchSuite for Suite {
    type WorkerState = HyperClient;

    async fn state(&self, _: u32) -> Result<HyperClient> {
        HyperClient::connect(&self.authority, &self.path).await
    }

    async fn bench(&mut self, client: &mut HyperClient, _: &IterInfo) -> Result<IterReport> {
        // It leaves the clock to the iteration.
        let start = Instant::now();
        let (status, bytes) = client.exchange().await?;
        let duration = start.elapsed();
        let status = match status {
            200 => Status::success(200),
            other => Status::error(other.into()),
        };
        Ok(IterReport {
            duration,
            status,
            bytes,
            items: 1,
        })
    }
}

pub(crate) fn run(load: &Load) -> Result<Done> {
    let (authority, path) = crate::parts(&load.url)?;
    let suite = Suite {
        authority: authority.to_owned(),
        path: path.to_owned(),
    };
    // It keeps its figures to itself, but for the report that it writes.
    let report = env::temp_dir().join(format!("rlt-{}.json", process::id()));
    let connections = load.connections.to_string();
    let duration = format!("{}s", load.seconds);
    let mut arguments = vec![
        "rlt",
        "-q",
        "-o",
        "json",
        "-c",
        &connections,
        "-d",
        &duration,
    ];
    let rate = load.rate.map(|rate| rate.to_string());
    if let Some(rate) = &rate {
        arguments.extend(["-r", rate]);
    }
    let mut cli = BenchCli::try_parse_from(arguments)?;
    cli.output_file = Some(report.clone());
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(rlt::cli::run(cli, suite))?;
    let text = fs::read_to_string(&report)?;
    fs::remove_file(&report)?;
    done(&serde_json::from_str(&text)?).with_context(|| text.clone())
}

fn done(report: &Value) -> Result<Done> {
    let number = |at: &str| {
        let value = report.pointer(at).and_then(Value::as_f64);
        value.with_context(|| format!("rlt's report has no {at}"))
    };
    let total = number("/summary/iters/total")? as u64;
    let requests = (number("/summary/success_ratio")? * total as f64).round() as u64;
    let errors = report["errors"].as_object().context("no errors")?;
    let errors: u64 = errors.values().filter_map(Value::as_u64).sum();
    ensure!(total >= requests, "more successes than iterations");
    Ok(Done {
        requests,
        failed: total - requests + errors,
        seconds: number("/summary/total_time")?,
        percentiles: number("/latency/percentiles/p50")
            .ok()
            .zip(number("/latency/percentiles/p99").ok()),
    })
}
