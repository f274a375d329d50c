//! Reading 100-byte records as fast as one connection goes, every record parsed.
//!
//! `KARGA_KAFKA` names the broker (default 127.0.0.1:9092), `KARGA_BENCH_ROUNDS` the rounds
//! (default 3), `KARGA_BENCH_TOPIC` a filled topic of one partition; without it one is made of
//! `KARGA_BENCH_MESSAGES` records (default 5 million). A word as argument measures only the
//! contenders whose name holds it. `scripts/bench-kafka.sh` sets kafka-consumer-perf-test beside it.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[expect(
    unreachable_pub,
    reason = "shared by several programs, each a crate of its own"
)]
mod support;

use std::error::Error;

use support::{Row, ours, rival, wanted};

const BENCH: &str = "fetch 100 B";
/// Most bytes to an answer: what kafka-consumer-perf-test asks for.
const FETCH_BYTES: i32 = 1_048_576;

fn main() -> Result<(), Box<dyn Error>> {
    let address = support::address();
    let requests = usize::try_from(support::setting("KARGA_BENCH_MESSAGES", 5_000_000))? / 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut rows: Vec<Row> = Vec::new();
    let given = std::env::var("KARGA_BENCH_TOPIC").ok();
    let topic = given
        .clone()
        .unwrap_or_else(|| format!("karga-bench-fetch-{}", std::process::id()));
    let rival = match given {
        Some(_) => runtime.block_on(rival::Rival::attach(&address, &topic))?,
        None => {
            let rival = runtime.block_on(rival::Rival::connect(&address, &topic))?;
            runtime.block_on(rival.produce("", [requests, 1_000, 100, 5]))?;
            rival
        }
    };
    for _ in 0..support::setting("KARGA_BENCH_ROUNDS", 3) {
        if wanted(ours::NAME) {
            let row = ours::fetch(&address, &topic, BENCH, FETCH_BYTES);
            rows.push(support::print(runtime.block_on(row)?));
        }
        if wanted(rival::NAME) {
            let row = runtime.block_on(rival.fetch(BENCH, FETCH_BYTES))?;
            rows.push(support::print(row));
        }
    }
    if std::env::var_os("KARGA_BENCH_TOPIC").is_none() {
        runtime.block_on(rival.delete_topic())?;
    }
    println!("\n{}", support::table(&rows));
    Ok(())
}
