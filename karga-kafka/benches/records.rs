//! Writing and reading one batch of 1,000 records of 100 bytes, beside kafka-protocol's codec.
//!
//! ```text
//! cargo bench -p karga-kafka --bench records
//! ```
//!
//! Prints the median and the best of many rounds, in microseconds for the whole batch. Both check
//! the CRC when they read; the rival is measured without compression only, since its codecs are
//! behind features that are off here.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    records::{
        Compression as TheirCompression, Record as TheirRecord, RecordBatchDecoder,
        RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    },
};
use karga_kafka::records::{
    BatchEncoder, BatchSettings, Batches, Compression, Decompressor, Record,
};

const RECORDS: usize = 1_000;
const SIZE: usize = 100;
const TIMESTAMP: i64 = 1_700_000_000_000;
/// How long each line measures.
const BUDGET: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    let values = values();
    println!("one batch of {RECORDS} records of {SIZE} bytes, us (median / best of the rounds)");
    println!(
        "{:<28}{:>10}{:>18}{:>18}",
        "codec", "bytes", "write", "read"
    );
    for compression in Compression::ALL {
        ours(&values, compression)?;
    }
    theirs(&values)
}

/// Text-like bytes that compress, but not to nothing.
fn values() -> Vec<Vec<u8>> {
    let mut noise = 1u32;
    let mut byte = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefgh"[(noise >> 29) as usize]
    };
    (0..RECORDS)
        .map(|_| (0..SIZE).map(|_| byte()).collect())
        .collect()
}

fn ours(values: &[Vec<u8>], compression: Compression) -> Result<(), Box<dyn Error>> {
    let settings = BatchSettings::new().compression(compression);
    let mut encoder = BatchEncoder::new();
    let mut out = BytesMut::new();
    let write = measure(|| {
        out.clear();
        let mut batch = encoder.begin(&mut out, settings);
        for value in values {
            batch.push(&Record::new(value).timestamp(TIMESTAMP))?;
        }
        batch.finish()?;
        Ok(())
    })?;
    let mut decompressor = Decompressor::new();
    let read = measure(|| {
        let mut bytes = 0;
        for batch in Batches::new(black_box(&out)) {
            let batch = batch?;
            batch.verify_crc()?;
            for record in batch.records(&mut decompressor)? {
                bytes += record?.value().map_or(0, <[u8]>::len);
            }
        }
        check(bytes)
    })?;
    line(
        &format!("karga-kafka, {compression}"),
        out.len(),
        write,
        read,
    );
    Ok(())
}

fn theirs(values: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let options = RecordEncodeOptions {
        version: 2,
        compression: TheirCompression::None,
    };
    let values: Vec<Bytes> = values
        .iter()
        .map(|value| Bytes::from(value.clone()))
        .collect();
    let mut out = BytesMut::new();
    let write = measure(|| {
        out.clear();
        // Its encoder takes records of its own type, so making them is part of the work.
        let records: Vec<_> = values.iter().zip(0..).map(their_record).collect();
        RecordBatchEncoder::encode(&mut out, records.iter(), &options)?;
        Ok(())
    })?;
    let frozen = out.clone().freeze();
    let read = measure(|| {
        let set = RecordBatchDecoder::decode(&mut black_box(frozen.clone()))?;
        check(
            set.records
                .iter()
                .map(|record| record.value.as_ref().map_or(0, Bytes::len))
                .sum(),
        )
    })?;
    line("kafka-protocol, none", out.len(), write, read);
    Ok(())
}

fn their_record((value, index): (&Bytes, i32)) -> TheirRecord {
    TheirRecord {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: i64::from(index),
        sequence: index,
        timestamp: TIMESTAMP,
        key: None,
        value: Some(value.clone()),
        headers: IndexMap::new(),
    }
}

fn check(bytes: usize) -> Result<(), Box<dyn Error>> {
    if bytes == RECORDS * SIZE {
        return Ok(());
    }
    Err(format!("{bytes} bytes of values were read").into())
}

/// The median and the least time of a round.
fn measure(
    mut round: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < BUDGET {
        let begin = Instant::now();
        round()?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok((times[times.len() / 2], times[0]))
}

fn line(name: &str, bytes: usize, write: (Duration, Duration), read: (Duration, Duration)) {
    let micros = |(median, best): (Duration, Duration)| {
        format!(
            "{:.1} / {:.1}",
            median.as_secs_f64() * 1e6,
            best.as_secs_f64() * 1e6
        )
    };
    println!(
        "{name:<28}{bytes:>10}{:>18}{:>18}",
        micros(write),
        micros(read)
    );
}
