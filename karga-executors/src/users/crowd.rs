//! When which users are there: pure maths of stages, in integer nanoseconds.
//!
//! ```text
//! users
//!   3 ┤        ┌───────┐          user 2 comes when the line reaches 3,
//!   2 ┤     ┌──┘       └──┐       and goes when it has come down to 2
//!   1 ┤  ┌──┘             └──┐
//!   0 ┼──┘                   └──▶ time
//! ```

use std::time::Duration;

/// One part of a load of users: the number of users moves linearly from that
/// of the stage before to `users`.
///
/// A stage of zero length is a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserStage {
    /// How long it lasts.
    pub duration: Duration,
    /// How many users there are at its end.
    pub users: u64,
}

impl UserStage {
    /// A stage that lasts `duration` and ends with `users`.
    pub const fn new(duration: Duration, users: u64) -> Self {
        Self { duration, users }
    }
}

/// The users of a run.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    /// How many are there at the beginning.
    start: u64,
    stages: Vec<UserStage>,
    /// Over how long those who come together begin.
    spread: Duration,
    /// The most that are ever there.
    most: u64,
    /// How long the stages last together: less than 2^64 ns.
    duration: Duration,
}

/// A time in which a user is there: from `from` up to, but without, `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) from: Duration,
    pub(super) until: Duration,
}

impl Crowd {
    /// `None` if the stages last longer than 584 years.
    pub(super) fn new(start: u64, stages: Vec<UserStage>, spread: Duration) -> Option<Self> {
        let mut duration = Duration::ZERO;
        for stage in &stages {
            duration = duration.checked_add(stage.duration)?;
        }
        u64::try_from(duration.as_nanos()).ok()?;
        Some(Self {
            start,
            most: stages.iter().map(|s| s.users).max()?.max(start),
            stages,
            spread,
            duration,
        })
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn duration(&self) -> Duration {
        self.duration
    }

    /// When `user` is there, one time after the other.
    pub(super) fn presences(&self, user: u64) -> Presences<'_> {
        Presences {
            crowd: self,
            user,
            stages: self.stages.iter(),
            users: self.start,
            time: Duration::ZERO,
            here: (user < self.start).then_some(Duration::ZERO),
            left: None,
        }
    }

    /// How many users the stages ask for at `t`.
    pub(super) fn users_at(&self, t: Duration) -> u64 {
        let (mut users, mut begin) = (self.start, Duration::ZERO);
        for stage in &self.stages {
            let end = begin + stage.duration;
            if t < end {
                let moved = |by: u64| nanos(share(t - begin, by, nanos(stage.duration)));
                return if stage.users >= users {
                    users + moved(stage.users - users)
                } else {
                    users - moved(users - stage.users)
                };
            }
            (users, begin) = (stage.users, end);
        }
        0
    }
}

/// See [`Crowd::presences`].
#[derive(Debug, Clone)]
pub(super) struct Presences<'a> {
    crowd: &'a Crowd,
    user: u64,
    stages: std::slice::Iter<'a, UserStage>,
    /// How many users there are where the next stage begins, and when that is.
    users: u64,
    time: Duration,
    /// Since when the user is there, if it is.
    here: Option<Duration>,
    /// A presence that ended, and might go on at the same moment.
    left: Option<Presence>,
}

impl Presences<'_> {
    /// The next presence, in which nobody waits for others.
    fn next_plain(&mut self) -> Option<Presence> {
        for stage in self.stages.by_ref() {
            let (before, after) = (self.users, stage.users);
            let begin = self.time;
            (self.users, self.time) = (after, begin + stage.duration);
            if (before..after).contains(&self.user) {
                let steps = self.user + 1 - before;
                let at = begin + share_up(stage.duration, steps, after - before);
                match self.left.take() {
                    Some(left) if left.until == at => self.here = Some(left.from),
                    left => {
                        self.here = Some(at);
                        if left.is_some() {
                            return left;
                        }
                    }
                }
            } else if (after..before).contains(&self.user)
                && let Some(from) = self.here.take()
            {
                let steps = before - self.user;
                let until = begin + share_up(stage.duration, steps, before - after);
                self.left = Some(Presence { from, until });
            }
        }
        let until = self.crowd.duration;
        let last = |from| Presence { from, until };
        self.left.take().or_else(|| self.here.take().map(last))
    }
}

impl Iterator for Presences<'_> {
    type Item = Presence;

    fn next(&mut self) -> Option<Presence> {
        let wait = share(self.crowd.spread, self.user, self.crowd.most);
        loop {
            let mut presence = self.next_plain()?;
            presence.from = presence.from.saturating_add(wait);
            if presence.from < presence.until {
                return Some(presence);
            }
        }
    }
}

/// `time` times `part` by `whole`, rounded down; zero parts of nothing.
fn share(time: Duration, part: u64, whole: u64) -> Duration {
    let product = time.as_nanos().saturating_mul(u128::from(part));
    duration(product / u128::from(whole.max(1)))
}

/// The same, rounded up: nobody comes early.
fn share_up(time: Duration, part: u64, whole: u64) -> Duration {
    let product = time.as_nanos().saturating_mul(u128::from(part));
    duration(product.div_ceil(u128::from(whole.max(1))))
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Stages last less than 2^64 ns.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn crowd(start: u64, stages: &[(u64, u64)]) -> Crowd {
        let stages = stages
            .iter()
            .map(|(time, users)| UserStage::new(ms(*time), *users));
        Crowd::new(start, stages.collect(), Duration::ZERO).unwrap()
    }

    fn times(crowd: &Crowd, user: u64) -> Vec<(u64, u64)> {
        let in_ms = |time: Duration| {
            assert_eq!(time.subsec_nanos() % 1_000_000, 0);
            time.as_millis() as u64
        };
        let presences = crowd.presences(user);
        presences.map(|p| (in_ms(p.from), in_ms(p.until))).collect()
    }

    #[test]
    fn users_come_and_go_when_the_line_reaches_their_number() {
        let crowd = crowd(0, &[(3000, 3), (1000, 3), (3000, 0), (1000, 0)]);
        assert_eq!(times(&crowd, 0), [(1000, 7000)]);
        assert_eq!(times(&crowd, 1), [(2000, 6000)]);
        assert_eq!(times(&crowd, 2), [(3000, 5000)]);
        assert_eq!(times(&crowd, 3), []);
        let at = |t| crowd.users_at(ms(t));
        assert_eq!([at(0), at(999), at(1000), at(3500)], [0, 0, 1, 3]);
        assert_eq!(
            [at(4999), at(5000), at(6999), at(7000), at(8000)],
            [3, 2, 1, 0, 0]
        );
        assert_eq!((crowd.most(), crowd.duration()), (3, ms(8000)));
    }

    #[test]
    fn jumps_and_those_who_are_there_from_the_start() {
        let crowd = crowd(2, &[(1000, 2), (0, 4), (1000, 4), (0, 1), (1000, 1)]);
        assert_eq!(times(&crowd, 0), [(0, 3000)]);
        assert_eq!(times(&crowd, 1), [(0, 2000)]);
        assert_eq!(times(&crowd, 2), [(1000, 2000)]);
        assert_eq!(times(&crowd, 3), [(1000, 2000)]);
        assert_eq!(crowd.users_at(ms(1000)), 4);
        assert_eq!(crowd.users_at(ms(2000)), 1);
    }

    #[test]
    fn who_comes_back_is_there_twice_unless_it_never_went() {
        let twice = crowd(2, &[(1000, 0), (1000, 0), (1000, 2), (1000, 2)]);
        assert_eq!(times(&twice, 0), [(0, 1000), (2500, 4000)]);
        assert_eq!(times(&twice, 1), [(0, 500), (3000, 4000)]);
        let dip = crowd(2, &[(1000, 2), (0, 1), (0, 2), (1000, 2)]);
        assert_eq!(times(&dip, 1), [(0, 2000)]);
    }

    #[test]
    fn who_would_come_at_the_very_end_does_not() {
        let crowd = crowd(0, &[(1000, 2)]);
        assert_eq!(times(&crowd, 0), [(500, 1000)]);
        assert_eq!(times(&crowd, 1), []);
    }

    #[test]
    fn a_spread_lets_users_begin_one_after_the_other() {
        let stages = vec![UserStage::new(ms(1000), 4)];
        let crowd = Crowd::new(4, stages, ms(200)).unwrap();
        let first = |user| crowd.presences(user).next().map(|p| p.from);
        assert_eq!(
            [first(0), first(1), first(2), first(3)],
            [0, 50, 100, 150].map(|n| Some(ms(n)))
        );
    }

    #[test]
    fn presences_are_what_the_line_asks_for() {
        // Against the definition, at every millisecond.
        let crowd = crowd(
            3,
            &[
                (70, 10),
                (0, 4),
                (60, 1),
                (30, 1),
                (50, 6),
                (40, 0),
                (10, 2),
            ],
        );
        for t in 0..260 {
            let t = ms(t);
            let here = (0..crowd.most()).filter(|user| {
                let mut presences = crowd.presences(*user);
                presences.any(|p| (p.from..p.until).contains(&t))
            });
            let here: Vec<u64> = here.collect();
            assert_eq!(here, (0..crowd.users_at(t)).collect::<Vec<_>>(), "{t:?}");
        }
    }
}
