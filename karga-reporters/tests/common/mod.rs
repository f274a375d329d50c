//! Runs whose figures are known, for the tests of all reporters.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use karga_core::{
    Account, Aggregate, Count, GeneratorHealth, Iteration, Metric, Outcome, Part, Run, Sample,
    Step, StopReason, Volume,
};
use karga_stats::HistogramAggregate;

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A metric of which everything can be said.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) class: Option<&'static str>,
    pub(crate) label: Option<&'static str>,
    pub(crate) steps: Vec<Step>,
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: Vec<Count>,
    pub(crate) lag: Option<u64>,
    pub(crate) volume: Volume,
}

impl Metric for Told {
    fn outcome(&self) -> Outcome {
        match self.class {
            None => Outcome::Success,
            Some("timeout") => Outcome::Unknown,
            Some(_) => Outcome::Failure,
        }
    }
    fn volume(&self) -> Volume {
        self.volume
    }
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.map(Cow::Borrowed)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.map(Cow::Borrowed)
    }
    fn steps(&self) -> &[Step] {
        &self.steps
    }
    fn parts(&self) -> &[Part] {
        &self.parts
    }
    fn counts(&self) -> &[Count] {
        &self.counts
    }
    fn lag(&self) -> Option<u64> {
        self.lag
    }
}

/// One arrival every millisecond; each starts 50 µs late and takes 1 to 3 ms.
pub(crate) fn aggregate(arrivals: u64, metric: impl Fn(u64) -> Told) -> HistogramAggregate {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..arrivals {
        let due = ms(n);
        let start = due + Duration::from_micros(50);
        let end = start + Duration::from_micros(1_000 + 2 * (n * 7_919 % 1_000));
        aggregate.record(&Sample::new(
            Iteration::new(n, n % 8, due),
            start,
            end,
            metric(n),
        ));
    }
    aggregate
}

fn generator(cpu: Duration) -> GeneratorHealth {
    let mut generator = GeneratorHealth::default();
    generator.workers = 64;
    generator.peak_in_flight = 5;
    generator.tolerance = ms(10);
    generator.busy = Some(0.12);
    generator.cpu = Some(cpu);
    generator
}

fn finished(
    name: &str,
    aggregate: HistogramAggregate,
    account: Account,
) -> Run<HistogramAggregate> {
    let elapsed = ms(account.planned) + ms(2);
    let mut run = Run::new(name, aggregate, account, elapsed);
    run.load_time = ms(account.planned);
    run.generator = generator(ms(1_250));
    run
}

/// Ten seconds in which all went well.
pub(crate) fn healthy() -> Run<HistogramAggregate> {
    let aggregate = aggregate(10_000, |_| Told {
        volume: Volume::new(100, 104_000, 72),
        ..Told::default()
    });
    finished("produce", aggregate, Account::new(10_000, 10_000, 0, 0))
}

/// A consumer that falls behind, with steps.
pub(crate) fn lagging() -> Run<HistogramAggregate> {
    let aggregate = aggregate(10_000, |n| Told {
        volume: Volume::new(95, 120, 99_000),
        steps: vec![
            Step::new("wait", ms(1)),
            Step::new("decode", Duration::from_micros(80)),
        ],
        lag: Some(n * 5),
        ..Told::default()
    });
    finished("fetch", aggregate, Account::new(10_000, 10_000, 0, 0))
}

/// Failures of several classes, labels, counts, warnings; stopped by Ctrl-C.
pub(crate) fn failing() -> Run<HistogramAggregate> {
    let aggregate = aggregate(8_000, |n| Told {
        class: match n {
            _ if n % 40 == 7 => Some("NOT_LEADER_OR_FOLLOWER"),
            _ if n % 500 == 3 => Some("timeout"),
            _ if n > 7_990 => Some(
                "the broker said something that is far too long for a class of errors, but it \
                 has to be shown in whole all the same",
            ),
            _ => None,
        },
        label: Some(if n % 10 == 0 {
            "checkout of a whole basket"
        } else {
            "search"
        }),
        counts: vec![
            Count::new("retries", u64::from(n % 40 == 7)),
            Count::new("leader_changes", u64::from(n == 4_000)),
        ],
        ..Told::default()
    });
    let mut run = finished("shop", aggregate, Account::new(8_005, 8_000, 2, 3));
    run.stop = StopReason::CtrlC;
    run.warnings
        .push("the teardown failed: could not delete topic orders-7: the broker is gone".into());
    run
}

/// A generator that had no CPU.
pub(crate) fn saturated() -> Run<HistogramAggregate> {
    let mut run = healthy();
    run.name = "too much".into();
    run.generator.late_with_free_worker = 1_203;
    run
}

/// A run in which nothing was completed.
pub(crate) fn empty() -> Run<HistogramAggregate> {
    let account = Account::new(1_000, 0, 0, 1_000);
    finished("unanswered", HistogramAggregate::default(), account)
}

/// A writer whose text can be looked at, and which may be closed.
#[derive(Clone, Default)]
pub(crate) struct Screen {
    text: Arc<Mutex<Vec<u8>>>,
    pub(crate) closed: bool,
}

impl Screen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.text.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
