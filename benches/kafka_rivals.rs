//! One produce request in flight, beside a bare socket that writes a ready-made frame, and rskafka.
//!
//! `KARGA_KAFKA` names the broker (default 127.0.0.1:9092), `KARGA_BENCH_ROUNDS` the rounds
//! (default 5). A word as argument measures only the contenders whose name holds it. All take short
//! turns, on one current_thread runtime; the table at the end holds the medians. One topic
//! of one partition, acks=all, no compression.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

#[expect(
    unreachable_pub,
    reason = "shared by several programs, each a crate of its own"
)]
mod support;

use std::error::Error;

use std::time::Instant;

use support::{Row, Watch, bare, ours, print, rival, wanted};

/// What is measured: name, records to a request, bytes to a record, turns in a round, and requests of
/// rskafka in a turn.
const CASES: [(&str, usize, usize, usize, usize); 2] = [
    ("1 x 100 B, one in flight", 1, 100, 40, REQUESTS),
    // 44 ms each: rskafka leaves Nagle's algorithm on and writes the length by itself.
    ("10 x 1 KB, one in flight", 10, 1_000, 40, 1),
];
/// Requests of the others in a turn: some 10 ms, so that all see the same machine.
const REQUESTS: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let address = support::address();
    let topic = format!("karga-bench-rivals-{}", std::process::id());
    let rskafka = rival::Rival::connect(&address, &topic).await?;
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..support::setting("KARGA_BENCH_ROUNDS", 5) {
        for (bench, count, size, turns, rival_requests) in CASES {
            let frame = bare::produce_frame(&topic, count, size)?;
            let template = rival::records(count, size)?;
            let mut blocking = bare::Blocking::connect(&address)?;
            let mut tokio = bare::Tokio::connect(&address).await?;
            let mut karga = ours::One::connect(&address, &topic, count, size).await?;
            let mut watches = [(); 4].map(|()| Watch::new(turns * REQUESTS));
            // The first turn warms up and is not kept.
            for turn in 0..=turns {
                if turn == 1 {
                    watches = [(); 4].map(|()| Watch::new(turns * REQUESTS));
                }
                let [of_blocking, of_tokio, of_karga, of_rskafka] = &mut watches;
                if wanted(bare::BLOCKING) {
                    of_blocking.resume();
                    for _ in 0..REQUESTS {
                        let begun = Instant::now();
                        blocking.round_trip(&frame)?;
                        of_blocking.request(begun);
                    }
                    of_blocking.pause();
                }
                if wanted(bare::TOKIO) {
                    of_tokio.resume();
                    for _ in 0..REQUESTS {
                        let begun = Instant::now();
                        tokio.round_trip(&frame).await?;
                        of_tokio.request(begun);
                    }
                    of_tokio.pause();
                }
                if wanted(ours::NAME) {
                    of_karga.resume();
                    for _ in 0..REQUESTS {
                        let begun = Instant::now();
                        karga.produce_one().await?;
                        of_karga.request(begun);
                    }
                    of_karga.pause();
                }
                if wanted(rival::NAME) {
                    of_rskafka.resume();
                    for _ in 0..rival_requests {
                        let begun = Instant::now();
                        rskafka.produce_one(&template).await?;
                        of_rskafka.request(begun);
                    }
                    of_rskafka.pause();
                }
            }
            let names = [bare::BLOCKING, bare::TOKIO, ours::NAME, rival::NAME];
            for (watch, case) in watches.into_iter().zip(names) {
                if watch.count() > 0 {
                    let messages = (watch.count() * count) as u64;
                    rows.push(print(watch.stop(bench, case, messages)));
                }
            }
        }
    }
    rskafka.delete_topic().await?;
    println!("\n{}", support::table(&rows));
    Ok(())
}
