use std::{sync::Arc, time::Duration};

use karga_core::{Action, Aggregate, LoadModel};

use super::{
    Act, UsersExecutor,
    crowd::{Crowd, Presence},
    pace::Pace,
    work,
};
use crate::engine::{Load, PerPhase, Seat, Until};

/// The load of users.
#[derive(Debug)]
pub(super) struct Users {
    pub(super) crowd: Arc<Crowd>,
    pub(super) act: Act,
    pub(super) graceful_ramp_down: Duration,
    /// The last moment of the warm-up.
    before_t0: Option<Duration>,
}

/// What a user with a pace has not begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub(super) user: u64,
    /// How many of its due times it is done with: begun, or missed.
    pub(super) taken: u64,
    /// Those that it could not begin before it had to go.
    pub(super) missed: PerPhase<u64>,
}

impl Users {
    pub(super) fn new(executor: &UsersExecutor) -> Self {
        Self {
            crowd: Arc::clone(&executor.crowd),
            act: executor.act,
            graceful_ramp_down: executor.graceful_ramp_down,
            before_t0: executor.settings.before_t0(),
        }
    }

    /// Gives up what is due in a presence, from iteration `k` of it on, and
    /// tells how many that are.
    pub(super) fn miss(
        &self,
        rest: &mut Option<Rest>,
        pace: Pace,
        presence: Presence,
        k: u64,
    ) -> u64 {
        let count = |t| pace.count(presence, t);
        let all = count(presence.until);
        if let Some(rest) = rest {
            let missed = PerPhase::split(&(k..all), self.before_t0.map_or(0, count));
            rest.missed.add(missed);
            rest.taken += all.saturating_sub(k);
        }
        all.saturating_sub(k)
    }

    /// How many of `all`, of which `before(t0)` are due before t0.
    fn split(&self, all: u64, before: impl Fn(Duration) -> u64) -> PerPhase<u64> {
        PerPhase::split(&(0..all), self.before_t0.map_or(0, before))
    }
}

impl Load for Users {
    type Rest = Rest;

    fn model(&self) -> LoadModel {
        match self.act {
            Act::Think(_) => LoadModel::Closed,
            Act::Pace(_) => LoadModel::Paced,
        }
    }

    fn users(&self) -> u64 {
        self.crowd.most()
    }

    fn duration(&self) -> Duration {
        self.crowd.duration()
    }

    fn fills_its_time(&self) -> bool {
        true
    }

    fn arrivals(&self) -> Option<u64> {
        let whole = Until::over(self.duration());
        self.planned(whole).result
    }

    fn rate_at(&self, t: Duration) -> f64 {
        match self.act {
            Act::Think(_) => 0.0,
            Act::Pace(pace) => pace.rate() * self.crowd.users_at(t) as f64,
        }
    }

    fn planned(&self, until: Until) -> PerPhase<Option<u64>> {
        let Act::Pace(pace) = self.act else {
            return PerPhase::default();
        };
        let count = |t| pace.count_until(&self.crowd, t);
        let all = self.split(until.time.map_or(0, count), count);
        PerPhase::new(Some(all.warm_up), Some(all.result))
    }

    fn unbegun(&self, until: Until, rests: &[Rest]) -> PerPhase<u64> {
        let mut unbegun = PerPhase::default();
        let (Act::Pace(pace), Some(until)) = (self.act, until.time) else {
            return unbegun;
        };
        for rest in rests {
            let count = |t| pace.count_of_user(&self.crowd, rest.user, t);
            let first = self.before_t0.map_or(0, count);
            unbegun.add(PerPhase::split(&(rest.taken..count(until)), first));
            unbegun.add(rest.missed);
        }
        unbegun
    }

    fn remark(&self, _: Until, _: u64, early: u64) -> Option<String> {
        let grace = self.graceful_ramp_down;
        (early > 0).then(|| {
            format!(
                "the ramp-down's grace time of {grace:?} was over before {early} iterations of \
                 users who had to go were done"
            )
        })
    }

    fn remains(&self) -> bool {
        false
    }

    fn rest(&self, user: u64) -> Rest {
        Rest {
            user,
            taken: 0,
            missed: PerPhase::default(),
        }
    }

    async fn work<X, A>(action: X, seat: Seat<A, Self>)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let shared = seat.shared();
        match shared.load.act {
            Act::Think(think) => work::think(&shared.load, action, seat, think).await,
            Act::Pace(pace) => work::keep_pace(&shared.load, action, seat, pace).await,
        }
    }
}
