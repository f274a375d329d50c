//! What it costs to record one sample, beside a bare hdrhistogram record, and
//! what a snapshot costs.
//!
//! `cargo bench -p karga-stats --bench record`

use std::{
    borrow::Cow,
    hint::black_box,
    time::{Duration, Instant},
};

use karga_core::{Aggregate, Iteration, Merge, Metric, Outcome, Part, Sample, Volume};
use karga_stats::HistogramAggregate;

/// Samples in one round; they end within ten seconds.
const SAMPLES: usize = 1 << 20;

/// Contenders take turns; the best of so many rounds counts, since whatever
/// else the machine does can only add.
const ROUNDS: usize = 9;

const LABELS: [&str; 5] = ["login", "search", "view", "order", "logout"];

struct Labelled(usize);

impl Metric for Labelled {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn volume(&self) -> Volume {
        Volume::new(1, 100, 100)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(LABELS[self.0 % LABELS.len()]))
    }
}

/// Three requests in one iteration.
struct Flow([Part; 3]);

impl Flow {
    fn new(_: usize) -> Self {
        let part = |n: u64| {
            let start = Duration::from_micros(50 * n);
            Part::new(LABELS[n as usize], start, start + Duration::from_micros(50))
        };
        Self([0, 1, 2].map(part))
    }
}

impl Metric for Flow {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn parts(&self) -> &[Part] {
        &self.0
    }
}

/// One of 32 labels.
struct Many(usize);

impl Metric for Many {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(&ALPHABET[self.0 % 32..][..1]))
    }
}

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz012345";

#[expect(clippy::print_stdout, reason = "the result of a benchmark is printed")]
fn main() {
    let plain = samples(|_| ());
    let labelled = samples(Labelled);
    let flows = samples(Flow::new);
    let failed = samples(|_| Err::<(), _>("timeout"));
    // A closed loop over an action that does nothing.
    let idle: Vec<_> = (0..SAMPLES as u64)
        .map(|n| {
            let start = Duration::from_nanos(100 * n);
            let end = start + Duration::from_nanos(30 + n % 16);
            Sample::new(Iteration::new(n, 0, start), start, end, ())
        })
        .collect();

    let mut bare = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3)
        .expect("invariant: the bounds are valid");
    let mut best = [f64::INFINITY; 6];
    for _ in 0..ROUNDS {
        let round = [
            per_sample(&plain, |sample| {
                bare.saturating_record(sample.response_time().as_nanos() as u64);
            }),
            aggregated(&plain),
            aggregated(&idle),
            aggregated(&labelled),
            aggregated(&failed),
            aggregated(&flows),
        ];
        for (best, round) in best.iter_mut().zip(round) {
            *best = best.min(round);
        }
    }
    black_box(&bare);

    println!("one sample, best of {ROUNDS} rounds of {SAMPLES}:");
    println!("  one bare hdrhistogram record     {:6.1} ns", best[0]);
    println!("  an unlabelled success, in whole  {:6.1} ns", best[1]);
    println!("  the same, of an idle closed loop {:6.1} ns", best[2]);
    println!("  one of five labels in turn       {:6.1} ns", best[3]);
    println!("  a failure with a class           {:6.1} ns", best[4]);
    println!("  a flow of three parts            {:6.1} ns", best[5]);

    // From 0.1 ms to 1 s.
    let wide = spread(100_000.0, 10_000.0, Labelled);
    let many = spread(100_000.0, 10_000.0, Many);
    println!("one snapshot of a second with {} samples:", SAMPLES / 10);
    for (name, (fork, merge)) in [
        ("unlabelled", snapshot(&plain)),
        ("five labels", snapshot(&labelled)),
        ("five labels, wide", snapshot(&wide)),
        ("32 labels, wide", snapshot(&many)),
    ] {
        println!("  {name:<18} fork {fork:6.2} µs, copy and merge twice {merge:7.1} µs");
    }
}

/// Samples at even intervals over ten seconds, in the order of their ends,
/// whose response times spread from 0.2 to 20 ms.
fn samples<M>(metric: impl Fn(usize) -> M) -> Vec<Sample<M>> {
    spread(200_000.0, 100.0, metric)
}

/// The same, from the least response time, in nanoseconds, to so many times it.
fn spread<M>(least: f64, times: f64, metric: impl Fn(usize) -> M) -> Vec<Sample<M>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let sample = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let service = Duration::from_nanos((least * times.powf(uniform)) as u64);
        let end = Duration::from_secs(10) * n as u32 / SAMPLES as u32 + Duration::from_millis(1001);
        let start = end - service;
        let due = start - Duration::from_nanos(random % 100_000);
        Sample::new(Iteration::new(n as u64, 0, due), start, end, metric(n))
    };
    (0..SAMPLES).map(sample).collect()
}

fn per_sample<M>(samples: &[Sample<M>], mut record: impl FnMut(&Sample<M>)) -> f64 {
    let start = Instant::now();
    for sample in samples {
        record(black_box(sample));
    }
    start.elapsed().as_nanos() as f64 / samples.len() as f64
}

fn aggregated<M: Metric>(samples: &[Sample<M>]) -> f64 {
    let mut aggregate = HistogramAggregate::default();
    let cost = per_sample(samples, |sample| aggregate.record(sample));
    black_box(&aggregate);
    cost
}

/// Microseconds for a fork, and for what an executor does with it at the end
/// of an interval: merge it into the interval, copy that, merge the copy into
/// the total. The best of the seconds after the first, which finds a total
/// without anything in it.
fn snapshot<M: Metric>(samples: &[Sample<M>]) -> (f64, f64) {
    let mut total = HistogramAggregate::default();
    let (mut fork, mut merge) = (Duration::MAX, Duration::MAX);
    for (number, second) in samples.chunks(SAMPLES / 10).take(10).enumerate() {
        let start = Instant::now();
        let mut shard = black_box(&total).fork();
        let forked = start.elapsed();
        second.iter().for_each(|sample| shard.record(sample));
        let start = Instant::now();
        let mut interval = total.fork();
        interval.merge(shard);
        total.merge(interval.clone());
        let merged = start.elapsed();
        black_box(&interval);
        if number > 0 {
            (fork, merge) = (fork.min(forked), merge.min(merged));
        }
    }
    (fork.as_secs_f64() * 1e6, merge.as_secs_f64() * 1e6)
}
