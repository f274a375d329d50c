//! Recorded arrivals under load, exactly, on a paused clock.

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

use karga_core::{
    Account, Arrivals, Executor, InvalidOr, LoadModel, Observer, Run, Sample, Scenario, Snapshot,
    StopReason,
};
use karga_executors::{
    MAX_WORKERS, OverloadPolicy, Recording, ReplayExecutor, ReplayExecutorBuilder,
    ReplayExecutorError, StageExecutor,
};
use support::{BreakAt, Times, does, figures, ms, secs, sure, takes};
use tokio::time::sleep_until;

fn recording(times: impl IntoIterator<Item = u64>) -> Recording {
    Recording::from_times(times.into_iter().map(ms)).unwrap()
}

/// Ctrl-C is left to a test binary of its own.
fn replay(times: impl IntoIterator<Item = u64>) -> ReplayExecutorBuilder {
    ReplayExecutor::builder(recording(times)).stop_on_ctrl_c(false)
}

/// Bursts and gaps.
const TIMES: [u64; 8] = [3, 10, 10, 10, 250, 1000, 1001, 4000];

async fn run<S>(replay: ReplayExecutorBuilder, scenario: &S) -> Run<Times>
where
    S: Scenario<Error = std::convert::Infallible>,
{
    let executor = replay.build().unwrap();
    let run = sure(executor.execute(scenario, Times::default(), &mut ()).await);
    assert!(run.account.is_balanced(), "{:?}", run.account);
    run
}

/// Number, due time and start of all samples, in order.
fn starts(run: Run<Times>) -> Vec<(u64, Duration, Duration)> {
    let samples = run.aggregate.sorted().into_iter();
    samples
        .map(|s| (s.iteration.index, s.iteration.due, s.start))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn arrivals_happen_when_they_were_recorded() {
    let run = run(replay(TIMES), &takes(ms(20))).await;
    assert_eq!(figures(run.account), [8, 8, 0, 0]);
    assert_eq!(run.model, LoadModel::Open);
    assert_eq!((run.load_time, run.elapsed), (ms(4000), ms(4020)));
    assert_eq!(run.stop, StopReason::Completed);
    let expected: Vec<_> = (0..).zip(TIMES).map(|(n, t)| (n, ms(t), ms(t))).collect();
    assert_eq!(starts(run), expected);
}

#[tokio::test(start_paused = true)]
async fn speed_is_a_factor() {
    // A millisecond that was recorded is so many microseconds.
    for (speed, micros) in [(2.0, 500), (0.5, 2000), (10.0, 100)] {
        let run = run(replay(TIMES).speed(speed), &takes(ms(20))).await;
        assert_eq!(run.load_time, Duration::from_micros(4000 * micros));
        for (index, due, start) in starts(run) {
            assert_eq!(due, Duration::from_micros(TIMES[index as usize] * micros));
            // Tokio's timer rounds up to a millisecond.
            assert!(start >= due && start - due < ms(1), "{due:?}, {start:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slices_share_the_recording_out() {
    let times: Vec<u64> = (0..100).map(|n| n * n).collect();
    let mut all = Vec::new();
    for i in 0..3 {
        let run = run(replay(times.clone()).slice(i, 3), &takes(ms(1))).await;
        assert_eq!(run.account.planned, [34, 33, 33][i as usize]);
        assert_eq!(
            run.load_time,
            ms(99 * 99),
            "each lasts as long as the whole"
        );
        all.extend(starts(run));
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..).zip(times).map(|(n, t)| (n, ms(t), ms(t))).collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn the_duration_cuts_or_extends() {
    let cut = run(replay(TIMES).duration(ms(1000)), &takes(ms(1))).await;
    assert_eq!(figures(cut.account), [6, 6, 0, 0]);
    assert_eq!(cut.load_time, secs(1));
    let longer = run(replay(TIMES).duration(secs(60)).speed(2.0), &takes(ms(1))).await;
    assert_eq!(figures(longer.account), [8, 8, 0, 0]);
    assert_eq!((longer.load_time, longer.elapsed), (secs(30), secs(30)));
    // A burst lasts no time by itself.
    let burst = run(replay([0; 100]).duration(secs(1)), &takes(ms(1))).await;
    assert_eq!(figures(burst.account), [100, 100, 0, 0]);
    assert_eq!(burst.load_time, secs(1));
}

#[tokio::test(start_paused = true)]
async fn random_arrivals_are_replayed_as_they_were() {
    let staged = StageExecutor::ramp(0.0, 200.0, secs(10))
        .arrivals(Arrivals::Poisson { seed: 4 })
        .stop_on_ctrl_c(false);
    let first = sure(support::run(staged, &takes(ms(50)), Times::default()).await);
    let mut times: Vec<_> = first
        .aggregate
        .samples
        .iter()
        .map(|s| s.iteration.due)
        .collect();
    times.sort_unstable();
    let mut file = Vec::new();
    Recording::from_times(times)
        .unwrap()
        .write(&mut file)
        .unwrap();
    let recording = Recording::from_reader(file.as_slice()).unwrap();
    let again = ReplayExecutor::builder(recording).stop_on_ctrl_c(false);
    let again = run(again, &takes(ms(50))).await;
    assert_eq!(starts(again), starts(first));
}

/// Serves at once, but from 4 s to 6 s it answers nobody.
fn stalling()
-> impl Scenario<Action: karga_core::Action<Metric = ()>, Error = std::convert::Infallible> {
    let t0 = tokio::time::Instant::now();
    does(move |_| async move {
        let now = tokio::time::Instant::now() - t0;
        if (secs(4)..secs(6)).contains(&now) {
            sleep_until(t0 + secs(6)).await;
        }
    })
}

/// 1000/s for 10 s, recorded.
fn steady() -> ReplayExecutorBuilder {
    replay(0..10_000)
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_in_every_response_time() {
    let run = run(steady(), &stalling()).await;
    assert_eq!(figures(run.account), [10_000, 10_000, 0, 0]);
    let mut response: Vec<_> = run
        .aggregate
        .samples
        .iter()
        .map(Sample::response_time)
        .collect();
    response.sort_unstable();
    assert_eq!(response[..8000], [Duration::ZERO; 8000]);
    assert_eq!(response[8000..], (1..=2000).map(ms).collect::<Vec<_>>());
    assert_eq!(run.generator.peak_in_flight, 64);
    assert_eq!(run.generator.late_with_free_worker, 0);
}

#[tokio::test(start_paused = true)]
async fn with_drop_those_who_waited_too_long_are_let_go() {
    let policy = OverloadPolicy::Drop { max_lag: ms(500) };
    let run = run(steady().overload(policy), &stalling()).await;
    // 64 hung; those due from 4064 to 5499 ms waited longer than 500 ms.
    assert_eq!(figures(run.account), [10_000, 10_000 - 1436, 1436, 0]);
    for sample in run.aggregate.sorted() {
        let n = sample.iteration.index;
        assert!(!(4064..5500).contains(&n), "{n}");
        let wait = if (4000..6000).contains(&n) {
            ms(6000 - n)
        } else {
            Duration::ZERO
        };
        assert_eq!(sample.response_time(), wait, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_stops_it() {
    let executor = replay(0..10_000)
        .graceful_stop(ms(30))
        .workers(10)
        .build()
        .unwrap();
    let handle = executor.handle();
    // Due at 0 ... 9 ms and for ever in flight; at 500 ms it is stopped.
    let hangs = does(move |iteration| {
        let handle = handle.clone();
        async move {
            if iteration.index == 3 {
                tokio::time::sleep(ms(497)).await;
                handle.stop();
            }
            std::future::pending::<()>().await;
        }
    });
    let run = sure(executor.execute(&hangs, Times::default(), &mut ()).await);
    assert_eq!(figures(run.account), [501, 0, 0, 501]);
    assert_eq!(run.stop, StopReason::Requested);
    assert_eq!((run.load_time, run.elapsed), (ms(500), ms(530)));
    // It is stopped for good.
    let again = sure(executor.execute(&hangs, Times::default(), &mut ()).await);
    assert_eq!(figures(again.account), [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_stops_it() {
    let executor = replay((0..1000).map(|n| 5 * n))
        .interval(ms(998))
        .build()
        .unwrap();
    let run = executor
        .execute(&takes(ms(1)), Times::default(), &mut BreakAt(2))
        .await;
    let run = sure(run);
    assert_eq!(figures(run.account), [400, 400, 0, 0]);
    assert_eq!(run.stop, StopReason::Observer("enough".into()));
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_is_kept_apart() {
    // At twice the speed: due at 1.5, 5, 5, 5, 125, 500, 500.5, 2000 ms.
    let settings = replay(TIMES).speed(2.0).warm_up(ms(125));
    let run = run(settings, &takes(ms(20))).await;
    assert_eq!(figures(run.account), [4, 4, 0, 0]);
    assert_eq!(run.load_time, ms(1875));
    let warm_up = run.warm_up.as_ref().unwrap();
    assert_eq!(figures(warm_up.account), [4, 4, 0, 0]);
    assert_eq!(warm_up.aggregate.samples.len(), 4);
    let dues: Vec<_> = starts(run)
        .into_iter()
        .map(|(n, due, _)| (n, due))
        .collect();
    let expected = [(4, 0), (5, 375_000), (6, 375_500), (7, 1_875_000)];
    assert_eq!(
        dues,
        expected.map(|(n, micros)| (n, Duration::from_micros(micros)))
    );
}

/// What the observer is told of the plan, and the rates.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Duration, u64, f64)>>>);

impl<A> Observer<A> for Told {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        assert_eq!(snapshot.plan.arrivals, Some(200));
        assert_eq!(snapshot.plan.duration, Some(ms(2990)));
        let Account { planned, .. } = snapshot.account;
        let told = (snapshot.elapsed, planned, snapshot.offered_rate);
        self.0.lock().unwrap().push(told);
        ControlFlow::Continue(())
    }
}

#[tokio::test(start_paused = true)]
async fn observers_see_the_recorded_rate() {
    // 100/s for a second, a second of silence, and 100/s again.
    let times = (0..100).chain(200..300).map(|n| 10 * n);
    let executor = replay(times).interval(ms(995)).build().unwrap();
    let told = Told::default();
    let run = executor.execute(&takes(ms(1)), (), &mut told.clone()).await;
    assert_eq!(figures(sure(run).account), [200, 200, 0, 0]);
    assert_eq!(
        *told.0.lock().unwrap(),
        [
            (ms(995), 100, 100.0),
            (ms(1990), 100, 0.0),
            (ms(2985), 199, 99.0),
            (ms(2991), 200, 0.0),
        ]
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    const NAN: f64 = f64::NAN;
    let epoch = || replay([1_763_719_200_120, 1_763_719_200_850]);
    for (builder, text) in [
        (
            replay(TIMES).speed(0.0),
            "speed 0: give a factor above zero, such as 2.0 for twice",
        ),
        (replay(TIMES).speed(-1.0), "speed -1: give"),
        (replay(TIMES).speed(NAN), "speed NaN: give"),
        (replay(TIMES).speed(f64::INFINITY), "speed inf: give"),
        (replay(TIMES).speed(1e-300), "4s at speed 0.000"),
        (
            replay(TIMES).speed(1e12),
            "4s at speed 1000000000000 would last less than 1 ns",
        ),
        (
            replay([0, 0, 0]),
            "what is to be replayed lasts 0 s: set a `duration` above zero",
        ),
        (
            replay(TIMES).duration(Duration::ZERO),
            "what is to be replayed lasts 0 s",
        ),
        (
            replay(TIMES).duration(ms(2)),
            "there is no arrival in the first 2ms, the first one is at 3ms",
        ),
        (
            epoch(),
            "the first arrival is 1763719200.12s after the start, which is more than a year",
        ),
        (
            replay(TIMES).slice(3, 3),
            "there is no slice 3 of 3: slices are numbered from 0",
        ),
        (replay(TIMES).slice(0, 0), "there is no slice 0 of 0"),
        (
            replay(TIMES).slice(9, 10),
            "slice 9 of 10 is empty, because there are 8 arrivals only",
        ),
        (
            replay(TIMES).workers(0),
            "0 workers can run nothing: set at least 1",
        ),
        (
            replay(TIMES).workers(MAX_WORKERS + 1),
            "1048577 workers are more than 2^20",
        ),
        (
            replay(TIMES).interval(Duration::ZERO),
            "an interval of 0 s cannot be observed",
        ),
        (
            replay(TIMES).warm_up(ms(4000)),
            "a warm-up of 4s leaves nothing of a load of 4s",
        ),
        (
            replay(TIMES).duration(secs(9)).warm_up(ms(4001)),
            "nothing happens after a warm-up of 4.001s",
        ),
        (
            replay(TIMES).slice(0, 8).warm_up(ms(4)),
            "nothing happens after a warm-up of 4ms",
        ),
    ] {
        let message = builder.build().unwrap_err().to_string();
        assert!(message.starts_with(text), "{message}");
    }
}

#[test]
fn extremes_that_make_sense_are_built() {
    let recording = recording([1_763_719_200_120, 1_763_719_200_850]);
    ReplayExecutor::builder(recording.without_lead())
        .build()
        .unwrap();
    replay([0, 1]).speed(1e6).build().unwrap();
    replay([0, 1])
        .speed(1e-9)
        .workers(MAX_WORKERS)
        .build()
        .unwrap();
    replay(TIMES)
        .duration(ms(3))
        .warm_up(ms(3) - Duration::from_nanos(1))
        .build()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_executor_that_runs_nothing() {
    let refused = replay(TIMES).speed(0.0).build();
    let run = refused.execute(&takes(ms(1)), (), &mut ()).await;
    let Err(InvalidOr::Invalid(error)) = run else {
        panic!("it ran");
    };
    assert_eq!(error, ReplayExecutorError::Speed { speed: 0.0 });
}

#[test]
fn its_future_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let executor = replay(TIMES).build().unwrap();
    let action = takes(ms(1));
    is_send(&executor.execute(&action, (), &mut ()));
}
