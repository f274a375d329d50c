//! What one threshold needs of the newest part of a run.

use std::{collections::VecDeque, time::Duration};

use crate::{Histogram, Lag, histogram::Exact, sparse::Sparse};

/// Neighbours that are together no longer than this part of the window are put
/// together, so that there are at most twice as many.
const PARTS: u32 = 64;

/// What was recorded in one interval, or in several short ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) length: Duration,
    /// Arrivals that were due.
    pub(super) planned: u64,
    /// Arrivals that were due and had not ended when it began.
    pub(super) under_way: u64,
    /// Iterations that ended.
    pub(super) completed: u64,
    /// What the figure counts.
    pub(super) counted: u64,
    pub(super) lag: Option<Lag>,
    /// The least offered rate of its beginning and its end, if there is one.
    pub(super) offered_rate: Option<f64>,
    exact: Exact,
    buckets: Sparse,
}

impl Part {
    pub(super) fn new(length: Duration, planned: u64) -> Self {
        Self {
            length,
            planned,
            ..Self::default()
        }
    }

    /// The times that the figure is about.
    pub(super) fn with_times(mut self, times: &Histogram) -> Self {
        self.exact = times.exact();
        self.buckets = Sparse::of(times);
        self
    }

    fn merge(&mut self, other: Self) {
        self.length += other.length;
        self.planned += other.planned;
        self.completed += other.completed;
        self.counted = self.counted.saturating_add(other.counted);
        self.lag = later(self.lag, other.lag);
        self.offered_rate = least(self.offered_rate, other.offered_rate);
        self.exact.add(other.exact);
        self.buckets.merge(other.buckets);
    }
}

fn later(lag: Option<Lag>, other: Option<Lag>) -> Option<Lag> {
    match (lag, other) {
        (Some(mut lag), Some(other)) => {
            lag.merge(other);
            Some(lag)
        }
        (lag, other) => lag.or(other),
    }
}

fn least(rate: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (rate, other) {
        (Some(rate), Some(other)) => Some(rate.min(other)),
        (rate, other) => rate.or(other),
    }
}

/// The newest parts of a run, as long together as the window.
///
/// The buckets of all parts are kept as their sum, from which those of a part
/// that leaves are taken again: an interval costs as much as it has buckets,
/// however long the window is.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: VecDeque<Part>,
    times: Histogram,
    /// How long the parts before were, and what was planned in them; as long
    /// together as the window, the newest always.
    before: VecDeque<(Duration, u64)>,
}

impl Window {
    pub(super) fn push(&mut self, part: Part, length: Duration) {
        for (bucket, count) in part.buckets.pairs() {
            self.times.add_bucket(bucket, count);
        }
        match self.parts.back_mut() {
            Some(last) if part.length.is_zero() || last.length + part.length <= length / PARTS => {
                last.merge(part);
            }
            _ => self.parts.push_back(part),
        }
        self.let_go(length);
        let mut exact = Exact::default();
        for part in &self.parts {
            exact.add(part.exact);
        }
        self.times.set_exact(exact);
    }

    /// Lets parts go for as long as the others are as long as the window, give
    /// or take half of one.
    fn let_go(&mut self, length: Duration) {
        let mut total = self.length();
        while self.parts.len() > 1
            && let Some(first) = self.parts.front()
            && total.saturating_sub(first.length / 2) >= length
            && let Some(first) = self.parts.pop_front()
        {
            total -= first.length;
            for (bucket, count) in first.buckets.pairs() {
                self.times.remove_bucket(bucket, count);
            }
            self.before.push_back((first.length, first.planned));
        }
        let mut total: Duration = self.before.iter().map(|(length, _)| length).sum();
        // As of the parts, one stays, however short the window is: without it
        // there is nothing to compare with.
        while self.before.len() > 1
            && let Some(&(first, _)) = self.before.front()
            && total.saturating_sub(first / 2) >= length
        {
            total -= first;
            self.before.pop_front();
        }
    }

    pub(super) fn length(&self) -> Duration {
        self.parts.iter().map(|part| part.length).sum()
    }

    pub(super) fn planned(&self) -> u64 {
        self.parts.iter().map(|part| part.planned).sum()
    }

    pub(super) fn completed(&self) -> u64 {
        self.parts.iter().map(|part| part.completed).sum()
    }

    /// Arrivals that were due and had not ended when the window began.
    pub(super) fn under_way(&self) -> u64 {
        self.parts.front().map_or(0, |part| part.under_way)
    }

    pub(super) fn counted(&self) -> u64 {
        let counts = self.parts.iter().map(|part| part.counted);
        counts.fold(0, u64::saturating_add)
    }

    /// The latest lag and the highest.
    pub(super) fn lag(&self) -> Option<Lag> {
        let lags = self.parts.iter().map(|part| part.lag);
        lags.fold(None, later)
    }

    /// The rate that was offered, at least, all the time.
    pub(super) fn offered_rate(&self) -> Option<f64> {
        let rates = self.parts.iter().map(|part| part.offered_rate);
        rates.fold(None, least)
    }

    pub(super) const fn times(&self) -> &Histogram {
        &self.times
    }

    /// The least that was planned in any time as long as this window that ended
    /// up to one window ago. Before t0 nothing was.
    pub(super) fn least_planned(&self) -> u64 {
        if self.before.is_empty() {
            return 0;
        }
        let newest = self.length();
        let parts = self.parts.iter().map(|part| (part.length, part.planned));
        let all: Vec<(Duration, u64)> = self.before.iter().copied().chain(parts).collect();
        let mut least = u64::MAX;
        let (mut time, mut planned, mut first) = (Duration::ZERO, 0, 0);
        for (place, &(length, count)) in all.iter().enumerate() {
            time += length;
            planned += count;
            while first < place && time.saturating_sub(all[first].0 / 2) >= newest {
                time -= all[first].0;
                planned -= all[first].1;
                first += 1;
            }
            if place + 1 >= self.before.len() {
                least = least.min(planned);
            }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn part(length: u64, planned: u64, times: &[u64]) -> Part {
        let mut histogram = Histogram::new();
        for &time in times {
            histogram.record(ms(time));
        }
        Part {
            length: ms(length),
            planned,
            completed: times.len() as u64,
            ..Part::default()
        }
        .with_times(&histogram)
    }

    #[test]
    fn it_holds_the_newest_parts_and_forgets_the_others() {
        let mut window = Window::default();
        for n in 1..=20 {
            window.push(part(1000, n, &[n * 100, n * 50]), ms(3000));
            let first = n.saturating_sub(2).max(1);
            let mut expected = Histogram::new();
            for n in first..=n {
                expected.record(ms(n * 100));
                expected.record(ms(n * 50));
            }
            assert_eq!(*window.times(), expected);
            assert_eq!(window.planned(), (first..=n).sum::<u64>());
            assert_eq!(window.length(), ms(1000 * n.min(3)));
        }
    }

    #[test]
    fn intervals_that_are_a_little_off_leave_the_window_its_length() {
        let mut window = Window::default();
        for n in 0..50 {
            window.push(part(1000 + n % 7, 1, &[]), ms(10_000));
        }
        assert_eq!(window.planned(), 10);
    }

    #[test]
    fn short_intervals_are_put_together_and_long_ones_are_kept() {
        let mut window = Window::default();
        for n in 0..100_000 {
            window.push(part(1, 1, &[n % 5]), ms(10_000));
        }
        assert!(window.parts.len() <= 130, "{} parts", window.parts.len());
        assert!((9_850..=10_150).contains(&window.completed()));
        assert_eq!(window.times().count(), window.completed());
        window.push(part(60_000, 7, &[]), ms(10_000));
        assert_eq!((window.planned(), window.times().count()), (7, 0));
    }

    #[test]
    fn an_interval_of_no_length_joins_the_one_before() {
        let mut window = Window::default();
        window.push(part(0, 1, &[1]), ms(100));
        window.push(part(0, 1, &[2]), ms(100));
        assert_eq!((window.parts.len(), window.times().count()), (1, 2));
    }

    #[test]
    fn the_least_that_was_planned_reaches_one_window_back() {
        let mut window = Window::default();
        let mut least = |planned| {
            window.push(part(1000, planned, &[]), ms(3000));
            window.least_planned()
        };
        // Rising: the window that ended one window ago, of which t0 cut a part
        // off at first.
        let rising: Vec<u64> = [1, 2, 3, 4, 5, 6, 7].map(&mut least).to_vec();
        assert_eq!(rising, [0, 0, 0, 1, 3, 6, 9]);
        // Falling: the newest.
        let falling: Vec<u64> = [0, 0, 0, 0].map(&mut least).to_vec();
        assert_eq!(falling, [12, 7, 0, 0]);
    }

    #[test]
    fn a_window_shorter_than_the_interval_compares_with_the_one_before() {
        for length in [0, 1, 100, 500, 501, 1000] {
            let mut window = Window::default();
            let least = [5, 7, 6, 9, 0].map(|planned| {
                window.push(part(1000, planned, &[]), ms(length));
                assert_eq!(window.planned(), planned);
                window.least_planned()
            });
            assert_eq!(least, [0, 5, 6, 6, 0], "{length} ms");
            assert_eq!(window.before.len(), 1, "{length} ms");
        }
    }
}
