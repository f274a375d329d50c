//! What a person sees while a test runs, where there is no terminal.
#![cfg(feature = "progress")]

mod common;

use std::{ops::ControlFlow, time::Duration};

use common::{Screen, Told, aggregate, ms};
use karga_core::{Account, LoadModel, Observer, Plan, Snapshot, StopReason};
use karga_reporters::Progress;
use karga_stats::HistogramAggregate;

fn snapshot<'a>(
    name: &'a str,
    interval: &'a HistogramAggregate,
    total: &'a HistogramAggregate,
) -> Snapshot<'a, HistogramAggregate> {
    let mut snapshot = Snapshot::new(name, ms(4_000), interval, total);
    snapshot.plan = Plan::new(Some(10_000), Some(ms(10_000)), 64);
    snapshot.interval_length = ms(1_000);
    snapshot.account = Account::new(1_000, 998, 0, 0);
    snapshot.in_flight = 3;
    snapshot
}

fn lines(snapshots: &[Snapshot<'_, HistogramAggregate>]) -> String {
    let screen = Screen::default();
    let mut progress = Progress::to_writer(screen.clone());
    for snapshot in snapshots {
        assert_eq!(progress.on_interval(snapshot), ControlFlow::Continue(()));
    }
    let text = screen.text();
    for line in text.lines() {
        let width = console::measure_text_width(line);
        assert!(width <= 80, "{width} columns: {line}");
    }
    text
}

fn failed(n: u64) -> Told {
    Told {
        class: (n < 7).then_some("refused"),
        ..Told::default()
    }
}

#[test]
fn one_line_for_each_interval() {
    let (interval, total) = (
        aggregate(998, |_| Told::default()),
        aggregate(4_000, failed),
    );
    let going = snapshot("produce", &interval, &total);
    let mut waiting = snapshot("fetch", &interval, &total);
    waiting.plan = Plan::new(None, None, 1);
    waiting.account.planned = 2_000;
    insta::assert_snapshot!(lines(&[going, waiting]));
}

#[test]
fn while_the_load_rises_both_rates_are_those_of_the_interval() {
    let interval = aggregate(1_500, |_| Told::default());
    let first = snapshot("produce", &interval, &interval);
    let mut second = snapshot("produce", &interval, &interval);
    second.account.planned = 2_500;
    let text = lines(&[first, second]);
    let rates: Vec<_> = text.lines().map(|line| &line[21..38]).collect();
    assert_eq!(rates, ["1,500 of 1,000/s ", "1,500 of 1,500/s "]);
}

#[test]
fn a_consumer_shows_its_lag() {
    let lagging = aggregate(998, |n| Told {
        lag: Some(n * 100),
        ..Told::default()
    });
    let usual = snapshot("fetch", &lagging, &lagging);
    let mut long = snapshot("fetch", &lagging, &lagging);
    long.plan = Plan::new(None, Some(ms(3_600_000)), 64);
    (long.elapsed, long.in_flight) = (ms(1_800_000), 1_234);
    long.account.planned = 98_765;
    insta::assert_snapshot!(lines(&[usual, long]));
}

#[test]
fn a_warm_up_shows_what_is_left_of_it() {
    let (nothing, some) = (
        HistogramAggregate::default(),
        aggregate(998, |_| Told::default()),
    );
    let mut warming = Snapshot::new("produce", Duration::ZERO, &nothing, &nothing);
    warming.plan = Plan::new(Some(10_000), Some(ms(10_000)), 64);
    warming.warm_up_left = Some(ms(2_500));
    let mut first = snapshot("produce", &some, &some);
    first.elapsed = ms(1_000);
    let mut stopped = Snapshot::new("produce", Duration::ZERO, &nothing, &nothing);
    (stopped.plan, stopped.warm_up_left) = (warming.plan, warming.warm_up_left);
    stopped.stopped = Some(&StopReason::CtrlC);
    insta::assert_snapshot!(lines(&[warming, first, stopped]), @"
    produce  0.0/10.0 s  warm-up, 2.5 s left
    produce  1.0/10.0 s  998 of 1,000/s  3 in flight  p99 3.03 ms  0 errors
    produce  0.0/10.0 s  stopped by Ctrl-C: 0 of 0 arrivals  0 errors
    ");
}

#[test]
fn in_closed_load_there_are_users_and_no_offered_rate() {
    let some = aggregate(998, failed);
    let nothing = HistogramAggregate::default();
    let of = |interval| {
        let mut snapshot = snapshot("users", interval, &some);
        (snapshot.model, snapshot.plan.workers) = (LoadModel::Closed, 20);
        snapshot
    };
    let going = of(&some);
    // A stall: every user waits, and so does the load; it is not over.
    let mut stalled = of(&nothing);
    stalled.in_flight = 20;
    let mut beyond = of(&nothing);
    (beyond.elapsed, beyond.in_flight) = (ms(10_100), 2);
    let mut done = of(&nothing);
    done.stopped = Some(&StopReason::Completed);
    let mut paced = of(&some);
    (paced.model, paced.account.planned) = (LoadModel::Paced, 2_000);
    insta::assert_snapshot!(lines(&[going, stalled, beyond, done, paced]), @"
    users    4.0/10.0 s  998/s  3 of 20 users busy  p99 3.03 ms  7 errors
    users    4.0/10.0 s  0/s  20 of 20 users busy  p99 -  7 errors
    users    10.1/10.0 s  0/s  waiting for 2 in flight  p99 -  7 errors
    users    4.0/10.0 s  completed: 998 of 1,000 iterations  7 errors
    users    4.0/10.0 s  998 of 1,000/s  3 of 20 users busy  p99 3.03 ms  7 errors
    ");
}

#[test]
fn any_aggregate_with_histograms_will_do() {
    let screen = Screen::default();
    let with_more = (aggregate(998, |_| Told::default()), ());
    let mut progress = Progress::to_writer(screen.clone());
    let mut snapshot = Snapshot::new("produce", ms(1_000), &with_more, &with_more);
    (snapshot.interval_length, snapshot.account.planned) = (ms(1_000), 998);
    let flow = progress.on_interval(&snapshot);
    assert_eq!(flow, ControlFlow::Continue(()));
    assert!(screen.text().contains("998 of 998/s"), "{}", screen.text());
}

#[test]
fn a_second_in_which_nothing_ended_has_no_p99() {
    let (interval, total) = (HistogramAggregate::default(), aggregate(4_000, failed));
    insta::assert_snapshot!(lines(&[snapshot("produce", &interval, &total)]));
}

#[test]
fn when_no_more_is_due_it_says_what_it_waits_for() {
    let (some, nothing) = (
        aggregate(40, |n| failed(n + 6)),
        HistogramAggregate::default(),
    );
    let going = snapshot("produce", &some, &some);
    // Stopped in the midst of an interval: arrivals were due in it.
    let mut stopping = snapshot("produce", &some, &some);
    stopping.account.planned = 1_500;
    // The overdue ones are worked off, then the last are waited for.
    let mut working_off = snapshot("produce", &some, &some);
    working_off.account.planned = 1_500;
    let mut silent = snapshot("produce", &nothing, &some);
    silent.account.planned = 1_500;
    // Beyond the plan, whatever the schedule says of its rate.
    let mut beyond = snapshot("produce", &nothing, &some);
    (beyond.account.planned, beyond.offered_rate) = (1_500, 500.0);
    beyond.elapsed = ms(12_000);
    // A slow schedule: nothing was due just now, but something will be.
    let mut slow = snapshot("produce", &nothing, &some);
    (slow.account.planned, slow.offered_rate) = (1_500, 0.1);
    let mut done = snapshot("produce", &nothing, &some);
    (done.account.planned, done.in_flight) = (1_500, 0);
    insta::assert_snapshot!(lines(&[
        going,
        stopping,
        working_off,
        silent,
        beyond,
        slow,
        done
    ]));
}

#[test]
fn the_last_line_says_how_it_ended() {
    let total = aggregate(4_000, |_| Told::default());
    let ends = [
        StopReason::Completed,
        StopReason::CtrlC,
        StopReason::Observer("p99 of the response time was above 50 ms for five seconds".into()),
    ];
    let snapshots: Vec<_> = ends
        .iter()
        .map(|end| {
            let mut snapshot = snapshot("produce", &total, &total);
            snapshot.stopped = Some(end);
            snapshot
        })
        .collect();
    insta::assert_snapshot!(lines(&snapshots));
}

#[test]
fn the_greatest_of_all_numbers_fit() {
    let total = aggregate(4_000, |n| Told {
        lag: Some(u64::MAX - n),
        ..failed(n)
    });
    let name = "漢字".repeat(20) + "\n\x1b[2J";
    let mut snapshot = snapshot(&name, &total, &total);
    snapshot.plan.duration = Some(Duration::MAX);
    (snapshot.elapsed, snapshot.interval_length) = (Duration::MAX, Duration::MAX);
    (snapshot.in_flight, snapshot.account.planned) = (u64::MAX, u64::MAX);
    // The second time nothing more is due: it waits.
    let mut again = Snapshot::new(&name, Duration::MAX, &total, &total);
    (again.account, again.plan) = (snapshot.account, snapshot.plan);
    (again.in_flight, again.interval_length) = (u64::MAX, ms(1));
    let text = lines(&[snapshot, again]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("waiting for 18,447P"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn clones_write_to_one_display_without_tearing_lines() {
    let screen = Screen::default();
    let progress = Progress::to_writer(screen.clone());
    let total = aggregate(100, |_| Told::default());
    std::thread::scope(|scope| {
        for name in ["produce", "fetch"] {
            let (mut progress, total) = (progress.clone(), &total);
            scope.spawn(move || {
                for _ in 0..50 {
                    let _ = progress.on_interval(&snapshot(name, total, total));
                }
            });
        }
    });
    let text = screen.text();
    for name in ["produce ", "fetch "] {
        let lines = text.lines().filter(|line| line.starts_with(name));
        assert_eq!(lines.count(), 50, "{text}");
    }
    assert_eq!(text.lines().count(), 100);
}

#[test]
fn a_closed_pipe_does_not_stop_the_run() {
    let mut screen = Screen::default();
    screen.closed = true;
    let total = aggregate(100, |_| Told::default());
    let mut progress = Progress::to_writer(screen);
    let flow = progress.on_interval(&snapshot("produce", &total, &total));
    assert_eq!(flow, ControlFlow::Continue(()));
}
