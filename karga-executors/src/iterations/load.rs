use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use karga_core::{Action, Aggregate, LoadModel};

use super::{IterationsExecutor, work};
use crate::{
    engine::{End, Load, PerPhase, Seat, Until},
    padded::Padded,
};

/// How many iterations there are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// Altogether.
    Shared(u64),
    PerUser(u64),
}

impl Count {
    pub(super) fn given(self) -> u64 {
        match self {
            Self::Shared(count) | Self::PerUser(count) => count,
        }
    }

    /// How many altogether, if that can be told.
    pub(super) fn total(self, users: u64) -> Option<u64> {
        match self {
            Self::Shared(count) => Some(count),
            Self::PerUser(count) => count.checked_mul(users),
        }
    }
}

/// The iterations of one run.
#[derive(Debug)]
pub(super) struct Iterations {
    pub(super) count: Count,
    pub(super) total: u64,
    pub(super) users: u64,
    pub(super) warm_up: Duration,
    max_duration: Duration,
    /// The next of shared iterations that nobody has claimed.
    next: Padded<AtomicU64>,
}

impl Iterations {
    pub(super) fn new(executor: &IterationsExecutor) -> Self {
        let &IterationsExecutor {
            count,
            users,
            max_duration,
            ..
        } = executor;
        Self {
            count,
            total: count.total(users).unwrap_or(u64::MAX),
            users,
            warm_up: executor.settings.warm_up,
            max_duration,
            next: Padded::default(),
        }
    }

    /// Claims the next of shared iterations; nothing when there are no more.
    #[inline]
    pub(super) fn claim(&self) -> Range<u64> {
        let k = self.next.fetch_add(1, Ordering::Relaxed);
        if k < self.total { k..k + 1 } else { 0..0 }
    }

    fn is_over(&self, until: Until) -> bool {
        until.time.is_some_and(|time| time >= self.duration())
    }
}

impl Load for Iterations {
    /// Of shared iterations, which were claimed; else those of the user that
    /// are still to come.
    type Rest = Range<u64>;

    fn model(&self) -> LoadModel {
        LoadModel::Closed
    }

    fn users(&self) -> u64 {
        self.users
    }

    fn duration(&self) -> Duration {
        self.warm_up.saturating_add(self.max_duration)
    }

    fn fills_its_time(&self) -> bool {
        false
    }

    fn arrivals(&self) -> Option<u64> {
        Some(self.total)
    }

    fn rate_at(&self, _: Duration) -> f64 {
        0.0
    }

    fn planned(&self, until: Until) -> PerPhase<Option<u64>> {
        let all = match until.end {
            End::NotYet => None,
            End::Stop => self.is_over(until).then_some(self.total),
            End::Over => Some(self.total),
        };
        PerPhase::new(None, all)
    }

    fn unbegun(&self, until: Until, rests: &[Range<u64>]) -> PerPhase<u64> {
        if self.planned(until).result.is_none() {
            return PerPhase::default();
        }
        let held: u64 = rests.iter().map(|rest| rest.end - rest.start).sum();
        let unclaimed = match self.count {
            Count::Shared(_) => self.total - self.next.load(Ordering::Acquire).min(self.total),
            Count::PerUser(_) => 0,
        };
        PerPhase::new(0, held + unclaimed)
    }

    fn remark(&self, until: Until, interrupted: u64, _: u64) -> Option<String> {
        (self.is_over(until) && interrupted > 0).then(|| {
            format!(
                "the maximum duration of {:?} was over before {interrupted} of {} iterations could \
                 be completed",
                self.max_duration, self.total
            )
        })
    }

    fn remains(&self) -> bool {
        false
    }

    fn rest(&self, _: u64) -> Range<u64> {
        match self.count {
            Count::Shared(_) => 0..0,
            Count::PerUser(count) => 0..count,
        }
    }

    async fn work<X, A>(action: X, seat: Seat<A, Self>)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let shared = seat.shared();
        work::work(&shared.load, action, seat).await;
    }
}
