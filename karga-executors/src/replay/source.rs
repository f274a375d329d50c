use std::time::Duration;

use super::Recording;
use crate::source::Source;

/// A generator's share of a recording, faster or slower than it was.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    recording: Recording,
    /// How many arrivals of the recording are replayed, by all generators.
    all: u64,
    /// Every arrival n with n mod `of` = `number`.
    number: u64,
    of: u64,
    /// How many of them there are.
    len: u64,
    speed: f64,
    /// In the run's time.
    duration: Duration,
}

impl Replayed {
    /// The share `number` of `of` of what was recorded `until` then.
    pub(super) fn new(
        recording: Recording,
        until: Duration,
        (number, of): (u64, u64),
        speed: f64,
    ) -> Self {
        let all = recording.count_until(until);
        Self {
            recording,
            all,
            number,
            of,
            len: share(all, number, of),
            speed,
            duration: at_speed(until, speed),
        }
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// How many arrivals all generators replay.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    /// When arrival `n` of the recording is due in the run.
    #[inline]
    fn due_in_all(&self, n: u64) -> Duration {
        match self.recording.due(n) {
            Some(time) => at_speed(time, self.speed),
            None => Duration::MAX,
        }
    }

    /// How many arrivals of the recording are due at `t` or before.
    fn all_until(&self, t: Duration) -> u64 {
        let (mut low, mut high) = (0, self.all);
        while low < high {
            let middle = low.midpoint(high);
            if self.due_in_all(middle) <= t {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Source for Replayed {
    type Memo = ();

    #[inline]
    fn due(&self, k: u64, (): &mut ()) -> Duration {
        self.due_in_all(self.index(k))
    }

    #[inline]
    fn index(&self, k: u64) -> u64 {
        // No overflow for those that there are.
        self.number.saturating_add(k.saturating_mul(self.of))
    }

    #[inline]
    fn len(&self) -> u64 {
        self.len
    }

    fn count_until(&self, t: Duration) -> u64 {
        share(self.all_until(t), self.number, self.of)
    }

    /// Over the second before, and in the first second over that.
    fn rate_at(&self, t: Duration) -> f64 {
        if t >= self.duration {
            return 0.0;
        }
        let window = self.duration.min(Duration::from_secs(1));
        let end = t.max(window);
        let before = match end - window {
            Duration::ZERO => 0,
            begin => self.count_until(begin),
        };
        (self.count_until(end) - before) as f64 / window.as_secs_f64()
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}

/// How many n below `count` have n mod `of` = `number`.
fn share(count: u64, number: u64, of: u64) -> u64 {
    count.saturating_sub(number).div_ceil(of)
}

/// When something happens at this speed, to the nearest nanosecond. Later
/// stays later, or becomes equal. What is beyond 2^64 ns is that.
#[inline]
pub(super) fn at_speed(time: Duration, speed: f64) -> Duration {
    if speed == 1.0 {
        return time;
    }
    Duration::from_nanos((time.as_nanos() as f64 / speed + 0.5) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn replayed(times: &[u64], slice: (u64, u64), speed: f64) -> Replayed {
        let recording = Recording::from_times(times.iter().copied().map(ms)).unwrap();
        let until = recording.duration();
        Replayed::new(recording, until, slice, speed)
    }

    #[test]
    fn counts_are_those_of_due_times() {
        let times: Vec<u64> = (0..500).map(|n| n * n % 7 + 3 * n).collect();
        let mut times = times;
        times.sort_unstable();
        for speed in [1.0, 0.3, 7.0, 1e6] {
            for slice in [(0, 1), (0, 3), (2, 3), (499, 500)] {
                let source = replayed(&times, slice, speed);
                let due: Vec<_> = (0..source.len()).map(|k| source.due(k, &mut ())).collect();
                assert!(due.is_sorted());
                assert!(due.last().unwrap() <= &source.duration());
                for t in due.iter().flat_map(|due| {
                    let tick = Duration::from_nanos(1);
                    [due.saturating_sub(tick), *due, *due + tick]
                }) {
                    let wanted = due.partition_point(|due| *due <= t) as u64;
                    assert_eq!(source.count_until(t), wanted, "{speed}, {slice:?}, {t:?}");
                }
            }
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        // 10/s for 2 s, a pause, and 100/s for 1 s.
        let times: Vec<u64> = (0..20).map(|n| 100 * n).collect();
        let times: Vec<u64> = times
            .into_iter()
            .chain((0..100).map(|n| 4000 + 10 * n))
            .collect();
        let source = replayed(&times, (0, 1), 1.0);
        for (t, rate) in [
            (0, 11.0),
            (1000, 11.0),
            (1950, 10.0),
            (3950, 0.0),
            (4495, 50.0),
            (4985, 99.0),
        ] {
            assert_eq!(source.rate_at(ms(t)), rate, "{t} ms");
        }
        assert_eq!(source.rate_at(ms(4990)), 0.0, "the end");
        assert_eq!(replayed(&times, (1, 2), 1.0).rate_at(ms(1950)), 5.0);
        assert_eq!(replayed(&times, (0, 1), 2.0).rate_at(ms(950)), 20.0);
        // A recording shorter than that.
        assert_eq!(replayed(&[0, 100], (0, 1), 1.0).rate_at(ms(50)), 20.0);
    }
}
