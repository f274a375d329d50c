//! What became of every arrival, for every kind of end, on a paused clock.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::time::Duration;

use karga_core::{Aggregate, Arrivals, Merge, Sample, StopReason};
use karga_executors::{OverloadPolicy, StageExecutorBuilder};
use support::{
    BreakAt, Counter, Plain, Times, does, figures, flat, ms, run, run_with, secs, sure, takes,
};
use tokio::time::{Instant, sleep, sleep_until};

/// Runs an action of 100 ms at 500/s for 10 s and stops after `at`.
async fn stopped_at(at: Duration, settings: StageExecutorBuilder) -> karga_core::Run<Times> {
    let executor = settings.build().unwrap();
    let handle = executor.handle();
    let deadline = Instant::now() + at;
    let stopper = tokio::spawn(async move {
        sleep_until(deadline).await;
        handle.stop();
    });
    let run = sure(run_with(&executor, &takes(ms(100)), Times::default(), &mut ()).await);
    stopper.await.unwrap();
    assert_eq!(run.stop, StopReason::Requested);
    assert_eq!(run.aggregate.samples.len() as u64, run.account.completed);
    run
}

#[tokio::test(start_paused = true)]
async fn a_natural_end_completes_everything() {
    let run = sure(run(flat(500.0, secs(10)), &takes(ms(99)), Times::default()).await);
    assert_eq!(figures(run.account), [5000, 5000, 0, 0]);
    assert_eq!(run.stop, StopReason::Completed);
    assert_eq!(run.load_time, secs(10));
    // The last arrival is due at 9.998 s.
    assert_eq!(run.elapsed, ms(10_097));
    assert_eq!(run.warnings, [""; 0]);
    assert_eq!(run.generator.peak_in_flight, 50);
    assert_eq!(
        (
            run.generator.late_with_free_worker,
            run.generator.late_with_all_busy
        ),
        (0, 0)
    );
    assert!(run.generator.cpu.is_some() && run.started_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_those_in_flight_finish() {
    let run = stopped_at(ms(2501), flat(500.0, secs(10))).await;
    // Due at 0, 2, ... 2500 ms.
    assert_eq!(figures(run.account), [1251, 1251, 0, 0]);
    assert_eq!(run.load_time, ms(2501));
    assert_eq!(run.elapsed, ms(2600));
}

#[tokio::test(start_paused = true)]
async fn the_grace_time_cuts_those_in_flight() {
    let run = stopped_at(ms(2501), flat(500.0, secs(10)).graceful_stop(ms(50))).await;
    // At 2551 ms, those that began at 2452 ... 2500 ms are still running.
    assert_eq!(figures(run.account), [1251, 1226, 0, 25]);
    assert_eq!(run.elapsed, ms(2551));
    assert_eq!(run.warnings.len(), 1);
    assert!(
        run.warnings[0].contains("50ms was over before 25 arrivals"),
        "{:?}",
        run.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn no_grace_time_cuts_at_once() {
    let run = stopped_at(
        ms(2501),
        flat(500.0, secs(10)).graceful_stop(Duration::ZERO),
    )
    .await;
    assert_eq!(figures(run.account), [1251, 1201, 0, 50]);
    assert_eq!(run.elapsed, ms(2501));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_at_the_stop_is_interrupted() {
    // Ten workers begin at 0, 2, ... 18 ms and then every 100 ms: by 2501 ms
    // one has begun 26 and nine 25. The others were due and never begun.
    let run = stopped_at(ms(2501), flat(500.0, secs(10)).workers(10)).await;
    assert_eq!(figures(run.account), [1251, 251, 0, 1000]);
    assert_eq!(run.generator.peak_in_flight, 10);
    assert_eq!(run.elapsed, ms(2600));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_at_the_end_is_worked_off_within_the_grace_time() {
    // 1000 arrivals in 2 s, 100 for each worker, of which the last begins at
    // 18 ms: 10.018 s.
    let settings = flat(500.0, secs(2)).workers(10);
    let run1 = sure(run(settings.clone(), &takes(ms(100)), Times::default()).await);
    assert_eq!(figures(run1.account), [1000, 1000, 0, 0]);
    assert_eq!((run1.elapsed, run1.load_time), (ms(10_018), secs(2)));

    let run2 = sure(
        run(
            settings.graceful_stop(ms(3050)),
            &takes(ms(100)),
            Times::default(),
        )
        .await,
    );
    // Until 5.05 s: 500 are done, ten are in flight.
    assert_eq!(figures(run2.account), [1000, 500, 0, 500]);
    assert_eq!(run2.stop, StopReason::Completed);
    assert_eq!((run2.elapsed, run2.load_time), (ms(5050), secs(2)));
    assert_eq!(run2.warnings.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_the_end_gives_up_the_backlog() {
    let run = stopped_at(ms(5050), flat(500.0, secs(2)).workers(10)).await;
    assert_eq!(figures(run.account), [1000, 510, 0, 490]);
    assert_eq!((run.elapsed, run.load_time), (ms(5118), secs(2)));
}

#[tokio::test(start_paused = true)]
async fn an_observer_stops_the_run() {
    let executor = flat(500.0, secs(10)).interval(ms(999)).build().unwrap();
    let run = sure(run_with(&executor, &takes(ms(100)), Plain(0), &mut BreakAt(2)).await);
    assert_eq!(run.stop, StopReason::Observer("enough".into()));
    // At 1998 ms; whether the arrival that is due in this very millisecond
    // begins or not, it is accounted for.
    assert_eq!(run.account.planned, 1000);
    assert!(run.account.completed >= 999, "{:?}", run.account);
    assert_eq!(run.aggregate.0, run.account.completed);
    assert_eq!(run.load_time, ms(1998));
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_start_offers_no_load() {
    let begun = Counter::default();
    let count = begun.clone();
    let action = does(move |_| {
        count.add();
        async {}
    });
    let executor = flat(500.0, secs(10)).build().unwrap();
    executor.handle().stop();
    for _ in 0..2 {
        let run = sure(run_with(&executor, &action, Plain(0), &mut ()).await);
        assert_eq!(run.stop, StopReason::Requested);
        assert_eq!(figures(run.account), [0; 4]);
        assert_eq!(
            (run.elapsed, run.load_time),
            (Duration::ZERO, Duration::ZERO)
        );
    }
    assert_eq!(begun.get(), 0);
    assert!(executor.handle().is_stopped());
}

#[tokio::test(start_paused = true)]
async fn every_third_action_panics() {
    for place in ["call", "first poll", "later", "drop"] {
        let action = does(move |iteration| {
            let third = iteration.index % 3 == 0;
            assert!(!(third && place == "call"), "at the call");
            async move {
                assert!(!(third && place == "first poll"), "at the first poll");
                let _guard = (third && place == "drop").then(|| Bomb);
                sleep(ms(10)).await;
                assert!(!(third && place == "later"), "later");
            }
        });
        let run = sure(run(flat(100.0, secs(3)), &action, Times::default()).await);
        assert_eq!(figures(run.account), [300, 300, 0, 0], "{place}");
        assert_eq!(run.aggregate.panics, 100, "{place}");
        assert_eq!(run.aggregate.samples.len(), 300, "{place}");
        assert_eq!(run.warnings, [""; 0], "{place}");
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "in a drop");
    }
}

/// Panics on every third sample, after it counted the others.
#[derive(Clone)]
struct Brittle(u64);

impl Merge for Brittle {
    fn fork(&self) -> Self {
        Self(0)
    }
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
    fn duplicate(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<M> Aggregate<M> for Brittle {
    fn record(&mut self, sample: &Sample<M>) {
        assert!(
            !sample.iteration.index.is_multiple_of(3),
            "in the aggregate"
        );
        self.0 += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panicking_aggregate_keeps_the_other_samples() {
    let run = sure(run(flat(100.0, secs(3)), &takes(ms(10)), Brittle(0)).await);
    assert_eq!(figures(run.account), [300, 200, 0, 100]);
    assert_eq!(run.aggregate.0, 200);
    assert!(
        run.warnings[0].contains("panicked on 100 samples"),
        "{:?}",
        run.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn a_drop_policy_counts_what_it_lets_go() {
    // Ten workers manage 100/s of 500/s; whoever waits over 100 ms goes.
    let policy = OverloadPolicy::Drop { max_lag: ms(100) };
    let settings = flat(500.0, secs(10)).workers(10).overload(policy);
    let run1 = sure(run(settings.clone(), &takes(ms(100)), Times::default()).await);
    assert_eq!(run1.account.planned, 5000);
    assert_eq!(run1.account.interrupted, 0);
    assert!(run1.account.dropped > 3800, "{:?}", run1.account);
    assert_eq!(run1.account.completed, run1.aggregate.samples.len() as u64);
    let longest = run1
        .aggregate
        .samples
        .iter()
        .map(Sample::lateness)
        .max()
        .unwrap();
    assert_eq!(longest, ms(100), "who waited exactly as long stays");

    let run2 = stopped_at(ms(2501), settings).await;
    assert_eq!(run2.account.planned, 1251);
    assert!(
        run2.account.dropped > 900 && run2.account.interrupted > 0,
        "{:?}",
        run2.account
    );
}

#[tokio::test(start_paused = true)]
async fn poisson_arrivals_all_happen() {
    let settings = flat(500.0, secs(10)).arrivals(Arrivals::Poisson { seed: 5 });
    let schedule = settings.clone().build().unwrap().schedule().clone();
    let run1 = sure(run(settings.clone(), &takes(ms(10)), Times::default()).await);
    assert_eq!(
        figures(run1.account),
        [schedule.len(), schedule.len(), 0, 0]
    );
    for sample in run1.aggregate.sorted() {
        assert_eq!(
            Some(sample.iteration.due),
            schedule.due(sample.iteration.index)
        );
        assert!(sample.lateness() <= ms(1));
    }
    let run2 = stopped_at(ms(2501), settings).await;
    assert_eq!(run2.account.planned, schedule.count_until(ms(2501)));
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_that_cannot_be_copied_counts_the_same() {
    let run = sure(
        run(
            flat(500.0, secs(10)),
            &takes(ms(100)),
            (Plain(0), Times::default()),
        )
        .await,
    );
    assert_eq!(run.aggregate.0.0, 5000);
    assert_eq!(run.aggregate.1.samples.len(), 5000);
}
