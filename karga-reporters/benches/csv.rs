//! What it costs to record one sample as a row of CSV, beside an aggregate that
//! does nothing and the histograms.
//!
//! `cargo bench -p karga-reporters --bench csv`

use std::{
    borrow::Cow,
    hint::black_box,
    time::{Duration, Instant},
};

use karga_core::{Aggregate, Iteration, Merge, Metric, Outcome, Sample, Volume};
use karga_reporters::CsvReporter;
use karga_stats::HistogramAggregate;

/// Samples in one round.
const SAMPLES: usize = 1 << 17;

/// Contenders take turns; the best of so many rounds counts, since whatever
/// else the machine does can only add.
const ROUNDS: usize = 15;

/// Room for a whole round, so that no row is let go.
const BUFFER: usize = SAMPLES * 256;

struct Labelled;

impl Metric for Labelled {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn volume(&self) -> Volume {
        Volume::new(1, 120, 4_096)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed("search"))
    }
}

#[expect(clippy::print_stdout, reason = "the result of a benchmark is printed")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plain = samples(|| ());
    let labelled = samples(|| Labelled);
    let folder = tempfile::tempdir()?;
    let null = CsvReporter::builder()
        .buffer(BUFFER)
        .to_writer(std::io::sink())?;
    let file = CsvReporter::builder()
        .buffer(BUFFER)
        .create(folder.path().join("samples.csv"))?;

    let mut best = [f64::INFINITY; 6];
    for _ in 0..ROUNDS {
        let round = [
            cost(&plain, ()),
            cost(&plain, HistogramAggregate::default()),
            cost(&plain, null.samples().fork_apart()),
            cost(&plain, null.samples()),
            cost(&labelled, null.samples()),
            cost(&labelled, file.samples()),
        ];
        for (best, round) in best.iter_mut().zip(round) {
            *best = best.min(round);
        }
        // The writer's thread is not to take its turn in the next round.
        while [&null, &file].iter().any(|csv| {
            let counts = csv.counts();
            counts.written + counts.lost() < counts.recorded
        }) {
            std::thread::yield_now();
        }
    }
    println!("one sample, best of {ROUNDS} rounds of {SAMPLES}:");
    for (name, cost) in [
        "nothing",
        "the histograms",
        "CSV, apart: nothing is written",
        "CSV to nowhere",
        "CSV to nowhere, with a label and volumes",
        "CSV to a file, with a label and volumes",
    ]
    .iter()
    .zip(best)
    {
        println!("  {name:<42} {cost:6.1} ns");
    }
    for (name, counts) in [("nowhere", null.counts()), ("a file", file.counts())] {
        println!("to {name}: {counts:?}");
    }
    Ok(())
}

/// Samples at even intervals over ten seconds.
fn samples<M>(metric: impl Fn() -> M) -> Vec<Sample<M>> {
    let sample = |n: usize| {
        let due = Duration::from_secs(10) * n as u32 / SAMPLES as u32;
        let start = due + Duration::from_nanos(n as u64 * 7_919 % 100_000);
        let end = start + Duration::from_nanos(200_000 + n as u64 * 104_729 % 20_000_000);
        Sample::new(
            Iteration::new(n as u64, n as u64 % 64, due),
            start,
            end,
            metric(),
        )
    };
    (0..SAMPLES).map(sample).collect()
}

/// Nanoseconds per sample.
fn cost<M>(samples: &[Sample<M>], mut aggregate: impl Aggregate<M>) -> f64 {
    let start = Instant::now();
    for sample in samples {
        aggregate.record(black_box(sample));
    }
    let cost = start.elapsed();
    black_box(&aggregate);
    cost.as_nanos() as f64 / samples.len() as f64
}
