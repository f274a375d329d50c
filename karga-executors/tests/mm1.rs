//! The truth of response times: a queue whose answer is known.
//!
//! A single server with exponential service times (rate mu) under Poisson
//! arrivals (rate lambda) is the M/M/1 queue. Its response times are
//! exponential with the rate mu - lambda (Kleinrock, "Queueing Systems",
//! volume 1, 1975, section 3.2), so that every quantile is known. The real
//! executor offers the arrivals, on a paused clock, and measures them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use karga_core::{
    Aggregate, Arrivals, Executor, Iteration, Merge, Panicked, Run, Sample, Schedule, action_fn,
    scenario,
};
use karga_executors::StageExecutor;
use karga_stats::Histogram;
use tokio::{
    runtime::Builder,
    time::{Instant, sleep_until},
};

/// The mean service time, 1/mu. Tokio's timer rounds the end of an iteration up
/// to the next millisecond: 0.5 ms on average, 0.04 % of the shortest mean
/// response time (1.43 s) and 0.05 % of the shortest median.
const SERVICE: Duration = Duration::from_secs(1);

const TOLERANCE: f64 = 0.03;

/// How many standard errors the tolerance is, at the least.
const ERRORS: f64 = 2.0;

#[test]
fn response_times_at_utilisation_30() {
    assert_mm1(0.3, 3.9);
}

#[test]
fn response_times_at_utilisation_60() {
    assert_mm1(0.6, 8.6);
}

#[test]
fn response_times_at_utilisation_80() {
    assert_mm1(0.8, 19.7);
}

/// Response times in a queue hang together: one long wait is many. So the
/// relative standard error of a figure over n arrivals is c / sqrt(n) with a c
/// far above that of independent values. `c` is that of the p99, the largest of
/// the four (the mean has half of it); it was found by 200 runs of Lindley's
/// recursion over 200,000 arrivals each, outside of this test:
///
/// ```text
/// utilisation   c of mean   p50    p90    p99     n = (2 c / 0.03)²
///     0.3          1.9      2.0    2.2    3.9           67,600
///     0.6          4.1      3.7    4.7    8.6          328,711
///     0.8          9.8      7.9   10.9   19.7        1,724,844
/// ```
///
/// With n arrivals 3 % are two standard errors of the p99 and four of the mean.
/// The seeds are the first that were tried.
fn assert_mm1(utilisation: f64, c: f64) {
    let arrivals = (ERRORS * c / TOLERANCE).powi(2);
    // Two independent halves, on two threads. That each begins with an empty
    // queue is forgotten after some hundred arrivals.
    let halves = [1, 2].map(|seed| thread::spawn(move || queue(utilisation, arrivals / 2.0, seed)));
    let mut measured = Histogram::new();
    let mut recursion = Histogram::new();
    let (mut person_seconds, mut elapsed) = (0.0, 0.0);
    for half in halves {
        let half = half.join().unwrap();
        measured.merge(half.measured);
        recursion.merge(half.recursion);
        person_seconds += half.person_seconds;
        elapsed += half.elapsed.as_secs_f64();
    }
    let figures = |times: &Histogram| {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| times.quantile(q).as_secs_f64());
        [times.mean().as_secs_f64(), p50, p90, p99]
    };
    let measured_figures = figures(&measured);
    let context = format!("utilisation {utilisation}: {measured_figures:?} s");

    // The theory: quantile q of an exponential distribution is -mean ln(1-q).
    let mean = SERVICE.as_secs_f64() / (1.0 - utilisation);
    let theory = [1.0, 2_f64.ln(), 10_f64.ln(), 100_f64.ln()].map(|share| share * mean);
    for (measured, theory) in measured_figures.iter().zip(theory) {
        let error = (measured / theory - 1.0).abs();
        assert!(error < TOLERANCE, "{context}, {theory} off by {error}");
    }

    // The very arrivals and service times of this run in Lindley's recursion:
    // no difference but the timer's, and the histogram's 0.1 %.
    for (measured, recursion) in measured_figures.iter().zip(figures(&recursion)) {
        let late = measured - recursion;
        let bucket = recursion / 1024.0;
        assert!(
            (-bucket..=bucket + 1.5e-3).contains(&late),
            "{context}, off the recursion by {late} s"
        );
    }

    // Little's law: people in the system, as the server counts them, are the
    // rate times the response time, as karga measures it; and theory's
    // rho / (1 - rho).
    let present = person_seconds / elapsed;
    let rate = measured.count() as f64 / elapsed;
    let little = present / (rate * measured_figures[0]);
    assert!((little - 1.0).abs() < 1e-3, "{context}, Little: {little}");
    let theory = utilisation / (1.0 - utilisation);
    let error = (present / theory - 1.0).abs();
    assert!(error < TOLERANCE, "{context}, {present} present");
}

struct Half {
    measured: Histogram,
    /// The same, as Lindley's recursion has it.
    recursion: Histogram,
    /// How long how many people were in the system.
    person_seconds: f64,
    elapsed: Duration,
}

/// A server that serves one after the other, in the order of arrival.
#[derive(Default)]
struct Server {
    /// When it has served all who are there.
    free: Duration,
    present: u32,
    person_seconds: f64,
    last_change: Duration,
}

impl Server {
    fn arrive(&mut self, due: Duration, service: Duration, now: Duration) -> Duration {
        self.passes(now);
        self.present += 1;
        // Who arrives in the same millisecond may be let in in another order,
        // which matters to nobody else.
        self.free = self.free.max(due) + service;
        self.free
    }

    fn leave(&mut self, now: Duration) {
        self.passes(now);
        self.present -= 1;
    }

    fn passes(&mut self, now: Duration) {
        let passed = now - self.last_change;
        self.person_seconds += passed.as_secs_f64() * f64::from(self.present);
        self.last_change = now;
    }
}

fn queue(utilisation: f64, arrivals: f64, seed: u64) -> Half {
    let rate = utilisation / SERVICE.as_secs_f64();
    // At 0.8 more than 256 are in the system once in 10^25 arrivals.
    let executor = StageExecutor::constant(rate, Duration::from_secs_f64(arrivals / rate))
        .arrivals(Arrivals::Poisson { seed })
        .workers(256)
        .interval(Duration::MAX)
        .stop_on_ctrl_c(false)
        .build()
        .unwrap();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (run, person_seconds) = runtime.block_on(async {
        // No time passes until the first timer: this is the run's t0.
        let t0 = Instant::now();
        let server = Arc::new(Mutex::new(Server::default()));
        let shared = Arc::clone(&server);
        let serve = action_fn(move |iteration: Iteration| {
            let server = Arc::clone(&shared);
            async move {
                let service = service(seed, iteration.index);
                let now = t0.elapsed();
                let done = server.lock().unwrap().arrive(iteration.due, service, now);
                sleep_until(t0 + done).await;
                server.lock().unwrap().leave(t0.elapsed());
            }
        });
        let run: Run<ResponseTimes> = executor
            .execute(
                &scenario("server", serve),
                ResponseTimes::default(),
                &mut (),
            )
            .await
            .unwrap();
        let server = server.lock().unwrap();
        assert_eq!(server.present, 0);
        (run, server.person_seconds)
    });
    assert_eq!(run.account.planned, executor.schedule().len());
    assert_eq!(run.account.completed, run.account.planned);
    assert_eq!(run.generator.late_with_all_busy, 0);
    Half {
        measured: run.aggregate.0,
        recursion: lindley(executor.schedule(), seed),
        person_seconds,
        elapsed: run.elapsed,
    }
}

/// Lindley, "The theory of queues with a single server" (1952): who arrives
/// waits until those before are served.
fn lindley(schedule: &Schedule, seed: u64) -> Histogram {
    let mut times = Histogram::new();
    let mut free = Duration::ZERO;
    let mut next = 0;
    while let Some(block) = schedule.block(next) {
        for index in block.first()..block.end() {
            let due = block.due(index).unwrap();
            free = free.max(due) + service(seed, index);
            times.record(free - due);
        }
        next = block.end();
    }
    times
}

/// An exponential service time: a function of who is served, so that the order
/// in which tasks run changes nothing. SplitMix64 (Steele, Lea and Flood, 2014).
fn service(seed: u64, index: u64) -> Duration {
    let mut z = (seed << 48).wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let uniform = ((z >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    SERVICE.mul_f64(-uniform.ln())
}

#[derive(Default)]
struct ResponseTimes(Histogram);

impl Merge for ResponseTimes {
    fn fork(&self) -> Self {
        Self::default()
    }
    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
    fn duplicate(&self) -> Option<Self> {
        Some(Self(self.0.clone()))
    }
}

impl<M> Aggregate<M> for ResponseTimes {
    fn record(&mut self, sample: &Sample<M>) {
        self.0.record(sample.response_time());
    }
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        panic!("{sample:?}");
    }
}
