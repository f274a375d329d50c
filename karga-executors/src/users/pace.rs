//! The due times of users that keep a pace: pure maths, as that of a schedule.

use std::time::Duration;

use super::crowd::{Crowd, Presence, nanos};

/// The time from one due time of a user to the next; above zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(u64);

impl Pace {
    /// `None` for zero.
    pub(super) fn new(pacing: Duration) -> Option<Self> {
        (!pacing.is_zero()).then(|| Self(nanos(pacing)))
    }

    /// Iterations of one user, per second.
    pub(super) fn rate(self) -> f64 {
        1e9 / self.0 as f64
    }

    /// When iteration `k` of a presence is due, if the user is still there.
    pub(super) fn due(self, presence: Presence, k: u64) -> Option<Duration> {
        let since = self.0.checked_mul(k)?;
        let due = presence.from.checked_add(Duration::from_nanos(since))?;
        (due < presence.until).then_some(due)
    }

    /// How many iterations of all users are due at `t` or before.
    pub(super) fn count_until(self, crowd: &Crowd, t: Duration) -> u64 {
        let users = 0..crowd.most();
        users.map(|user| self.count_of_user(crowd, user, t)).sum()
    }

    /// How many of one user.
    pub(super) fn count_of_user(self, crowd: &Crowd, user: u64, t: Duration) -> u64 {
        let presences = crowd.presences(user);
        presences.map(|presence| self.count(presence, t)).sum()
    }

    /// How many of one presence.
    pub(super) fn count(self, presence: Presence, t: Duration) -> u64 {
        let from = nanos(presence.from);
        // The last moment of the presence, at `t` or before.
        let last = nanos(t).min(nanos(presence.until) - 1);
        last.checked_sub(from).map_or(0, |time| time / self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserStage;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn counts_are_those_of_the_due_times() {
        let stages = [(100, 3), (50, 3), (100, 0), (40, 2), (20, 2)];
        let stages = stages.map(|(time, users)| UserStage::new(ms(time), users));
        let crowd = Crowd::new(0, stages.to_vec(), ms(9)).unwrap();
        let pace = Pace::new(ms(7)).unwrap();
        let mut due: Vec<Duration> = Vec::new();
        for user in 0..3 {
            for presence in crowd.presences(user) {
                due.extend((0..).map_while(|k| pace.due(presence, k)));
            }
        }
        for t in 0..320 {
            for t in [ms(t), ms(t).saturating_sub(Duration::from_nanos(1))] {
                let expected = due.iter().filter(|due| **due <= t).count() as u64;
                assert_eq!(pace.count_until(&crowd, t), expected, "{t:?}");
            }
        }
    }

    #[test]
    fn there_is_no_pace_of_zero_and_one_longer_than_the_run() {
        assert!(Pace::new(Duration::ZERO).is_none());
        let crowd = Crowd::new(1, vec![UserStage::new(ms(10), 1)], Duration::ZERO).unwrap();
        let pace = Pace::new(Duration::MAX).unwrap();
        assert_eq!(pace.count_until(&crowd, Duration::MAX), 1);
    }
}
