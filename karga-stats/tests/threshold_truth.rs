//! Thresholds never stop a healthy run, and never miss one that is not:
//! through a real executor, on paused time, with seeded targets.
#![expect(
    clippy::unwrap_used,
    reason = "what the helpers are given is known to be right"
)]

use std::{ops::ControlFlow, time::Duration};

use karga_core::{
    Account, Aggregate, Arrivals, Executor, Iteration, Merge, Observer, Run, Sample, Snapshot,
    StopReason, action_fn, scenario,
};
use karga_executors::StageExecutor;
use karga_stats::{HistogramAggregate, Thresholds};

const SEEDS: u64 = 1_000;
const RATE: f64 = 50.0;
const WINDOW: Duration = Duration::from_secs(2);
/// When the target becomes slower.
const STEP_AT: Duration = Duration::from_secs(4);

/// A healthy answer takes 10 ms and an exponentially distributed time of 20 ms
/// in the mean: its 99th percentile is 10 + 20 ln(100) = 102 ms.
const P99: f64 = 0.102_103_4;
/// The threshold lies this far above the 99th percentile, in seconds.
const MARGIN: f64 = 0.065;

/// A number from 0 to 1 for each arrival (splitmix64, Steele et al. 2014).
fn uniform(seed: u64, n: u64) -> f64 {
    let mut z = (seed << 32 | n)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long a healthy target takes, in seconds.
fn answer(seed: u64, n: u64) -> f64 {
    0.010 - 0.020 * (1.0 - uniform(seed, n)).ln()
}

fn limit(seconds: f64) -> Thresholds {
    let condition = format!("p99(response_time) < {:.6}ms", seconds * 1000.0);
    Thresholds::parse([condition])
        .unwrap()
        .window(WINDOW)
        .abort()
}

/// A run whose answers take longer by `step` seconds from [`STEP_AT`] on, and
/// when it was stopped.
async fn run(seed: u64, step: f64) -> (Run<HistogramAggregate>, Option<Duration>) {
    let action = action_fn(move |iteration: Iteration| async move {
        let more = if iteration.due < STEP_AT { 0.0 } else { step };
        let answer = answer(seed, iteration.index) + more;
        tokio::time::sleep(Duration::from_secs_f64(answer)).await;
    });
    let mut thresholds = limit(P99 + MARGIN);
    let mut run = StageExecutor::constant(RATE, STEP_AT + 2 * WINDOW)
        .arrivals(Arrivals::Poisson { seed })
        .workers(32)
        .build()
        .execute(
            &scenario("target", action),
            HistogramAggregate::default(),
            &mut thresholds,
        )
        .await
        .unwrap();
    run.judgements = thresholds.judge(&run);
    let stopped = run.judgements[0].stopped_at;
    (run, stopped)
}

#[tokio::test(start_paused = true)]
async fn no_healthy_run_is_stopped_and_a_step_of_twice_the_margin_always_is() {
    let mut after = Vec::new();
    for seed in 0..SEEDS {
        let (run, stopped) = run(seed, 2.0 * MARGIN).await;
        let stopped = stopped.unwrap_or_else(|| panic!("run {seed} missed the step"));
        assert!(
            stopped > STEP_AT,
            "run {seed} was stopped at {stopped:?} while it was healthy"
        );
        assert!(matches!(run.stop, StopReason::Observer(_)));
        after.push(stopped - STEP_AT);
    }
    // After the step a quarter of the answers take longer than the limit, and
    // every interval of a second is looked at: half of the window is enough
    // for most, the whole window for every run.
    let soon = after.iter().filter(|after| **after <= WINDOW / 2).count();
    assert!(soon > after.len() / 2, "{soon} of {SEEDS}");
    let slowest = after.iter().max();
    assert!(
        slowest.is_some_and(|slowest| *slowest <= WINDOW),
        "{slowest:?}"
    );
}

/// Runs without a load: what a window would see of a target whose 99th
/// percentile is the limit itself, so that every second window misses it.
#[test]
fn chance_alone_stops_hardly_any_run() {
    let (mut windows, mut missed, mut stopped) = (0, 0, 0);
    for seed in 0..250 {
        let mut thresholds = limit(P99);
        let mut total = HistogramAggregate::default();
        for second in 0..30 {
            let mut interval = total.fork();
            for n in second * 100..(second + 1) * 100 {
                let due = Duration::from_millis(10 * n);
                let end = due + Duration::from_secs_f64(answer(seed, n));
                interval.record(&Sample::new(Iteration::new(n, 0, due), due, end, ()));
            }
            let elapsed = Duration::from_secs(second + 1);
            let mut snapshot = Snapshot::new("target", elapsed, &interval, &total);
            snapshot.account = Account::new((second + 1) * 100, (second + 1) * 100, 0, 0);
            stopped += u32::from(matches!(
                thresholds.on_interval(&snapshot),
                ControlFlow::Break(_)
            ));
            let whole = Run::new("target", interval.clone(), snapshot.account, elapsed);
            missed += u32::from(!thresholds.judge_run(&whole)[0].passed);
            windows += 1;
            total = interval;
        }
    }
    assert!(
        missed > windows / 4,
        "{missed} of {windows} intervals miss the limit"
    );
    assert!(stopped <= 1, "{stopped} of 250 runs were stopped by chance");
}
