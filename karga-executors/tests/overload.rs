//! A target that stalls, and what a late arrival says of its cause; exactly, on
//! a paused clock.

mod support;

use std::time::Duration;

use karga_core::Sample;
use karga_executors::OverloadPolicy;
use support::{Times, does, figures, flat, ms, run, secs, sure};
use tokio::time::{Instant, sleep_until};

/// Serves at once, but from 4 s to 6 s it answers nobody.
fn stalling()
-> impl karga_core::Scenario<Action: karga_core::Action<Metric = ()>, Error = std::convert::Infallible>
{
    let t0 = Instant::now();
    does(move |_| async move {
        let now = Instant::now() - t0;
        if (secs(4)..secs(6)).contains(&now) {
            sleep_until(t0 + secs(6)).await;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_in_every_response_time() {
    let run = sure(run(flat(1000.0, secs(10)), &stalling(), Times::default()).await);
    assert_eq!(figures(run.account), [10_000, 10_000, 0, 0]);
    // All 2000 that were due in the stall ended with it: response times of
    // 2000, 1999, ... 1 ms; all others had none.
    let mut response: Vec<Duration> = run
        .aggregate
        .samples
        .iter()
        .map(Sample::response_time)
        .collect();
    response.sort_unstable();
    assert_eq!(response[..8000], [Duration::ZERO; 8000]);
    let expected: Vec<Duration> = (1..=2000).map(ms).collect();
    assert_eq!(response[8000..], expected);
    // Service time sees only the 64 that were in flight.
    let stalled = run
        .aggregate
        .samples
        .iter()
        .filter(|s| s.service_time() > ms(1))
        .count();
    assert_eq!(stalled, 64);
    assert_eq!(run.generator.peak_in_flight, 64);
    // 1936 waited for a worker. Those due at 5990 ms or later were 10 ms late
    // at most, which is tolerated.
    assert_eq!(run.generator.late_with_all_busy, 1936 - 10);
    assert_eq!(run.generator.late_with_free_worker, 0);
}

#[tokio::test(start_paused = true)]
async fn with_drop_the_rest_is_true() {
    let policy = OverloadPolicy::Drop { max_lag: ms(500) };
    let settings = flat(1000.0, secs(10)).overload(policy);
    let run = sure(run(settings, &stalling(), Times::default()).await);
    // Those due from 4064 ms on waited for a worker until 6 s: the ones before
    // 5500 ms were let go.
    assert_eq!(figures(run.account), [10_000, 10_000 - 1436, 1436, 0]);
    let samples = run.aggregate.sorted();
    let dropped = (4064..5500).collect::<Vec<u64>>();
    assert!(
        samples
            .iter()
            .all(|s| !dropped.contains(&s.iteration.index))
    );
    for sample in samples {
        let due = sample.iteration.due;
        let expected = if (secs(4)..secs(6)).contains(&due) {
            secs(6) - due
        } else {
            Duration::ZERO
        };
        assert_eq!(sample.response_time(), expected, "{sample:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_is_not_the_generators_fault() {
    // 5 workers manage 50/s of 100/s.
    let action = support::takes(ms(100));
    let run = sure(run(flat(100.0, secs(10)).workers(5), &action, Times::default()).await);
    assert_eq!(figures(run.account), [1000, 1000, 0, 0]);
    assert_eq!(run.generator.late_with_free_worker, 0);
    let late = run
        .aggregate
        .samples
        .iter()
        .filter(|s| s.lateness() > ms(10))
        .count() as u64;
    assert_eq!(run.generator.late_with_all_busy, late);
    assert!(late > 980, "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_starved_generator_is_its_own_fault() {
    // One thread, and once an action takes the clock forward without waiting,
    // as one that computes for a second would.
    let action = does(|iteration| async move {
        if iteration.index == 500 {
            tokio::time::advance(secs(1)).await;
        }
    });
    let run = sure(run(flat(100.0, secs(10)), &action, Times::default()).await);
    assert_eq!(figures(run.account), [1000, 1000, 0, 0]);
    assert_eq!(run.generator.late_with_all_busy, 0);
    // Due at 5010 ... 5980 ms, begun at 6 s.
    let late = run
        .aggregate
        .samples
        .iter()
        .filter(|s| s.lateness() > ms(10))
        .count() as u64;
    assert_eq!(run.generator.late_with_free_worker, late);
    assert!((95..=99).contains(&late), "{late}");
}
