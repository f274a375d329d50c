//! Writes a run as a histogram log and prints, for every tag in it, the figures
//! that a reader of the log has to come to.
//!
//! `cargo run -p karga-stats --features hdr-log --example hdr_log -- run.hlog`
//!
//! With `--read` it reads a log, whoever wrote it, and prints the same.
//!
//! Each line: what is said, the tag (`-` where there is none), the count, p50,
//! p90, p99, p99.9, p99.99, the maximum and the mean in whole nanoseconds. `log` lines
//! are what the buckets in the log give, `exact` ones what karga knows beside
//! them. `scripts/hdr-interop.sh` compares them with HdrHistogram's own tools.

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env,
    error::Error,
    fs::File,
    io::{BufReader, BufWriter},
    time::{Duration, SystemTime},
};

use karga_core::{Account, Aggregate, Iteration, Metric, Outcome, Part, Run, Sample, Step};
use karga_stats::{Histogram, HistogramAggregate, hdr_log};

/// The samples are random, and the same every time.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const SAMPLES: u64 = 200_000;
const SECONDS: u32 = 20;
/// The last one shows how a tag is encoded; every fourth sample has none.
const LABELS: [&str; 3] = ["login", "search", "log out, später"];

struct Operation {
    label: Option<&'static str>,
    steps: [Step; 1],
    /// Of one label that iterations have too, and of one that none has.
    parts: [Part; 2],
}

impl Metric for Operation {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.map(Cow::Borrowed)
    }
    fn steps(&self) -> &[Step] {
        &self.steps
    }
    fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (first, second) = (args.next(), args.next());
    match (first.as_deref(), second) {
        (Some("--read"), Some(path)) => print_log(&path),
        (Some(path), None) if path != "--read" => {
            let run = run();
            hdr_log::write(&run, BufWriter::new(File::create(path)?))?;
            let again = hdr_log::read(BufReader::new(File::open(path)?))?;
            if again.aggregate != run.aggregate {
                return Err("the log does not give the run that was written".into());
            }
            print_log(path)?;
            print_exact(&run.aggregate);
            Ok(())
        }
        _ => Err("usage: hdr_log FILE | hdr_log --read FILE".into()),
    }
}

/// A run of some seconds whose response times spread from 50 µs to 500 ms.
fn run() -> Run<HistogramAggregate> {
    let mut random = SEED;
    let mut next = move || {
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut aggregate = HistogramAggregate::default();
    for n in 0..SAMPLES {
        let due = Duration::from_secs(1) * SECONDS / SAMPLES as u32 * n as u32;
        let start = due + Duration::from_nanos((next() * 80_000.0) as u64);
        let service = Duration::from_nanos((50_000.0 * 10_000_f64.powf(next())) as u64);
        let label = LABELS.get(n as usize % (LABELS.len() + 1)).copied();
        let steps = [Step::new("connect", service.mul_f64(next()))];
        let half = service / 2;
        let parts = [
            Part::new("login", Duration::ZERO, half),
            Part::new("pay", half, service),
        ];
        let operation = Operation {
            label,
            steps,
            parts,
        };
        let iteration = Iteration::new(n, 0, due);
        aggregate.record(&Sample::new(iteration, start, start + service, operation));
    }
    let account = Account::new(SAMPLES, SAMPLES, 0, 0);
    let mut run = Run::new("interop", aggregate, account, Duration::from_secs(21));
    run.started_at = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123));
    run
}

/// What anyone sees who adds up the histograms of each tag.
fn print_log(path: &str) -> Result<(), Box<dyn Error>> {
    let mut tags = BTreeMap::<Option<String>, Histogram>::new();
    for interval in hdr_log::Intervals::new(BufReader::new(File::open(path)?)) {
        let interval = interval?;
        let whole = tags.entry(interval.tag).or_default();
        whole.merge(interval.histogram);
    }
    for (tag, times) in &tags {
        print("log", tag.as_deref().unwrap_or("-"), times);
    }
    Ok(())
}

fn print_exact(aggregate: &HistogramAggregate) {
    let total = aggregate.total();
    for (tag, times) in [
        ("-", total.response_time()),
        ("service_time", total.service_time()),
        ("lateness", total.lateness()),
    ] {
        print("exact", tag, times);
    }
}

fn print(said: &str, tag: &str, times: &Histogram) {
    let quantiles = [0.5, 0.9, 0.99, 0.999, 0.9999].map(|q| times.quantile(q).as_nanos());
    let [p50, p90, p99, p99_9, p99_99] = quantiles;
    println!(
        "{said} {tag} {} {p50} {p90} {p99} {p99_9} {p99_99} {} {}",
        times.count(),
        times.max().as_nanos(),
        times.mean().as_nanos(),
    );
}
