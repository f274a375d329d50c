//! One produce request in flight: a bare socket that writes a ready-made frame, and rskafka.
//!
//! `KARGA_KAFKA` names the broker (default 127.0.0.1:9092), `KARGA_BENCH_ROUNDS` the rounds
//! (default 5). All contenders take turns in every round, on one current_thread runtime; the table
//! at the end holds the medians. One topic of one partition, acks=all, no compression.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

mod support;

use std::error::Error;
use std::time::Instant;

use rskafka::chrono::{DateTime, Utc};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use support::{Row, Watch, bare};

/// What is measured: name, records to a request, bytes to a record, requests of a bare loop or of
/// karga in a round, and of rskafka.
const CASES: [(&str, usize, usize, usize, usize); 2] = [
    ("1 x 100 B, one in flight", 1, 100, 20_000, 2_000),
    // 44 ms each: rskafka leaves Nagle's algorithm on and writes the length by itself.
    ("10 x 1 KB, one in flight", 10, 1_000, 10_000, 60),
];

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("KARGA_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".to_owned());
    let rounds = support::setting("KARGA_BENCH_ROUNDS", 5);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let topic = format!("karga-bench-rivals-{}", std::process::id());
    let mut rows: Vec<Row> = Vec::new();
    let mut keep = |row: Row| {
        println!("{}", row.json());
        rows.push(row);
    };

    let client = runtime.block_on(ClientBuilder::new(vec![address.clone()]).build())?;
    let controller = client.controller_client()?;
    runtime.block_on(controller.create_topic(&topic, 1, 1, 5_000))?;
    let partition =
        runtime.block_on(client.partition_client(&topic, 0, UnknownTopicHandling::Retry))?;
    // Retried until the leader is elected: the bare loops need it to be there.
    runtime.block_on(partition.produce(records(1, 100)?, Compression::NoCompression))?;

    for _ in 0..rounds {
        for (bench, records, size, requests, slow_requests) in CASES {
            let frame = bare::produce_frame(&topic, records, size)?;
            let per_request = records as u64;
            keep(bare::blocking(
                &address,
                &frame,
                requests,
                per_request,
                bench,
            )?);
            keep(runtime.block_on(bare::tokio(&address, &frame, requests, per_request, bench))?);
            keep(runtime.block_on(rskafka(&partition, records, size, slow_requests, bench))?);
        }
    }
    runtime.block_on(controller.delete_topic(&topic, 5_000))?;
    println!("\n{}", support::table(&rows));
    Ok(())
}

fn records(count: usize, size: usize) -> Result<Vec<Record>, Box<dyn Error>> {
    let timestamp = DateTime::<Utc>::from_timestamp_millis(support::unix_millis()?)
        .ok_or("the clock is out of chrono's range")?;
    let record = Record {
        key: None,
        value: Some(vec![b'x'; size]),
        headers: Default::default(),
        timestamp,
    };
    Ok(vec![record; count])
}

/// One request at a time by rskafka. It takes its records by value: the copy is part of its price,
/// as a load generator would pay it.
async fn rskafka(
    partition: &PartitionClient,
    count: usize,
    size: usize,
    requests: usize,
    bench: &'static str,
) -> Result<Row, Box<dyn Error>> {
    let template = records(count, size)?;
    let mut watch = Watch::start(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        partition
            .produce(template.clone(), Compression::NoCompression)
            .await?;
        watch.request(begun);
    }
    Ok(watch.stop(bench, "rskafka 0.6", (requests * count) as u64))
}
