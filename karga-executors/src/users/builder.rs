use std::{sync::Arc, time::Duration};

use karga_core::LoadModel;

use super::{Act, ThinkTime, UserStage, UsersExecutor, crowd::Crowd, load::Users, pace::Pace};
use crate::{
    MAX_WORKERS, SettingsError,
    engine::{Load, Settings, setters},
    handle::StopSignal,
};

/// Describes a [`UsersExecutor`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct UsersExecutorBuilder {
    users: Option<u64>,
    duration: Option<Duration>,
    spawn_rate: Option<f64>,
    start_users: Option<u64>,
    stages: Option<Vec<UserStage>>,
    think_time: Option<ThinkTime>,
    pacing: Option<Duration>,
    spread: Duration,
    graceful_ramp_down: Duration,
    settings: Settings,
}

impl Default for UsersExecutorBuilder {
    fn default() -> Self {
        Self {
            users: None,
            duration: None,
            spawn_rate: None,
            start_users: None,
            stages: None,
            think_time: None,
            pacing: None,
            spread: Duration::ZERO,
            graceful_ramp_down: Duration::from_secs(30),
            settings: Settings::default(),
        }
    }
}

impl UsersExecutorBuilder {
    /// A constant number of users, for the [`duration`](Self::duration) that is
    /// set: k6's `constant-vus`. Not together with [`stages`](Self::stages).
    pub fn users(mut self, users: u64) -> Self {
        self.users = Some(users);
        self
    }

    /// How long the [`users`](Self::users) act, those who still come included.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// How many of the [`users`](Self::users) come per second, the first at
    /// once and the others evenly after it; all at once unless set. Locust's
    /// spawn rate.
    pub fn spawn_rate(mut self, users_per_second: f64) -> Self {
        self.spawn_rate = Some(users_per_second);
        self
    }

    /// The stages, one after the other: each moves the number of users linearly
    /// to its own. k6's `ramping-vus`.
    pub fn stages(mut self, stages: impl IntoIterator<Item = UserStage>) -> Self {
        self.stages = Some(stages.into_iter().collect());
        self
    }

    /// How many users there are at the beginning of the first of the
    /// [`stages`](Self::stages); 0 unless set, where k6's `startVUs` is 1.
    pub fn start_users(mut self, users: u64) -> Self {
        self.start_users = Some(users);
        self
    }

    /// How long a user thinks between the end of an iteration and the beginning
    /// of its next; not at all unless set. Not together with
    /// [`pacing`](Self::pacing).
    pub fn think_time(mut self, think_time: ThinkTime) -> Self {
        self.think_time = Some(think_time);
        self
    }

    /// Gives every user due times of its own: the moment at which it came, and
    /// every `pacing` after that. It keeps them however long an iteration
    /// takes: overdue iterations happen back to back, and response time counts
    /// from when they were due. Without pacing unless set.
    ///
    /// Locust's `constant_pacing` and Gatling's `pace` have no due times: after
    /// a long iteration they go on from there.
    pub fn pacing(mut self, pacing: Duration) -> Self {
        self.pacing = Some(pacing);
        self
    }

    /// Lets users who come at one moment begin one after the other, evenly over
    /// this time: user u of n begins u/n of it after it came, unless it has to
    /// go before that. Zero, all at once, unless set. A spread of the length of the [`pacing`](Self::pacing)
    /// gives an even load.
    pub fn spread(mut self, spread: Duration) -> Self {
        self.spread = spread;
        self
    }

    /// How long a user that the stages take away may go on with its iteration,
    /// and with what is overdue under pacing, before it is cut off; 30 s unless
    /// set, as in k6. What is cut off counts as interrupted. Who is called back
    /// within this time is not cut off.
    ///
    /// For those who act until the end of the load there is the
    /// [`graceful_stop`](Self::graceful_stop).
    pub fn graceful_ramp_down(mut self, grace: Duration) -> Self {
        self.graceful_ramp_down = grace;
        self
    }

    setters! {
        graceful_stop: {
            /// How long iterations may go on after the end of the load or a
            /// stop, and what is overdue under pacing after the end, before
            /// they are cut off; 30 s unless set, as in k6. Zero cuts them off
            /// at once.
        }
        warm_up: {
            /// The leading part of the load that is no part of the result;
            /// zero, no warm-up, unless set.
        }
    }

    /// Checks the settings and builds the executor.
    ///
    /// # Errors
    ///
    /// If it is not said how many users there are for how long, or said twice;
    /// if nobody ever comes, more than [`MAX_WORKERS`] do, or some never can;
    /// if a duration, the pacing or the interval is zero; if the spawn rate or
    /// the think time makes no sense; if there is a think time beside a pacing;
    /// or if the warm-up leaves nothing to measure. The `Result` is an executor
    /// too, which refuses to run: it may be handed on as it is.
    pub fn build(self) -> Result<UsersExecutor, UsersExecutorError> {
        let (start, stages) = self.shape()?;
        let duration: Duration = (stages.iter())
            .try_fold(Duration::ZERO, |sum, stage| sum.checked_add(stage.duration))
            .unwrap_or(Duration::MAX);
        if duration.is_zero() {
            return Err(UsersExecutorError::NoDuration);
        }
        if self.spread > duration {
            return Err(UsersExecutorError::Spread {
                spread: self.spread,
                whole: duration,
            });
        }
        let crowd = Crowd::new(start, stages, self.spread).ok_or(UsersExecutorError::TooLong)?;
        match crowd.most() {
            0 => return Err(UsersExecutorError::NoUsers),
            users if users > MAX_WORKERS => {
                return Err(UsersExecutorError::TooManyUsers { users });
            }
            _ => {}
        }
        if crowd.presences(0).next().is_none() {
            return Err(UsersExecutorError::NobodyComes);
        }
        let settings = self.settings.check(duration)?;
        let executor = UsersExecutor {
            crowd: Arc::new(crowd),
            act: act(self.think_time, self.pacing)?,
            graceful_ramp_down: self.graceful_ramp_down,
            settings,
            signal: Arc::new(StopSignal::default()),
        };
        executor.measures_something()?;
        Ok(executor)
    }

    /// How many users there are at the beginning, and the stages.
    fn shape(&self) -> Result<(u64, Vec<UserStage>), UsersExecutorError> {
        let Some(stages) = &self.stages else {
            if self.start_users.is_some() {
                return Err(UsersExecutorError::Mixed {
                    setting: "start_users",
                    way_out: "it belongs to stages: give those, or users and a duration alone",
                });
            }
            let users = self.users.ok_or(UsersExecutorError::NoPlan)?;
            let duration = self.duration.ok_or(UsersExecutorError::NoPlan)?;
            return constant(users, duration, self.spawn_rate);
        };
        let constants = [
            ("users", self.users.is_some()),
            ("duration", self.duration.is_some()),
            ("spawn_rate", self.spawn_rate.is_some()),
        ];
        if let Some((setting, _)) = constants.into_iter().find(|(_, is_set)| *is_set) {
            return Err(UsersExecutorError::Mixed {
                setting,
                way_out: "stages say it already: leave one of them out",
            });
        }
        if stages.is_empty() {
            return Err(UsersExecutorError::NoStages);
        }
        Ok((self.start_users.unwrap_or(0), stages.clone()))
    }
}

/// The shape of a constant number of users, who may come one after the other.
fn constant(
    users: u64,
    duration: Duration,
    spawn_rate: Option<f64>,
) -> Result<(u64, Vec<UserStage>), UsersExecutorError> {
    let Some(rate) = spawn_rate else {
        return Ok((users, vec![UserStage::new(duration, users)]));
    };
    if !(rate.is_finite() && rate > 0.0) {
        return Err(UsersExecutorError::SpawnRate { rate });
    }
    // The line reaches number n when all of the others have come.
    let others = users.saturating_sub(1);
    let all_here = Duration::try_from_secs_f64(others as f64 / rate)
        .ok()
        .filter(|all_here| *all_here < duration);
    match all_here {
        Some(all_here) => Ok((
            users.min(1),
            vec![
                UserStage::new(all_here, users),
                UserStage::new(duration - all_here, users),
            ],
        )),
        None if duration.is_zero() => Err(UsersExecutorError::NoDuration),
        None => Err(UsersExecutorError::SpawnTooSlow {
            rate,
            users,
            duration,
        }),
    }
}

fn act(think_time: Option<ThinkTime>, pacing: Option<Duration>) -> Result<Act, UsersExecutorError> {
    match (think_time, pacing) {
        (Some(_), Some(pacing)) => Err(UsersExecutorError::ThinkTimeAndPacing { pacing }),
        (None, Some(pacing)) => match Pace::new(pacing) {
            Some(pace) => Ok(Act::Pace(pace)),
            None => Err(UsersExecutorError::NoPacing),
        },
        (think_time, None) => match think_time.and_then(|think| think.flaw()) {
            Some(flaw) => Err(UsersExecutorError::ThinkTime { flaw }),
            None => Ok(Act::Think(think_time)),
        },
    }
}

impl UsersExecutor {
    /// Whether anything is left after the warm-up.
    fn measures_something(&self) -> Result<(), SettingsError> {
        let warm_up = self.settings.warm_up;
        let load = Users::new(self);
        let measures = match load.model() {
            LoadModel::Paced => load.arrivals() != Some(0),
            _ => self.crowd.presences(0).any(|p| p.until > warm_up),
        };
        if measures {
            Ok(())
        } else {
            Err(SettingsError::NothingAfterWarmUp { warm_up })
        }
    }
}

/// Why a [`UsersExecutor`] cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UsersExecutorError {
    /// It is not said what is to happen.
    #[error(
        "it is not said how many users there are for how long: give users and a duration, or stages"
    )]
    NoPlan,
    /// There are stages, and none among them.
    #[error("there are no stages: give at least one")]
    NoStages,
    /// Two settings say the same.
    #[error("{setting} cannot be set here: {way_out}")]
    Mixed {
        /// The one that is too much.
        setting: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// Nobody could do the work.
    #[error("0 users can do nothing: set at least 1")]
    NoUsers,
    /// There are more than [`MAX_WORKERS`].
    #[error("{users} users are more than 2^20, the most that an executor can have")]
    TooManyUsers {
        /// What was given.
        users: u64,
    },
    /// Load would end as it begins.
    #[error("a load of 0 s cannot be measured: give a duration above zero")]
    NoDuration,
    /// The stages cannot be told in nanoseconds.
    #[error("the stages last longer than 584 years: make them shorter")]
    TooLong,
    /// The stages reach one user only where they end.
    #[error(
        "nobody comes before the stages end: add a stage that holds the users, or set start_users"
    )]
    NobodyComes,
    /// A spawn rate that makes no sense.
    #[error("spawn rate {rate}: give users per second, above zero")]
    SpawnRate {
        /// What was given.
        rate: f64,
    },
    /// Some users would never come.
    #[error(
        "at {rate} per second {users} users have not come within {duration:?}: \
         set a higher spawn rate, a longer duration or fewer users"
    )]
    SpawnTooSlow {
        /// Users per second.
        rate: f64,
        /// How many there are.
        users: u64,
        /// How long load lasts.
        duration: Duration,
    },
    /// Some users would never begin.
    #[error(
        "a spread of {spread:?} is longer than the whole load, {whole:?}: \
         make it shorter, or the load longer"
    )]
    Spread {
        /// What was given.
        spread: Duration,
        /// How long load lasts.
        whole: Duration,
    },
    /// A pacing without an end.
    #[error(
        "a pacing of 0 s has no due times: give the time between two iterations of a user, \
         or leave it out"
    )]
    NoPacing,
    /// A distribution that makes no sense.
    #[error("think time {flaw}")]
    ThinkTime {
        /// What is wrong with it, and the way out.
        flaw: String,
    },
    /// With a pacing there is nothing to think about.
    #[error(
        "a think time beside a pacing of {pacing:?}: the pacing says when the next iteration \
         is due; leave one of them out"
    )]
    ThinkTimeAndPacing {
        /// The pacing that was given.
        pacing: Duration,
    },
    /// A setting that all executors have makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
