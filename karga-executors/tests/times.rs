//! When iterations happen and what the observer sees, exactly.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

mod support;

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};

use karga_core::{Account, BoxFuture, Observer, Snapshot, Stage, StopReason};
use karga_executors::{Precision, StageExecutor};
use support::{Plain, Times, figures, flat, ms, run, run_with, secs, sure, takes};
use tokio::time::{Instant, sleep_until};

#[tokio::test(start_paused = true)]
async fn arrivals_happen_when_they_are_due() {
    let settings = StageExecutor::builder()
        .stop_on_ctrl_c(false)
        .start_rate(10.0)
        .stages([
            Stage::new(secs(1), 10.0),
            Stage::new(Duration::ZERO, 0.0),
            Stage::new(secs(3), 0.0),
            Stage::new(Duration::ZERO, 100.0),
            Stage::new(secs(1), 100.0),
        ]);
    let run = sure(run(settings, &takes(ms(250)), Times::default()).await);
    let starts: Vec<Duration> = run
        .aggregate
        .sorted()
        .iter()
        .map(|s| {
            assert_eq!(s.lateness(), Duration::ZERO);
            assert_eq!(s.response_time(), ms(250));
            s.start
        })
        .collect();
    let mut expected: Vec<Duration> = (0..10).map(|n| ms(100 * n)).collect();
    expected.extend((0..100).map(|n| ms(4000 + 10 * n)));
    assert_eq!(starts, expected);
}

#[tokio::test(start_paused = true)]
async fn times_between_two_ticks_are_not_early() {
    // 700/s: no due time but the first few is a whole millisecond.
    let run = sure(run(flat(700.0, secs(5)), &takes(ms(5)), Times::default()).await);
    assert_eq!(run.aggregate.samples.len(), 3500);
    for sample in &run.aggregate.samples {
        assert!(sample.start >= sample.iteration.due, "{sample:?}");
        assert!(sample.lateness() < ms(1), "{sample:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fine_timer_falls_back_under_a_paused_clock() {
    let settings = flat(100.0, secs(5)).precision(Precision::Fine);
    let run = sure(run(settings, &takes(ms(5)), Times::default()).await);
    assert_eq!(figures(run.account), [500, 500, 0, 0]);
    assert!(
        run.aggregate
            .samples
            .iter()
            .all(|s| s.lateness() == Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn slices_share_the_schedule_out() {
    let mut all = Vec::new();
    for i in 0..3 {
        let run = sure(
            run(
                flat(100.0, secs(1)).slice(i, 3),
                &takes(ms(1)),
                Times::default(),
            )
            .await,
        );
        assert_eq!(run.account.planned, [34, 33, 33][i as usize]);
        for sample in run.aggregate.sorted() {
            assert_eq!(sample.iteration.index % 3, i);
            assert_eq!(sample.iteration.due, ms(10 * sample.iteration.index));
            assert_eq!(sample.start, sample.iteration.due);
            all.push(sample.iteration.index);
        }
    }
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn every_user_is_used_once_at_a_time() {
    let run = sure(
        run(
            flat(100.0, secs(1)).workers(7),
            &takes(ms(65)),
            Times::default(),
        )
        .await,
    );
    let mut by_user: [Vec<_>; 7] = Default::default();
    for sample in run.aggregate.sorted() {
        by_user[sample.iteration.user as usize].push((sample.start, sample.end));
    }
    for spans in by_user {
        assert!(
            spans.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{spans:?}"
        );
        assert!(!spans.is_empty());
    }
}

/// One snapshot, with the counts of its interval and total.
#[derive(Debug, PartialEq)]
struct Seen {
    elapsed: Duration,
    length: Duration,
    interval: u64,
    total: u64,
    account: Account,
    in_flight: u64,
    rate: f64,
    stopped: bool,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Vec<Seen>>>);

impl Watch {
    fn see<A>(&self, snapshot: &Snapshot<'_, A>, count: impl Fn(&A) -> u64) {
        assert_eq!(snapshot.name, "takes");
        assert_eq!(snapshot.plan.arrivals, Some(250));
        assert_eq!(snapshot.plan.duration, Some(ms(2500)));
        assert_eq!(snapshot.plan.workers, 64);
        self.0.lock().unwrap().push(Seen {
            elapsed: snapshot.elapsed,
            length: snapshot.interval_length,
            interval: count(snapshot.interval),
            total: count(snapshot.total),
            account: snapshot.account,
            in_flight: snapshot.in_flight,
            rate: snapshot.offered_rate,
            stopped: snapshot.stopped.is_some(),
        });
    }
}

impl Observer<Times> for Watch {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, Times>) -> ControlFlow<StopReason> {
        self.see(snapshot, |times| times.samples.len() as u64);
        ControlFlow::Continue(())
    }
}

impl Observer<Plain> for Watch {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, Plain>) -> ControlFlow<StopReason> {
        self.see(snapshot, |plain| plain.0);
        ControlFlow::Continue(())
    }
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_complete_while_actions_hang() {
    // 100/s for 2.5 s; each takes 203 ms.
    let seen = |elapsed, length, interval, total, account, in_flight, stopped| Seen {
        elapsed,
        length,
        interval,
        total,
        account,
        in_flight,
        rate: if stopped || elapsed > ms(2500) {
            0.0
        } else {
            100.0
        },
        stopped,
    };
    let expected = [
        // Due by 997 ms: 0 ... 990. Ended by then: those due by 790.
        seen(
            ms(997),
            ms(997),
            80,
            80,
            Account::new(100, 80, 0, 0),
            20,
            false,
        ),
        // By 1994 ms: 0 ... 1990, and those due by 1790 have ended.
        seen(
            ms(1994),
            ms(997),
            100,
            180,
            Account::new(200, 180, 0, 0),
            20,
            false,
        ),
        // The run ends with the last iteration, due at 2490 ms.
        seen(
            ms(2693),
            ms(699),
            70,
            250,
            Account::new(250, 250, 0, 0),
            0,
            true,
        ),
    ];
    let executor = flat(100.0, ms(2500)).interval(ms(997)).build().unwrap();
    let watch = Watch::default();
    let run = run_with(
        &executor,
        &takes(ms(203)),
        Times::default(),
        &mut watch.clone(),
    )
    .await;
    assert_eq!(sure(run).aggregate.samples.len(), 250);
    assert_eq!(*watch.0.lock().unwrap(), expected);

    // An aggregate that cannot be copied shows the same.
    let watch = Watch::default();
    let run = run_with(&executor, &takes(ms(203)), Plain(0), &mut watch.clone()).await;
    assert_eq!(sure(run).aggregate.0, 250);
    assert_eq!(*watch.0.lock().unwrap(), expected);
}

/// Starts the load at an instant that all know.
struct StartAt(Instant);

impl<A> Observer<A> for StartAt {
    fn on_interval(&mut self, _: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        ControlFlow::Continue(())
    }
    fn on_ready(&mut self) -> BoxFuture<'_, Option<std::time::Instant>> {
        let at = self.0;
        Box::pin(async move {
            // As if others still connected.
            sleep_until(at - ms(100)).await;
            Some(at.into_std())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_start_on_one_t0() {
    let t0 = Instant::now() + secs(3);
    let go = || async move {
        let executor = flat(100.0, secs(1)).build().unwrap();
        let begun = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&begun);
        let action = support::does(move |_| {
            seen.lock().unwrap().push(Instant::now() - t0);
            async {}
        });
        let run = sure(run_with(&executor, &action, Times::default(), &mut StartAt(t0)).await);
        let begun = begun.lock().unwrap().clone();
        (run.aggregate.sorted(), begun)
    };
    let (one, other) = tokio::join!(go(), go());
    let expected: Vec<Duration> = (0..100).map(|n| ms(10 * n)).collect();
    for (samples, begun) in [one, other] {
        assert_eq!(begun, expected);
        assert!(samples.iter().all(|s| s.start == s.iteration.due));
    }
}
