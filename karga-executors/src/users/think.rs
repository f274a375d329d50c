use std::time::Duration;

use super::random::Random;

/// How long a user thinks between the end of one iteration and the beginning
/// of its next; for
/// [`UsersExecutorBuilder::think_time`](crate::UsersExecutorBuilder::think_time).
///
/// Times are random but repeatable: every user has a stream of its own, made
/// from the [seed](ThinkTime::seed) and its number, so that the same seed gives
/// each user the same times in every run.
///
/// A distribution that makes no sense is refused when the executor is built.
///
/// Tokio's timer ends a wait at the next full millisecond, so that each think
/// time is half a millisecond longer on average: nothing for people, much for
/// think times of a few milliseconds. There
/// [`Precision::Fine`](crate::Precision::Fine) is some hundredth of a
/// millisecond off.
///
/// ```
/// use std::time::Duration;
/// use karga_executors::ThinkTime;
///
/// let reads_a_page = ThinkTime::log_normal(Duration::from_secs(8), 0.6).seed(7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThinkTime {
    distribution: Distribution,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Distribution {
    Constant(Duration),
    Uniform { min: Duration, max: Duration },
    Exponential { mean: Duration },
    Normal { mean: Duration, deviation: Duration },
    LogNormal { median: Duration, sigma: f64 },
}

impl ThinkTime {
    const fn of(distribution: Distribution) -> Self {
        Self {
            distribution,
            seed: 0,
        }
    }

    /// Always the same time; zero is no think time. Locust's `constant`,
    /// Gatling's `pause(d)`.
    pub const fn constant(time: Duration) -> Self {
        Self::of(Distribution::Constant(time))
    }

    /// Any time from `min` to `max`, each as likely as the others. Locust's
    /// `between`, Gatling's `pause(min, max)`.
    pub const fn uniform(min: Duration, max: Duration) -> Self {
        Self::of(Distribution::Uniform { min, max })
    }

    /// Often short and at times long: what users who do not know of each other
    /// do, whose actions together are a Poisson process. The mean must be above
    /// zero. Gatling's `exponentialPauses`.
    pub const fn exponential(mean: Duration) -> Self {
        Self::of(Distribution::Exponential { mean })
    }

    /// Around `mean`, with this standard deviation. Draws below zero become
    /// zero, so the mean of what happens is above `mean` where the deviation is
    /// not much smaller than it. Gatling's
    /// `normalPausesWithStdDevDuration`.
    pub const fn normal(mean: Duration, deviation: Duration) -> Self {
        Self::of(Distribution::Normal { mean, deviation })
    }

    /// Half of the times are below `median`, with a long tail above: how long
    /// people read. `sigma`, the standard deviation of the time's natural
    /// logarithm, is 0 or above; the mean is `median * exp(sigma^2 / 2)`.
    pub const fn log_normal(median: Duration, sigma: f64) -> Self {
        Self::of(Distribution::LogNormal { median, sigma })
    }

    /// What the times are drawn from; 0 unless set.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What is wrong with it, if something is.
    pub(super) fn flaw(&self) -> Option<String> {
        match self.distribution {
            Distribution::Constant(_) | Distribution::Normal { .. } => None,
            Distribution::Uniform { min, max } => (min > max)
                .then(|| format!("uniform from {min:?} to {max:?}: give the shorter time first")),
            Distribution::Exponential { mean } => mean.is_zero().then(|| {
                "exponential with a mean of 0 s: give a mean above zero, or leave it out".to_owned()
            }),
            Distribution::LogNormal { median, sigma } => {
                if median.is_zero() {
                    Some("log-normal with a median of 0 s: give a median above zero".to_owned())
                } else if !(sigma.is_finite() && sigma >= 0.0) {
                    Some(format!(
                        "log-normal with sigma {sigma}: give a number of 0 or above"
                    ))
                } else {
                    None
                }
            }
        }
    }

    /// The times of one user.
    pub(super) fn of_user(self, user: u64) -> Thoughts {
        Thoughts {
            distribution: self.distribution,
            random: Random::new(self.seed, user),
        }
    }
}

/// One user's think times, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Thoughts {
    distribution: Distribution,
    random: Random,
}

impl Thoughts {
    pub(super) fn next(&mut self) -> Duration {
        let random = &mut self.random;
        let seconds = match self.distribution {
            Distribution::Constant(time) => return time,
            Distribution::Uniform { min, max } => {
                return min + (max - min).mul_f64(random.uniform());
            }
            Distribution::Exponential { mean } => mean.as_secs_f64() * random.exponential(),
            Distribution::Normal { mean, deviation } => {
                mean.as_secs_f64() + deviation.as_secs_f64() * random.normal()
            }
            Distribution::LogNormal { median, sigma } => {
                median.as_secs_f64() * (sigma * random.normal()).exp()
            }
        };
        // Longer than a `Duration` is longer than any run.
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Mean and standard deviation of the seconds of 100,000 draws.
    fn moments(think: ThinkTime) -> (f64, f64) {
        const COUNT: u32 = 100_000;
        let mut thoughts = think.of_user(3);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..COUNT {
            let time = thoughts.next().as_secs_f64();
            sum += time;
            squares += time * time;
        }
        let mean = sum / f64::from(COUNT);
        (mean, (squares / f64::from(COUNT) - mean * mean).sqrt())
    }

    #[test]
    fn times_have_the_moments_of_their_distribution() {
        let lifted = (0.5_f64 * 0.5 / 2.0).exp();
        for (think, mean, deviation) in [
            (ThinkTime::constant(3 * SECOND), 3.0, 0.0),
            // A uniform distribution of width w has the variance w^2 / 12.
            (
                ThinkTime::uniform(SECOND, 3 * SECOND),
                2.0,
                (4.0_f64 / 12.0).sqrt(),
            ),
            (ThinkTime::exponential(2 * SECOND), 2.0, 2.0),
            (ThinkTime::normal(10 * SECOND, SECOND), 10.0, 1.0),
            (
                ThinkTime::log_normal(2 * SECOND, 0.5),
                2.0 * lifted,
                2.0 * lifted * (lifted * lifted - 1.0).sqrt(),
            ),
        ] {
            for seed in [0, 1] {
                let (m, d) = moments(think.seed(seed));
                assert!((m - mean).abs() <= mean * 0.01, "{think:?}: mean {m}");
                assert!(
                    (d - deviation).abs() <= deviation * 0.02 + 1e-6,
                    "{think:?}: {d}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_each_user_its_own_times_again() {
        let draw = |seed, user| {
            let mut thoughts = ThinkTime::exponential(SECOND).seed(seed).of_user(user);
            [thoughts.next(), thoughts.next(), thoughts.next()]
        };
        assert_eq!(draw(1, 5), draw(1, 5));
        let [first, second, third] = draw(1, 5);
        assert!(first != second && second != third);
        assert_ne!(draw(1, 5), draw(1, 6));
        assert_ne!(draw(1, 5), draw(2, 5));
    }

    #[test]
    fn no_draw_is_negative_or_too_long_to_tell() {
        let mut normal = ThinkTime::normal(SECOND, 100 * SECOND).of_user(0);
        let draws: Vec<_> = (0..1000).map(|_| normal.next()).collect();
        let zeros = draws.iter().filter(|draw| draw.is_zero()).count();
        assert!((400..600).contains(&zeros), "{zeros}");
        let mut wild = ThinkTime::log_normal(SECOND, 1e6).of_user(0);
        assert!((0..100).any(|_| wild.next() == Duration::MAX));
    }

    #[test]
    fn distributions_that_make_no_sense_are_known() {
        for (think, flaw) in [
            (
                ThinkTime::uniform(2 * SECOND, SECOND),
                "uniform from 2s to 1s",
            ),
            (ThinkTime::exponential(Duration::ZERO), "a mean of 0 s"),
            (
                ThinkTime::log_normal(Duration::ZERO, 1.0),
                "a median of 0 s",
            ),
            (ThinkTime::log_normal(SECOND, -1.0), "sigma -1"),
            (ThinkTime::log_normal(SECOND, f64::NAN), "sigma NaN"),
        ] {
            let found = think.flaw().unwrap();
            assert!(found.contains(flaw), "{found}");
        }
        assert_eq!(ThinkTime::uniform(SECOND, SECOND).flaw(), None);
        assert_eq!(ThinkTime::log_normal(SECOND, 0.0).flaw(), None);
    }
}
