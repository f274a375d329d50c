use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use karga_core::{
    Account, Aggregate, ExecuteError, Executor, MetricOf, Observer, Plan, Run, Scenario, Snapshot,
    StopReason,
};
use tokio::time::Instant;

use super::{OverloadPolicy, StageExecutor, load::Load};
use crate::{
    account::{Arriving, Ledger},
    clock::Clock,
    connect::{connect, setup, teardown},
    handle::StopSignal,
    health::Usage,
    padded::Padded,
    shard::Shards,
    signal::CtrlC,
    timer::Timer,
    worker::{Shared, Stop},
};

impl<S: Scenario> Executor<S> for StageExecutor {
    type Error = ExecuteError<S::Error>;

    async fn execute<A, O>(
        &self,
        scenario: &S,
        aggregate: A,
        observer: &mut O,
    ) -> Result<Run<A>, Self::Error>
    where
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>,
    {
        let mut warnings = Vec::new();
        let mut stops = Stops::listen(self, &mut warnings);
        let ready = tokio::select! {
            biased;
            reason = stops.next() => Err(reason),
            ready = self.prepare(scenario, observer) => Ok(ready),
        };
        let mut run = match ready {
            Ok(Ok((actions, start))) => {
                let usage = Usage::begin();
                let shared = Arc::new(self.shared(start, &aggregate, &mut warnings));
                let load = Load::start(self, scenario.name(), shared, actions, aggregate);
                load.run(&mut stops, observer, &usage).await
            }
            Ok(Err(error)) => {
                // The error that ended the run says more than one of the
                // teardown after it.
                let _ = teardown(scenario).await;
                return Err(error);
            }
            Err(reason) => self.never_started(scenario.name(), reason, aggregate, observer),
        };
        run.warnings.splice(0..0, warnings);
        run.warnings.extend(scenario.remarks());
        run.warnings.extend(teardown(scenario).await);
        Ok(run)
    }
}

impl StageExecutor {
    /// Everything before t0: gives the users' actions and t0.
    async fn prepare<S, A, O>(
        &self,
        scenario: &S,
        observer: &mut O,
    ) -> Result<(Vec<S::Action>, Instant), ExecuteError<S::Error>>
    where
        S: Scenario,
        O: Observer<A>,
    {
        setup(scenario).await?;
        let actions = connect(scenario, self.workers).await?;
        let start = observer.on_ready().await;
        Ok((actions, start.map_or_else(Instant::now, Instant::from_std)))
    }

    fn shared<A, M>(&self, t0: Instant, aggregate: &A, warnings: &mut Vec<String>) -> Shared<A>
    where
        A: Aggregate<M>,
    {
        let (timer, warning) = Timer::new(self.precision, self.workers);
        warnings.extend(warning);
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        Shared {
            arriving: Arriving::new(self.slice.clone()),
            max_lag: match self.overload {
                OverloadPolicy::Queue => None,
                OverloadPolicy::Drop { max_lag } => Some(max_lag),
            },
            workers: self.workers,
            clock: Clock::new(t0),
            timer,
            shards: Shards::new(aggregate, threads),
            ledger: Ledger::default(),
            in_flight: Padded::default(),
            stop: Padded(Stop::new(self.workers)),
        }
    }

    pub(super) fn plan(&self) -> Plan {
        Plan::new(
            Some(self.slice.len()),
            Some(self.slice.schedule().duration()),
            self.workers,
        )
    }

    /// The run of an executor that was stopped before t0.
    fn never_started<A, O>(
        &self,
        name: &str,
        reason: StopReason,
        aggregate: A,
        observer: &mut O,
    ) -> Run<A>
    where
        A: karga_core::Merge,
        O: Observer<A>,
    {
        let interval = aggregate.fork();
        let mut snapshot = Snapshot::new(name, Duration::ZERO, &interval, &aggregate);
        snapshot.plan = self.plan();
        snapshot.stopped = Some(&reason);
        // The answer of the last snapshot has no meaning.
        let _ = observer.on_interval(&snapshot);
        let mut run = Run::new(name, aggregate, Account::default(), Duration::ZERO);
        run.stop = reason;
        run.generator.workers = self.workers;
        run.generator.tolerance = crate::health::TOLERANCE;
        run.started_at = Some(SystemTime::now());
        run
    }
}

/// What may stop a run from outside.
pub(super) struct Stops<'a> {
    signal: &'a StopSignal,
    ctrl_c: Option<CtrlC>,
}

impl<'a> Stops<'a> {
    fn listen(executor: &'a StageExecutor, warnings: &mut Vec<String>) -> Self {
        let ctrl_c = executor.stop_on_ctrl_c.then(CtrlC::listen);
        Self {
            signal: &executor.signal,
            ctrl_c: ctrl_c.transpose().unwrap_or_else(|error: io::Error| {
                warnings.push(format!("Ctrl-C cannot be caught: {error}"));
                None
            }),
        }
    }

    /// Waits for the next request to stop.
    pub(super) async fn next(&mut self) -> StopReason {
        let Self { signal, ctrl_c } = self;
        let pressed = async {
            match ctrl_c {
                Some(ctrl_c) => ctrl_c.pressed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = signal.stopped() => StopReason::Requested,
            () = pressed => StopReason::CtrlC,
        }
    }
}
