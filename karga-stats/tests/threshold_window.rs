//! Thresholds while a run goes on, interval by interval.
#![expect(
    clippy::unwrap_used,
    reason = "what the helpers are given is known to be right"
)]

use std::{borrow::Cow, ops::ControlFlow, time::Duration};

use karga_core::{
    Account, Aggregate, Iteration, Judgement, Merge, Metric, Observer, Outcome, Plan, Run, Sample,
    Snapshot, StopReason, Volume,
};
use karga_stats::{HistogramAggregate, Threshold, Thresholds, Time};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const SECOND: Duration = Duration::from_secs(1);

/// What an iteration of the tests was like.
#[derive(Clone, Copy)]
struct Request {
    fails: bool,
    label: Option<&'static str>,
    lag: Option<u64>,
}

const GOOD: Request = Request {
    fails: false,
    label: None,
    lag: None,
};

impl Metric for Request {
    fn outcome(&self) -> Outcome {
        match self.fails {
            true => Outcome::Failure,
            false => Outcome::Success,
        }
    }
    fn volume(&self) -> Volume {
        Volume::new(10, 1000, 0)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.map(Cow::Borrowed)
    }
    fn lag(&self) -> Option<u64> {
        self.lag
    }
}

/// A run that is told interval by interval.
#[derive(Default)]
struct Told {
    thresholds: Option<Thresholds>,
    elapsed: Duration,
    account: Account,
    total: HistogramAggregate,
    offered_rate: f64,
    plan: Plan,
    warm_up_left: Option<Duration>,
}

impl Told {
    fn by(thresholds: Thresholds) -> Self {
        Self {
            thresholds: Some(thresholds),
            ..Self::default()
        }
    }

    fn of(condition: &str) -> Self {
        Self::by(Thresholds::parse([condition]).unwrap().abort())
    }

    /// An interval of one second, in which so many arrivals were due and these
    /// were answered after these times. Gives why the run is to stop.
    fn second(
        &mut self,
        planned: u64,
        answers: impl IntoIterator<Item = (Duration, Request)>,
    ) -> Option<String> {
        let mut interval = self.total.fork();
        for (answer, request) in answers {
            let due = self.elapsed;
            let iteration = Iteration::new(self.account.completed, 0, due);
            interval.record(&Sample::new(iteration, due, due + answer, request));
            self.account.completed += 1;
        }
        self.account.planned += planned;
        self.elapsed += SECOND;
        self.total.merge(interval.clone());
        let mut snapshot = Snapshot::new("run", self.elapsed, &interval, &self.total);
        snapshot.interval_length = SECOND;
        snapshot.account = self.account;
        snapshot.offered_rate = self.offered_rate;
        snapshot.plan = self.plan;
        snapshot.warm_up_left = self.warm_up_left;
        match self.thresholds.as_mut().unwrap().on_interval(&snapshot) {
            ControlFlow::Continue(()) => None,
            ControlFlow::Break(StopReason::Observer(why)) => Some(why),
            ControlFlow::Break(other) => panic!("{other}"),
        }
    }

    /// As many answers of the same kind as were due.
    fn answered(&mut self, count: u64, answer: Duration) -> Option<String> {
        self.second(count, (0..count).map(|_| (answer, GOOD)))
    }

    /// So many seconds in which all is well.
    fn well(&mut self, seconds: u64, count: u64) {
        for _ in 0..seconds {
            assert_eq!(self.answered(count, ms(20)), None);
        }
    }

    fn judge(&mut self) -> Vec<Judgement> {
        let run = Run::new("run", self.total.clone(), self.account, self.elapsed);
        self.thresholds.as_mut().unwrap().judge(&run)
    }
}

#[test]
fn a_step_beyond_the_limit_stops_the_run_with_what_was_seen() {
    let mut told = Told::of("p99(response_time) < 250ms");
    told.well(30, 100);
    assert_eq!(
        told.answered(100, ms(312)).as_deref(),
        Some(
            "threshold p99(response_time) < 250ms: it was 312 ms over the last 10 s, 1,000 samples"
        )
    );
    // It is said once.
    assert_eq!(told.answered(100, ms(312)), None);
    let judgement = &told.judge()[0];
    assert!(!judgement.passed);
    assert_eq!(judgement.stopped_at, Some(31 * SECOND));
    assert_eq!(
        judgement.reason,
        "it was 312 ms over the last 10 s, 1,000 samples"
    );
}

#[test]
fn a_run_that_was_stopped_has_missed_it_though_the_whole_run_would_not() {
    let mut told = Told::of("p50(response_time) < 250ms");
    told.well(100, 10);
    let stopped = (0..10).find_map(|_| told.answered(10, ms(300)));
    assert!(stopped.is_some());
    let run = Run::new("run", told.total.clone(), told.account, told.elapsed);
    let whole = &told.thresholds.as_ref().unwrap().judge_run(&run)[0];
    assert!(whole.passed, "{}", whole.reason);
    let judgement = &told.judge()[0];
    assert!(!judgement.passed && judgement.stopped_at.is_some());
}

#[test]
fn nobody_is_stopped_who_did_not_ask_for_it() {
    let mut told = Told::by(Thresholds::parse(["p99(response_time) < 250ms"]).unwrap());
    told.well(10, 100);
    for _ in 0..20 {
        assert_eq!(told.answered(100, ms(300)), None);
    }
    let judgement = &told.judge()[0];
    assert!(!judgement.passed);
    assert_eq!(judgement.stopped_at, None);

    // One may ask for itself.
    let slow = Threshold::max(Time::Response).below(ms(250)).unwrap();
    let failing = Threshold::failures().exactly(0).unwrap().abort();
    assert!(failing.aborts() && !slow.aborts());
    let mut told = Told::by(Thresholds::new([slow, failing]));
    told.well(10, 100);
    assert_eq!(told.answered(100, ms(300)), None);
    let bad = Request {
        fails: true,
        ..GOOD
    };
    assert_eq!(
        told.second(1, [(ms(20), bad)]).as_deref(),
        Some("threshold failures == 0: it was 1")
    );
    let stopped: Vec<_> = told.judge().iter().map(|j| j.stopped_at).collect();
    assert_eq!(stopped, [None, Some(12 * SECOND)]);
    let set = Thresholds::parse(["failures == 0"]).unwrap();
    let mut told = Told::by(set.abort().abort_on_breach(false).grace(Duration::ZERO));
    assert_eq!(told.second(1, [(ms(20), bad)]), None);
}

#[test]
fn several_that_are_missed_at_once_are_all_named() {
    let conditions = ["max(response_time) < 250ms", "p50(response_time) < 100ms"];
    let mut told = Told::by(Thresholds::parse(conditions).unwrap().abort());
    told.well(10, 10);
    assert_eq!(
        told.answered(1000, ms(300)).as_deref(),
        Some(
            "threshold max(response_time) < 250ms: it was 300 ms over the last 10 s, 1,090 \
             samples; threshold p50(response_time) < 100ms: it was 300 ms over the last 10 s, \
             1,090 samples"
        )
    );
}

#[test]
fn no_run_is_stopped_within_its_grace_time() {
    let stops_after = |thresholds: Thresholds| {
        let mut told = Told::by(thresholds.abort());
        (1..=60).find(|_| told.answered(100, ms(300)).is_some())
    };
    let set = || Thresholds::parse(["p99(response_time) < 250ms"]).unwrap();
    assert_eq!(stops_after(set()), Some(10));
    assert_eq!(stops_after(set().window(5 * SECOND)), Some(5));
    assert_eq!(stops_after(set().grace(Duration::ZERO)), Some(1));
    assert_eq!(stops_after(set().grace(30 * SECOND)), Some(30));
    assert_eq!(
        stops_after(set().window(Duration::ZERO)),
        Some(1),
        "the newest interval is always in the window"
    );
}

#[test]
fn what_is_past_is_forgotten() {
    let set = Thresholds::parse(["p99(response_time) < 250ms"]).unwrap();
    let mut told = Told::by(set.abort().grace(15 * SECOND));
    for _ in 0..5 {
        assert_eq!(told.answered(100, ms(300)), None);
    }
    // Seconds 1 to 5 have left the window when the grace time is over.
    told.well(60, 100);
    let judgement = &told.judge()[0];
    // Over the whole run more than 1 % took too long.
    assert!(!judgement.passed && judgement.stopped_at.is_none());
}

#[test]
fn the_warm_up_is_not_judged() {
    let mut told = Told::of("max(response_time) < 250ms");
    told.warm_up_left = Some(SECOND);
    for _ in 0..20 {
        told.elapsed = Duration::ZERO;
        assert_eq!(told.answered(100, ms(300)), None);
    }
    told.warm_up_left = None;
    told.elapsed = Duration::ZERO;
    told.well(20, 100);
}

#[test]
fn a_few_samples_beyond_the_limit_may_be_chance() {
    // Of some ten samples one beyond a 99th percentile is no more than bad
    // luck; five are not.
    for (beyond, stops) in [(1, false), (4, false), (5, true)] {
        let mut told = Told::of("p99(response_time) < 250ms");
        told.well(9, 1);
        let answers = (0..beyond).map(|_| (ms(300), GOOD));
        assert_eq!(told.second(beyond, answers).is_some(), stops, "{beyond}");
    }
    // Of a thousand, 29 are not.
    for (beyond, stops) in [(11, false), (28, false), (29, true)] {
        let mut told = Told::of("p99(response_time) < 250ms");
        told.well(9, 100);
        let good = (0..100 - beyond).map(|_| (ms(20), GOOD));
        let answers = good.chain((0..beyond).map(|_| (ms(300), GOOD)));
        assert_eq!(told.second(100, answers).is_some(), stops, "{beyond}");
    }
    // Shares.
    let bad = Request {
        fails: true,
        ..GOOD
    };
    for (failing, stops) in [(1, false), (28, false), (29, true)] {
        let mut told = Told::of("failures < 1%");
        told.well(9, 100);
        let good = (0..100 - failing).map(|_| (ms(20), GOOD));
        let answers = good.chain((0..failing).map(|_| (ms(20), bad)));
        let stopped = told.second(100, answers);
        assert_eq!(stopped.is_some(), stops, "{failing}");
        if let Some(why) = stopped {
            assert_eq!(
                why,
                "threshold failures < 1%: it was 2.9 % (29 of 1,000 completed) over the last 10 s"
            );
        }
    }
    // None are allowed at all: the first one is no chance.
    for condition in ["failures == 0%", "failures <= 0%", "succeeded == 100%"] {
        let mut told = Told::of(condition);
        told.well(10, 100);
        assert!(told.second(1, [(ms(20), bad)]).is_some(), "{condition}");
    }
    // A lower bound, the other way round.
    let mut told = Told::of("p50(response_time) > 10ms");
    told.well(10, 2);
    let stops = (0..30).position(|_| told.answered(2, ms(5)).is_some());
    assert_eq!(stops, Some(9), "20 of 20");
}

#[test]
fn a_mean_is_missed_beyond_its_error() {
    let spread = |mean: u64| (0..100).map(move |n| (ms(mean - 50 + n), GOOD));
    let mut told = Told::of("mean(response_time) < 200ms");
    for _ in 0..20 {
        assert_eq!(told.second(100, spread(190)), None);
    }
    // 201 ms over 1000 samples spread over 100 ms is nothing to stop for.
    for _ in 0..20 {
        assert_eq!(told.second(100, spread(201)), None);
    }
    let stops = (0..20).position(|_| told.second(100, spread(210)).is_some());
    assert!(stops.is_some_and(|at| at < 9), "{stops:?}");
}

#[test]
fn counts_count_from_t0() {
    let bad = Request {
        fails: true,
        ..GOOD
    };
    let mut told = Told::of("failures < 3");
    told.well(10, 1);
    assert_eq!(told.second(1, [(ms(20), bad)]), None);
    told.well(60, 1);
    assert_eq!(told.second(1, [(ms(20), bad)]), None);
    told.well(60, 1);
    assert_eq!(
        told.second(1, [(ms(20), bad)]).as_deref(),
        Some("threshold failures < 3: it was 3")
    );

    // What has to be reached is judged at the end.
    for condition in ["completed > 1000", "completed == 1000", "failures != 0"] {
        let mut told = Told::of(condition);
        told.well(30, 10);
        let judgement = &told.judge()[0];
        assert!(
            !judgement.passed && judgement.stopped_at.is_none(),
            "{condition}"
        );
    }
    let mut told = Told::of("completed == 100");
    told.well(10, 10);
    assert!(told.answered(1, ms(20)).is_some());

    let mut told = Told::of("bytes_sent <= 100kB");
    told.well(10, 10);
    assert_eq!(
        told.answered(1, ms(20)).as_deref(),
        Some("threshold bytes_sent <= 100kB: it was 101,000 B")
    );
}

#[test]
fn silence_is_missed_by_rates_alone() {
    for (condition, stops) in [
        ("p99(response_time) < 250ms", None),
        ("mean(response_time) > 1ms", None),
        ("failures < 1%", None),
        ("dropped < 1%", None),
        ("lag < 5", None),
        (
            "rate(completed) > 50/s",
            Some("rate(completed) > 50/s: it was 49.0/s"),
        ),
        (
            "rate(messages) > 500/s",
            Some("rate(messages) > 500/s: it was 490.0/s"),
        ),
        (
            "rate(bytes_sent) > 50kB/s",
            Some("rate(bytes_sent) > 50kB/s: it was 49.0 kB/s"),
        ),
        (
            "achieved_rate > 50/s",
            Some("achieved_rate > 50/s: it was 49.0/s"),
        ),
    ] {
        let mut told = Told::of(condition);
        told.well(20, 70);
        let said = (0..30).find_map(|_| told.second(0, []));
        // 70/s in 7 of 10 seconds is 49/s.
        let expected = stops.map(|said| format!("threshold {said} over the last 10 s"));
        assert_eq!(said, expected, "{condition}");
    }
}

#[test]
fn an_upper_bound_of_a_rate_is_watched_too() {
    let mut told = Told::of("rate(messages) < 1k/s");
    told.well(20, 99);
    assert_eq!(
        told.answered(150, ms(20)),
        Some("threshold rate(messages) < 1k/s: it was 1,041/s over the last 10 s".to_owned())
    );
}

#[test]
fn answers_that_take_their_time_do_not_miss_a_share_of_the_offered_rate() {
    for condition in ["achieved_rate > 95%", "completed > 95%"] {
        // Every answer takes 5 s; the rate rises for 20 s, stays, falls.
        let mut told = Told::of(condition);
        let rates: Vec<u64> = (0..20).chain([20; 20]).chain((0..20).rev()).collect();
        for second in 0..rates.len() {
            let ended = second.checked_sub(5).map_or(0, |due| rates[due]);
            let answers = (0..ended).map(|_| (ms(5000), GOOD));
            assert_eq!(
                told.second(rates[second], answers),
                None,
                "{condition} {second}"
            );
        }
    }
}

#[test]
fn a_target_that_stalls_misses_the_share_of_the_offered_rate() {
    for condition in ["achieved_rate > 95%", "completed > 95%"] {
        let mut told = Told::of(condition);
        told.well(20, 100);
        let stops = (1..30).find(|_| told.second(100, []).is_some());
        // Of 1000, 100 are missing.
        assert_eq!(stops, Some(1), "{condition}");
    }
    // At a low rate what is under way is not what is missing.
    let mut told = Told::of("achieved_rate > 95%");
    told.well(20, 1);
    let stops = (1..30).find(|_| told.second(1, []).is_some());
    assert_eq!(stops, Some(2));
    let mut told = Told::of("achieved_rate > 95%");
    told.well(20, 100);
    assert_eq!(
        told.second(100, []).as_deref(),
        Some(
            "threshold achieved_rate > 95%: it was 90.0 % of the offered 100.0/s over the last \
             10 s"
        )
    );
    // Of 400 that are always under way, 81 may end a little later.
    let mut told = Told::of("achieved_rate > 95%");
    assert_eq!(told.second(400, []), None);
    told.well(30, 400);
    assert_eq!(told.second(400, (0..120).map(|_| (ms(20), GOOD))), None);
    assert!(told.second(400, []).is_some());
}

#[test]
fn a_window_shorter_than_the_interval_watches_shares_of_the_offered_rate_too() {
    for condition in ["achieved_rate > 95%", "completed > 95%"] {
        for window in [0, 100, 500, 501, 1000] {
            let thresholds = Thresholds::parse([condition]).unwrap().abort();
            let mut told = Told::by(thresholds.window(ms(window)));
            told.well(20, 100);
            let stops = (1..30).find(|_| told.second(100, []).is_some());
            assert_eq!(stops, Some(1), "{condition} over {window} ms");
        }
    }
}

#[test]
fn lag_is_the_newest_and_the_highest() {
    let lagging = |lag| {
        let request = Request {
            lag: Some(lag),
            ..GOOD
        };
        [(ms(20), request)]
    };
    let mut told = Told::of("lag < 1000");
    for lag in 990..=999 {
        assert_eq!(told.second(1, lagging(lag)), None);
    }
    assert_eq!(
        told.second(1, lagging(1000)).as_deref(),
        Some("threshold lag < 1k: it was 1,000 over the last 10 s")
    );
    let set = Thresholds::parse(["lag < 1000", "max(lag) < 1000"]).unwrap();
    let mut told = Told::by(set.abort().grace(2 * SECOND));
    assert_eq!(told.second(1, lagging(1000)), None);
    let why = told.second(1, lagging(0)).unwrap();
    assert_eq!(
        why,
        "threshold max(lag) < 1k: it was 1,000 over the last 2 s"
    );
}

#[test]
fn labels_are_watched_apart() {
    let of = |label: &'static str, answer| {
        let request = Request {
            label: Some(label),
            ..GOOD
        };
        (answer, request)
    };
    let mut told = Told::of("p99(response_time){label=\"login\"} < 250ms");
    for _ in 0..20 {
        let answers = [of("login", ms(20)), of("search", ms(900))];
        assert_eq!(told.second(2, answers), None);
    }
    for n in 1..=4 {
        let answers = [of("login", ms(900)), of("search", ms(20))];
        // Four of ten.
        assert_eq!(told.second(2, answers).is_some(), n == 4);
    }
    // A label that does not come misses nothing, but for its rate.
    let mut told = Told::of("p99(response_time){label=\"login\"} < 250ms");
    told.well(20, 100);
    let mut told = Told::of("rate(completed){label=\"login\"} > 1/s");
    let stops = (1..=30).find(|_| told.answered(100, ms(20)).is_some());
    assert_eq!(stops, Some(10));
}

#[test]
fn the_last_good_rate_was_offered_through_the_newest_window_that_held() {
    let set = Thresholds::parse(["p99(response_time) < 250ms", "max(lag) < 5"]).unwrap();
    let mut told = Told::by(set.window(SECOND));
    for rate in 1..=20 {
        told.offered_rate = 100.0 * f64::from(rate);
        let answer = if rate <= 12 { ms(20) } else { ms(300) };
        assert_eq!(told.answered(100, answer), None);
    }
    let judgements = told.judge();
    // At the end of the window that held last the rate was 1,200/s, and 1,100/s
    // at its beginning.
    assert_eq!(judgements[0].last_good_rate, Some(1100.0));
    // It never held, as nobody said a lag.
    assert_eq!(judgements[1].last_good_rate, None);
    assert!(!judgements[1].passed);
}

#[test]
fn a_load_that_is_over_is_not_stopped_any_more() {
    let mut told = Told::of("achieved_rate > 90/s");
    told.plan = Plan::new(Some(2000), Some(20 * SECOND), 64);
    told.well(20, 100);
    for _ in 0..20 {
        assert_eq!(told.second(0, []), None);
    }
}

#[test]
fn the_same_set_can_watch_another_run() {
    let mut told = Told::of("failures == 0");
    let bad = Request {
        fails: true,
        ..GOOD
    };
    told.well(10, 1);
    assert!(told.second(1, [(ms(20), bad)]).is_some());
    let copy = told.thresholds.clone().unwrap();
    assert!(!told.judge()[0].passed);

    // What was seen is neither copied nor kept.
    for set in [copy, told.thresholds.take().unwrap()] {
        let mut told = Told::by(set);
        told.well(20, 1);
        let judgement = &told.judge()[0];
        assert!(judgement.passed && judgement.stopped_at.is_none());
    }
}

#[test]
fn intervals_of_any_length_make_the_same_window() {
    for interval in [ms(10), ms(100), ms(700), ms(3000), ms(15_000)] {
        let set = Thresholds::parse(["max(response_time) < 250ms"]).unwrap();
        let mut thresholds = set.abort().grace(ms(60_000));
        let total = HistogramAggregate::default();
        let mut stopped = None;
        let mut elapsed = Duration::ZERO;
        // One bad answer early on, which must have left the window of 10 s
        // long before the grace time ends; one at 70 s, which must not.
        while elapsed < ms(100_000) && stopped.is_none() {
            let mut newest = total.fork();
            let next = elapsed + interval;
            for bad in [ms(5_000), ms(70_000)] {
                if (elapsed..next).contains(&bad) {
                    newest.record(&Sample::new(
                        Iteration::new(0, 0, bad),
                        bad,
                        bad + ms(300),
                        GOOD,
                    ));
                }
            }
            elapsed = next;
            let mut snapshot = Snapshot::new("run", elapsed, &newest, &total);
            snapshot.interval_length = interval;
            let flow = thresholds.on_interval(&snapshot);
            stopped = flow.is_break().then_some(elapsed);
        }
        let stopped = stopped.unwrap();
        assert!(
            stopped >= ms(70_000) && stopped < ms(70_000) + interval + interval,
            "{interval:?} {stopped:?}"
        );
    }
}
