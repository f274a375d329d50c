//! Producing 100-byte records at full speed: 5 requests in flight of 1000 records, by 5 workers with a
//! connection each (rskafka shares its one).
//!
//! `KARGA_KAFKA` names the broker (default 127.0.0.1:9092), `KARGA_BENCH_ROUNDS` the rounds
//! (default 3), `KARGA_BENCH_MESSAGES` the messages of one measurement (default 5 million). A word
//! as argument measures only the contenders whose name holds it. One topic of one partition,
//! acks=all, no compression. `scripts/bench-kafka.sh` sets kafka-producer-perf-test beside it.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[expect(
    unreachable_pub,
    reason = "shared by several programs, each a crate of its own"
)]
mod support;

use std::error::Error;

use support::{Row, ours, rival, wanted};

const BENCH: &str = "produce 100 B";
const SIZE: usize = 100;
const BATCH: usize = 1_000;
const IN_FLIGHT: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let address = support::address();
    let requests = usize::try_from(support::setting("KARGA_BENCH_MESSAGES", 5_000_000))? / BATCH;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut rows: Vec<Row> = Vec::new();
    for round in 0..support::setting("KARGA_BENCH_ROUNDS", 3) {
        let topic = format!("karga-bench-produce-{}-{round}", std::process::id());
        let rival = runtime.block_on(rival::Rival::connect(&address, &topic))?;
        if wanted(ours::NAME) {
            let load = [requests, BATCH, SIZE, IN_FLIGHT];
            let row = ours::produce(&address, &topic, BENCH, load);
            rows.push(support::print(runtime.block_on(row)?));
        }
        if wanted(rival::NAME) {
            let row = rival.produce(BENCH, [requests, BATCH, SIZE, IN_FLIGHT]);
            rows.push(support::print(runtime.block_on(row)?));
        }
        runtime.block_on(rival.delete_topic())?;
    }
    println!("\n{}", support::table(&rows));
    Ok(())
}
