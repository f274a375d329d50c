//! What thresholds cost a thread that offers load, at every interval.
//!
//! `cargo bench -p karga-stats --bench thresholds`

use std::time::{Duration, Instant};

use karga_core::{Account, Aggregate, Iteration, Merge, Observer, Sample, Snapshot};
use karga_stats::{HistogramAggregate, Thresholds};

/// Samples in one interval; their times spread over two orders of magnitude.
const SAMPLES: u64 = 100_000;

/// Intervals; the window is full after a tenth of them.
const INTERVALS: u64 = 1_000;

const SETS: [(&str, &[&str]); 4] = [
    ("one percentile", &["p99(response_time) < 250ms"]),
    ("one mean", &["mean(response_time) < 250ms"]),
    ("one share", &["failures < 1%"]),
    (
        "six conditions",
        &[
            "p99(response_time) < 250ms",
            "p99.9(service_time) < 250ms",
            "max(lateness) < 250ms",
            "failures < 1%",
            "achieved_rate > 95%",
            "rate(messages) < 1G/s",
        ],
    ),
];

#[expect(clippy::print_stdout, reason = "the result of a benchmark is printed")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut interval = HistogramAggregate::default();
    for n in 0..SAMPLES {
        let due = Duration::from_micros(10 * n);
        let answer = Duration::from_nanos(1_000_000 + (n * 7_919 % SAMPLES) * 1_000);
        let iteration = Iteration::new(n, 0, due);
        let start = due + answer / 100;
        interval.record(&Sample::new(iteration, start, start + answer, ()));
    }
    let total = interval.fork();
    println!(
        "one interval with {SAMPLES} samples in {} buckets, {INTERVALS} times:",
        interval.response_time().buckets().count()
    );
    for (name, conditions) in SETS {
        for parts in [10, 100] {
            let step = Duration::from_secs(1);
            let set = Thresholds::parse(conditions)?;
            let mut thresholds = set.abort().window(parts * step);
            let mut times = Vec::new();
            for n in 1..=INTERVALS {
                let mut snapshot = Snapshot::new("run", step * n as u32, &interval, &total);
                snapshot.account = Account::new(n * SAMPLES, n * SAMPLES, 0, 0);
                let begin = Instant::now();
                let flow = thresholds.on_interval(&snapshot);
                times.push(begin.elapsed());
                assert!(flow.is_continue(), "all is well: {flow:?}");
            }
            times.sort();
            println!(
                "  {name:<16} window of {parts:>3} intervals: p50 {:>6.1} µs, p99 {:>6.1} µs",
                times[times.len() / 2].as_secs_f64() * 1e6,
                times[times.len() * 99 / 100].as_secs_f64() * 1e6,
            );
        }
    }
    Ok(())
}
