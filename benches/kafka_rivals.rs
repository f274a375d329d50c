//! One produce request in flight, beside a bare socket that writes a ready-made frame, and rskafka.
//!
//! `KARGA_KAFKA` names the broker (default 127.0.0.1:9092), `KARGA_BENCH_ROUNDS` the rounds
//! (default 10). A word as argument measures only the contenders whose name holds it. All take turns
//! in every round, on one current_thread runtime; the table at the end holds the medians. One topic
//! of one partition, acks=all, no compression.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod support;

use std::error::Error;

use support::{Row, bare, print, rival, wanted};

/// What is measured: name, records to a request, bytes to a record, requests in a round, and
/// requests of rskafka in a round.
const CASES: [(&str, usize, usize, usize, usize); 2] = [
    ("1 x 100 B, one in flight", 1, 100, 4_000, 1_000),
    // 44 ms each: rskafka leaves Nagle's algorithm on and writes the length by itself.
    ("10 x 1 KB, one in flight", 10, 1_000, 4_000, 30),
];

fn main() -> Result<(), Box<dyn Error>> {
    let address = support::address();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let topic = format!("karga-bench-rivals-{}", std::process::id());
    let rskafka = runtime.block_on(rival::Rival::connect(&address, &topic))?;
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..support::setting("KARGA_BENCH_ROUNDS", 10) {
        for (bench, records, size, requests, rival_requests) in CASES {
            let frame = bare::produce_frame(&topic, records, size)?;
            if wanted(bare::BLOCKING) {
                let row = bare::blocking(&address, &frame, requests, records as u64, bench)?;
                rows.push(print(row));
            }
            if wanted(bare::TOKIO) {
                let row = bare::tokio(&address, &frame, requests, records as u64, bench);
                rows.push(print(runtime.block_on(row)?));
            }
            if wanted(rival::NAME) {
                let row = rskafka.produce(bench, rival_requests, records, size, 1);
                rows.push(print(runtime.block_on(row)?));
            }
        }
    }
    runtime.block_on(rskafka.delete_topic())?;
    println!("\n{}", support::table(&rows));
    Ok(())
}
