//! Operations of an iteration have rows of their own, and the total none of
//! them.
#![expect(
    clippy::unwrap_used,
    reason = "what the helpers are given is known to be right"
)]

use std::{borrow::Cow, ops::ControlFlow, time::Duration};

use karga_core::{
    Account, Aggregate, Count, Iteration, Merge, Metric, Observer, Outcome, Part, Report, Run,
    Sample, Snapshot, Volume,
};
use karga_stats::{HistogramAggregate, Summary, Thresholds};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A flow whose metric gives the sums of its parts, as a metric has to.
struct Flow {
    label: Option<&'static str>,
    parts: Vec<Part>,
    counts: Vec<Count>,
}

impl Flow {
    fn new(parts: impl Into<Vec<Part>>) -> Self {
        let parts = parts.into();
        let counts = parts.iter().flat_map(|part| part.counts.iter().copied());
        Self {
            label: None,
            counts: counts.collect(),
            parts,
        }
    }
}

impl Metric for Flow {
    fn outcome(&self) -> Outcome {
        let outcomes = self.parts.iter().map(|part| part.outcome);
        outcomes.max().unwrap_or(Outcome::Success)
    }
    fn volume(&self) -> Volume {
        Volume::new(
            self.parts.iter().map(|part| part.volume.messages).sum(),
            0,
            0,
        )
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.parts.iter().find_map(|part| part.error_class.clone())
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.map(Cow::Borrowed)
    }
    fn parts(&self) -> &[Part] {
        &self.parts
    }
    fn counts(&self) -> &[Count] {
        &self.counts
    }
}

/// A part that sends one message.
fn part(label: &'static str, start: u64, end: u64) -> Part {
    let mut part = Part::new(label, ms(start), ms(end));
    part.volume = Volume::new(1, 0, 0);
    part
}

/// Due at 100 ms, 20 ms late, and done at 2,220 ms: logs in for 80 ms, then
/// searches for 1,920 ms, then fails to buy for 100 ms.
fn purchase() -> Sample<Flow> {
    let mut buy = part("buy", 2_000, 2_100);
    (buy.outcome, buy.error_class) = (Outcome::Failure, Some("http 503".into()));
    buy.counts = vec![Count::new("retries", 2)].into();
    let parts = [part("login", 0, 80), part("search", 80, 2_000), buy];
    let iteration = Iteration::new(0, 0, ms(100));
    Sample::new(iteration, ms(120), ms(2_220), Flow::new(parts))
}

fn recorded(samples: &[Sample<Flow>]) -> HistogramAggregate {
    let mut aggregate = HistogramAggregate::default();
    samples.iter().for_each(|sample| aggregate.record(sample));
    aggregate
}

#[test]
fn parts_that_cover_an_iteration_add_up_to_it() {
    let aggregate = recorded(&[purchase()]);
    let rows: Vec<_> = aggregate
        .labels()
        .map(|(label, stats)| {
            let times = [
                stats.response_time(),
                stats.service_time(),
                stats.lateness(),
            ];
            (label, times.map(|times| times.max().as_millis()))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("buy", [100, 100, 0]),
            ("login", [100, 80, 20]),
            ("search", [1_920, 1_920, 0]),
        ]
    );
    let sum: Duration = aggregate
        .labels()
        .map(|(_, stats)| stats.response_time().max())
        .sum();
    assert_eq!(sum, aggregate.response_time().max());
}

#[test]
fn the_total_has_what_the_metric_says_and_nothing_twice() {
    let aggregate = recorded(&[purchase()]);
    assert_eq!(aggregate.outcomes().completed(), 1);
    assert_eq!(aggregate.response_time().count(), 1);
    assert_eq!(aggregate.volume(), Volume::new(3, 0, 0));
    assert_eq!(aggregate.errors().collect::<Vec<_>>(), [("http 503", 1)]);
    assert_eq!(aggregate.counts().collect::<Vec<_>>(), [("retries", 2)]);
    let (label, buy) = aggregate.labels().next().unwrap();
    assert_eq!((label, buy.outcomes().failed), ("buy", 1));
    assert_eq!(buy.volume(), Volume::new(1, 0, 0));
    assert_eq!(buy.errors().collect::<Vec<_>>(), [("http 503", 1)]);
    assert_eq!(buy.counts().collect::<Vec<_>>(), [("retries", 2)]);
}

#[test]
fn a_part_is_in_the_second_in_which_it_ended() {
    let slots: Vec<_> = recorded(&[purchase()])
        .timeline()
        .map(|slot| {
            let labels = slot.labels().map(|(label, _)| label.to_owned());
            let labels: Vec<_> = labels.collect();
            let counted = (slot.outcomes.completed(), slot.response_time.count());
            (slot.start.as_secs(), counted, labels.join(" "))
        })
        .collect();
    assert_eq!(
        slots,
        [
            (0, (0, 0), "login".to_owned()),
            (2, (1, 1), "buy search".to_owned()),
        ]
    );
    // What a metric claims to have ended after its iteration ended with it.
    let late = Flow::new([part("login", 0, 90_000)]);
    let iteration = Iteration::new(0, 0, ms(0));
    let aggregate = recorded(&[Sample::new(iteration, ms(0), ms(10), late)]);
    let starts: Vec<_> = aggregate.timeline().map(|slot| slot.start).collect();
    assert_eq!(starts, [ms(0)]);
}

#[test]
fn a_row_is_shared_by_iterations_and_parts() {
    let mut sample = purchase();
    sample.metric.label = Some("login");
    let aggregate = recorded(&[sample]);
    let (_, login) = aggregate.labels().find(|row| row.0 == "login").unwrap();
    assert_eq!(login.outcomes().completed(), 2);
    assert_eq!(login.response_time().max(), ms(2_120));
    assert_eq!(login.volume(), Volume::new(4, 0, 0));
    let last = aggregate.timeline().last().unwrap();
    assert_eq!(last.response_time.count(), 1);
}

#[test]
fn labels_of_parts_are_bounded_too() {
    let mut aggregate = HistogramAggregate::builder().labels(2).build().unwrap();
    let mut fork = aggregate.fork();
    fork.record(&purchase());
    aggregate.record(&purchase());
    aggregate.merge(fork);
    let rows = aggregate
        .labels()
        .map(|(label, stats)| (label, stats.outcomes().completed()));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [("buy", 2), ("login", 2), ("other", 2)]
    );
}

fn run() -> Run<HistogramAggregate> {
    let aggregate = recorded(&[purchase()]);
    Run::new("shop", aggregate, Account::new(1, 1, 0, 0), ms(2_220))
}

#[test]
fn a_summary_has_a_row_for_each() {
    let summary = Summary::derive(&run());
    let shop = &summary.scenarios[0];
    assert_eq!((shop.completed, shop.failed, shop.messages), (1, 1, 3));
    let rows = shop
        .labels
        .iter()
        .map(|row| (row.name.as_str(), row.failed));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [("buy", 1), ("login", 0), ("search", 0)]
    );
    let seconds = shop.timeline.iter().map(|slot| slot.completed);
    assert_eq!(seconds.collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn thresholds_find_a_part_by_its_label() {
    let thresholds = Thresholds::parse([
        "p99(response_time){label=\"login\"} <= 100ms",
        "max(lateness){label=\"search\"} < 1ns",
        "failures{label=\"buy\"} < 1%",
        "failures{label=\"pay\"} < 1%",
    ]);
    let judgements = thresholds.unwrap().judge_run(&run());
    let judged: Vec<_> = judgements
        .iter()
        .map(|judged| (judged.passed, judged.reason.as_str()))
        .collect();
    assert_eq!(
        judged,
        [
            (true, "it was 100 ms over 1 samples"),
            (true, "it was 0 ns over 1 samples"),
            (false, "it was 100.0 % (1 of 1 completed)"),
            (
                false,
                "no sample has the label \"pay\"; labels seen: buy, login, search"
            ),
        ]
    );
}

/// Ten searches in each iteration, of which a hundred are due each second:
/// those that are a little late leave ten times as many gaps in the row.
#[test]
fn a_window_gives_the_leeway_of_whole_iterations() {
    let search = || Flow::new(vec![part("search", 0, 1); 10]);
    let condition = "rate(completed){label=\"search\"} > 900/s";
    for (ended, stops) in [([100, 85, 115], false), ([100, 30, 30], true)] {
        let thresholds = Thresholds::parse([condition]).unwrap().abort();
        let mut thresholds = thresholds.window(ms(1_000)).grace(ms(0));
        let mut total = HistogramAggregate::default();
        let mut account = Account::new(25, 0, 0, 0);
        let mut stopped = false;
        for (second, ended) in ended.into_iter().enumerate() {
            let begin = ms(1_000 * second as u64);
            let mut interval = total.fork();
            for n in 0..ended {
                let iteration = Iteration::new(n, 0, begin);
                interval.record(&Sample::new(iteration, begin, begin + ms(1), search()));
            }
            total.merge(interval.clone());
            account.planned += 100;
            account.completed += ended;
            let mut snapshot = Snapshot::new("shop", begin + ms(1_000), &interval, &total);
            snapshot.account = account;
            stopped |= matches!(thresholds.on_interval(&snapshot), ControlFlow::Break(_));
        }
        assert_eq!(stopped, stops, "{ended:?}");
    }
}

#[cfg(feature = "hdr-log")]
mod log {
    use karga_stats::hdr_log;

    use super::*;

    fn written(run: &Run<HistogramAggregate>) -> String {
        let mut log = Vec::new();
        hdr_log::write(run, &mut log).unwrap();
        String::from_utf8(log).unwrap()
    }

    #[test]
    fn a_label_has_its_parts_under_its_tag_and_the_headline_has_not() {
        let mut shared = purchase();
        shared.metric.label = Some("login");
        let aggregate = recorded(&[purchase(), shared]);
        let run = Run::new("shop", aggregate, Account::new(2, 2, 0, 0), ms(2_220));
        let log = written(&run);
        let read = hdr_log::read(log.as_bytes()).unwrap();
        assert_eq!(read.aggregate, run.aggregate);
        let intervals = hdr_log::intervals(log.as_bytes()).unwrap();
        let count = |tag: Option<&str>| {
            let tagged = intervals
                .iter()
                .filter(|interval| interval.tag.as_deref() == tag);
            tagged
                .map(|interval| interval.histogram.count())
                .sum::<u64>()
        };
        assert_eq!(count(None), 2);
        assert_eq!(count(Some("login/response_time")), 3);
        assert_eq!(count(Some("login/service_time")), 3);
        assert_eq!(count(Some("search/response_time")), 2);
    }

    #[test]
    fn without_parts_a_log_is_what_it_was() {
        let sample = purchase();
        let mut aggregate = HistogramAggregate::default();
        aggregate.record(&Sample::new(sample.iteration, sample.start, sample.end, ()));
        let run = Run::new("shop", aggregate, Account::new(1, 1, 0, 0), ms(2_220));
        assert!(!written(&run).contains("parts"));
    }

    #[test]
    fn what_contradicts_is_refused() {
        let log = written(&run());
        let mark = ",\"parts\":true";
        for (changed, reason) in [
            // Then they would belong to a total that is not there.
            (log.replace(mark, ""), "it counts more values than its slot"),
            (
                log.replacen(
                    "}]\nTag=service_time",
                    &format!("{mark}}}]\nTag=service_time"),
                    1,
                ),
                "only a label's response times can be those of parts",
            ),
            (
                log.replacen("\"slot\":0,", "\"slot\":1,", 1),
                "it does not cover slot 1",
            ),
            (
                log.replacen(
                    "\"volume\":{\"messages\":0",
                    "\"volume\":{\"messages\":9",
                    1,
                ),
                "it has a volume or a lag, but no iteration ended in it",
            ),
        ] {
            assert_ne!(changed, log);
            let error = hdr_log::read(changed.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        // A slot in which nothing ended at all.
        let lines: Vec<&str> = log.lines().collect();
        let at = lines.iter().position(|line| line.contains(mark)).unwrap();
        let rest = [&lines[..at], &lines[at + 2..]].concat().join("\n");
        let error = hdr_log::read(rest.as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains("slot 0 has no response times"),
            "{error}"
        );
    }
}
