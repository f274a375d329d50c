//! The open model: workers claim arrivals that come when they are due.

mod arriving;
mod work;

use std::{ops::Range, time::Duration};

use karga_core::{Action, Aggregate, LoadModel};

use self::arriving::Arriving;
use crate::{
    OverloadPolicy,
    engine::{Load, PerPhase, Seat, Settings, Until},
    source::Source,
};

/// The arrivals of a source, shared out among workers.
#[derive(Debug)]
pub(crate) struct Open<R> {
    arriving: Arriving<R>,
    workers: u64,
    /// How late an arrival may be before it is dropped.
    max_lag: Option<Duration>,
    /// The number of the first arrival after the warm-up.
    first: u64,
}

impl<R: Source> Open<R> {
    pub(crate) fn new(
        source: R,
        workers: u64,
        overload: OverloadPolicy,
        settings: &Settings,
    ) -> Self {
        Self {
            first: (settings.before_t0()).map_or(0, |t| source.count_until(t)),
            arriving: Arriving::new(source),
            workers,
            max_lag: match overload {
                OverloadPolicy::Queue => None,
                OverloadPolicy::Drop { max_lag } => Some(max_lag),
            },
        }
    }

    fn source(&self) -> &R {
        self.arriving.source()
    }

    fn count_until(&self, time: Option<Duration>) -> u64 {
        time.map_or(0, |time| self.source().count_until(time))
    }
}

impl<R: Source> Load for Open<R> {
    /// Numbers of arrivals.
    type Rest = Range<u64>;

    fn model(&self) -> LoadModel {
        LoadModel::Open
    }

    fn users(&self) -> u64 {
        self.workers
    }

    fn duration(&self) -> Duration {
        self.source().duration()
    }

    fn fills_its_time(&self) -> bool {
        true
    }

    fn arrivals(&self) -> Option<u64> {
        Some(self.source().len().saturating_sub(self.first))
    }

    fn rate_at(&self, t: Duration) -> f64 {
        self.source().rate_at(t)
    }

    fn planned(&self, until: Until) -> PerPhase<Option<u64>> {
        let all = PerPhase::split(&(0..self.count_until(until.time)), self.first);
        PerPhase::new(Some(all.warm_up), Some(all.result))
    }

    fn unbegun(&self, until: Until, rests: &[Range<u64>]) -> PerPhase<u64> {
        let planned = self.count_until(until.time);
        let mut unbegun = PerPhase::split(&(self.arriving.claimed()..planned), self.first);
        for rest in rests.iter().chain(&self.arriving.handed_back()) {
            unbegun.add(PerPhase::split(
                &(rest.start..rest.end.min(planned)),
                self.first,
            ));
        }
        unbegun
    }

    fn remains(&self) -> bool {
        self.arriving.claimed() < self.source().len()
    }

    fn rest(&self, _: u64) -> Range<u64> {
        0..0
    }

    async fn work<X, A>(action: X, seat: Seat<A, Self>)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        work::work(action, seat).await;
    }
}
