use std::time::Duration;

use super::{Schedule, ScheduleError};

/// The share of one generator out of several; from [`Schedule::slice`].
///
/// Its arrivals are numbered from 0; [`index`](Slice::index) tells their
/// number in the whole schedule.
#[derive(Debug, Clone)]
pub struct Slice {
    schedule: Schedule,
    number: u64,
    of: u64,
    len: u64,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "a slice without arrivals cannot be made"
)]
impl Slice {
    pub(super) fn new(schedule: Schedule, number: u64, of: u64) -> Result<Self, ScheduleError> {
        if number >= of {
            return Err(ScheduleError::Slice { slice: number, of });
        }
        let len = share(schedule.len(), number, of);
        if len == 0 {
            return Err(ScheduleError::EmptySlice {
                slice: number,
                of,
                arrivals: schedule.len(),
            });
        }
        Ok(Self {
            schedule,
            number,
            of,
            len,
        })
    }

    /// The whole schedule that this is a part of.
    #[inline]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How many arrivals the slice has; at least one.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The number in the whole schedule of the slice's arrival `k`, from 0;
    /// `None` beyond the last.
    #[inline]
    pub fn index(&self, k: u64) -> Option<u64> {
        // No overflow: below the length of the schedule.
        (k < self.len).then(|| self.number + k * self.of)
    }

    /// When the slice's arrival `k`, from 0, is due; `None` beyond the last.
    pub fn due(&self, k: u64) -> Option<Duration> {
        self.schedule.due(self.index(k)?)
    }

    /// How many arrivals of the slice are due at `t` or before.
    pub fn count_until(&self, t: Duration) -> u64 {
        share(self.schedule.count_until(t), self.number, self.of)
    }

    /// The rate of the slice at `t`, per second.
    pub fn rate_at(&self, t: Duration) -> f64 {
        self.schedule.rate_at(t) / self.of as f64
    }
}

/// How many n below `count` have n mod `of` = `number`.
fn share(count: u64, number: u64, of: u64) -> u64 {
    count.saturating_sub(number).div_ceil(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for count in 0..20 {
            for of in 1..6 {
                let sum: u64 = (0..of).map(|number| share(count, number, of)).sum();
                assert_eq!(sum, count);
            }
        }
    }
}
