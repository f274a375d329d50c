//! What the benchmarks share: clocks, one line of figures for each measurement, and the medians.

#![allow(dead_code, reason = "each benchmark uses its own part of this module")]
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

pub mod bare;
pub mod ours;
pub mod rival;

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// User and system time of this whole process so far.
pub fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// The broker that `KARGA_KAFKA` names.
pub fn address() -> String {
    std::env::var("KARGA_KAFKA").unwrap_or_else(|_| "127.0.0.1:9092".to_owned())
}

/// Whether a contender is to be measured: its name holds one of the arguments, or there is none.
/// Options are Cargo's (`--bench`) and mean nothing here.
pub fn wanted(case: &str) -> bool {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .peekable();
    words.peek().is_none() || words.any(|word| case.contains(&word))
}

/// Prints a row for scripts and hands it back for the table.
pub fn print(row: Row) -> Row {
    println!("{}", row.json());
    row
}

/// Milliseconds since 1970: the timestamp of a record. Retention would delete older ones.
pub fn unix_millis() -> Result<i64, Box<dyn Error>> {
    Ok(i64::try_from(
        SystemTime::UNIX_EPOCH.elapsed()?.as_millis(),
    )?)
}

/// A whole number from the environment, or `default`.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a whole number")),
        Err(_) => default,
    }
}

/// One measurement of one contender in one round.
pub struct Row {
    /// Which figure this belongs to; ratios are taken within a bench.
    pub bench: &'static str,
    /// Which contender was measured.
    pub case: &'static str,
    /// Messages that were acknowledged or read.
    pub messages: u64,
    /// Wall time.
    pub elapsed: Duration,
    /// CPU time of this process, user and system.
    pub cpu: Duration,
    /// Median and 99th percentile of the time of one request, where requests were timed.
    pub latency: Option<(Duration, Duration)>,
}

impl Row {
    /// Messages per second of wall time.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of CPU time for each message.
    pub fn cpu_per_message(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.messages as f64
    }

    /// The row as one line of JSON: what scripts read.
    pub fn json(&self) -> String {
        let mut line = format!(
            r#"{{"bench":"{}","case":"{}","messages":{},"seconds":{:.6},"per_second":{:.1},"cpu_seconds":{:.6},"cpu_us_per_message":{:.4}"#,
            self.bench,
            self.case,
            self.messages,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.cpu.as_secs_f64(),
            self.cpu_per_message(),
        );
        if let Some((p50, p99)) = self.latency {
            let _ = write!(
                line,
                r#","p50_us":{:.2},"p99_us":{:.2}"#,
                p50.as_secs_f64() * 1e6,
                p99.as_secs_f64() * 1e6
            );
        }
        line.push('}');
        line
    }
}

/// Times one contender: requests one by one, and the whole in wall and CPU time.
pub struct Watch {
    running: Option<(Instant, Duration)>,
    elapsed: Duration,
    cpu: Duration,
    requests: Vec<Duration>,
}

impl Watch {
    /// Not running yet, with room for `requests` times so that none is allocated while measuring.
    pub fn new(requests: usize) -> Self {
        Self {
            running: None,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            requests: Vec::with_capacity(requests),
        }
    }

    /// Running from now on.
    pub fn start(requests: usize) -> Self {
        let mut watch = Self::new(requests);
        watch.resume();
        watch
    }

    /// Goes on: this contender's turn begins.
    pub fn resume(&mut self) {
        self.running = Some((Instant::now(), cpu_time()));
    }

    /// Halts: this contender's turn ends.
    pub fn pause(&mut self) {
        if let Some((begun, cpu)) = self.running.take() {
            self.elapsed += begun.elapsed();
            self.cpu += cpu_time() - cpu;
        }
    }

    /// Notes the time of one request that began at `begun`.
    pub fn request(&mut self, begun: Instant) {
        self.requests.push(begun.elapsed());
    }

    /// Notes the times of many requests.
    pub fn requests(&mut self, times: Vec<Duration>) {
        self.requests.extend(times);
    }

    /// How many requests were noted.
    pub fn count(&self) -> usize {
        self.requests.len()
    }

    /// Ends the measurement.
    pub fn stop(mut self, bench: &'static str, case: &'static str, messages: u64) -> Row {
        self.pause();
        self.requests.sort_unstable();
        let at = |share: f64| {
            let index = (self.requests.len() as f64 * share).ceil() as usize;
            self.requests.get(index.saturating_sub(1)).copied()
        };
        let latency = at(0.5).zip(at(0.99));
        Row {
            bench,
            case,
            messages,
            elapsed: self.elapsed,
            cpu: self.cpu,
            latency,
        }
    }
}

/// The middle of the values; the mean of the middle two when their number is even.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// A Markdown table of the medians over all rounds, cases in the order of their first row.
pub fn table(rows: &[Row]) -> String {
    let mut cases: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !cases.contains(&(row.bench, row.case)) {
            cases.push((row.bench, row.case));
        }
    }
    let mut text = String::from(
        "| measured | contender | messages/s | CPU per message, us | p50, us | p99, us |\n|---|---|--:|--:|--:|--:|\n",
    );
    for (bench, case) in cases {
        let of = |figure: &dyn Fn(&Row) -> Option<f64>| {
            let values: Vec<f64> = rows
                .iter()
                .filter(|row| (row.bench, row.case) == (bench, case))
                .filter_map(figure)
                .collect();
            (!values.is_empty()).then(|| median(values))
        };
        let cell = |value: Option<f64>, digits: usize| {
            value.map_or(String::new(), |value| format!("{value:.digits$}"))
        };
        let _ = writeln!(
            text,
            "| {bench} | {case} | {} | {} | {} | {} |",
            cell(of(&|row| Some(row.rate())), 0),
            cell(of(&|row| Some(row.cpu_per_message())), 3),
            cell(of(&|row| row.latency.map(|l| l.0.as_secs_f64() * 1e6)), 1),
            cell(of(&|row| row.latency.map(|l| l.1.as_secs_f64() * 1e6)), 1),
        );
    }
    text
}
