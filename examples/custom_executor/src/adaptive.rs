//! The executor: who is let in, and the run from its setup to its teardown.

use std::{
    future::poll_fn,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use karga_core::{
    Account, Action, Aggregate, ExecuteError, Executor, Iteration, LoadModel, MetricOf, Observer,
    Panicked, Plan, Run, Sample, Scenario, Snapshot, StopReason,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::caught::caught;

/// A closed model whose concurrency adapts: one user more after each round in
/// which the calls were fast enough, three quarters of them after one that was
/// not (additive increase, multiplicative decrease, as TCP does).
#[derive(Debug, Clone)]
pub(crate) struct AdaptiveExecutor {
    /// The service time to stay below.
    pub(crate) target: Duration,
    /// The most users there are.
    pub(crate) users: u64,
    /// How long calls begin.
    pub(crate) duration: Duration,
    /// How long calls may go on after that, or after a stop.
    pub(crate) grace: Duration,
    /// How often the observer looks.
    pub(crate) interval: Duration,
}

/// What is true of a run between two events.
struct State<A, X> {
    actions: Vec<Arc<X>>,
    /// Users who have nothing to do.
    idle: Vec<u64>,
    t0: Instant,
    /// How many users may be in flight.
    limit: f64,
    /// A call that began before this says nothing of the present limit.
    lowered_at: Duration,
    begun: u64,
    completed: u64,
    /// Samples on which the aggregate panicked.
    lost: u64,
    peak: u64,
    last_end: Duration,
    total: A,
    /// Recorded a second time, so that aggregates need not be copied.
    interval: A,
}

/// A call that came to its end; without a metric it panicked.
struct Done<M> {
    iteration: Iteration,
    end: Duration,
    metric: Option<M>,
}

impl<S: Scenario> Executor<S> for AdaptiveExecutor {
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
        let actions = match self.connect(scenario).await {
            Ok(actions) => actions,
            Err(error) => {
                let _ = caught(|| scenario.teardown()).await;
                return Err(error);
            }
        };
        let start = observer.on_ready().await;
        let t0 = start.map_or_else(Instant::now, Instant::from_std);
        sleep_until(t0).await;
        let state = State {
            idle: (0..self.users).rev().collect(),
            actions,
            t0,
            limit: 1.0,
            lowered_at: Duration::ZERO,
            begun: 0,
            completed: 0,
            lost: 0,
            peak: 0,
            last_end: Duration::ZERO,
            interval: aggregate.fork_apart(),
            total: aggregate,
        };
        let mut run = self.load(scenario.name(), state, observer).await;
        run.warnings.extend(run.aggregate.finish().await);
        run.warnings.extend(scenario.remarks());
        run.details = scenario.details();
        match caught(|| scenario.teardown()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => run.warnings.push(format!("the teardown failed: {error}")),
            Err(panic) => run.warnings.push(format!("the teardown panicked: {panic}")),
        }
        Ok(run)
    }
}

impl AdaptiveExecutor {
    async fn connect<S: Scenario>(
        &self,
        scenario: &S,
    ) -> Result<Vec<Arc<S::Action>>, ExecuteError<S::Error>> {
        let panicked = |during: String, message| ExecuteError::Panicked { during, message };
        caught(|| scenario.setup())
            .await
            .map_err(|message| panicked("setting up".into(), message))?
            .map_err(|source| ExecuteError::Setup { source })?;
        let mut actions = Vec::new();
        for user in 0..self.users {
            let action = caught(|| scenario.connect(user))
                .await
                .map_err(|message| panicked(format!("connecting user {user}"), message))?
                .map_err(|source| ExecuteError::Connect { user, source })?;
            actions.push(Arc::new(action));
        }
        Ok(actions)
    }

    /// The run from t0 to the end of the last call.
    async fn load<X, A, O>(&self, name: &str, mut state: State<A, X>, observer: &mut O) -> Run<A>
    where
        X: Action,
        A: Aggregate<X::Metric>,
        O: Observer<A>,
    {
        // Dropping it, with the future that owns it, ends every call.
        let mut calls = JoinSet::new();
        let t0 = state.t0;
        let mut ends = t0 + self.duration;
        let mut stop = None;
        let mut cut = None;
        let mut tick = t0 + self.interval;
        let mut seen = Duration::ZERO;
        loop {
            while Instant::now() < ends && (calls.len() as f64) < state.limit.floor() {
                let Some(user) = state.idle.pop() else { break };
                state.begin(user, &mut calls);
            }
            if calls.is_empty() && Instant::now() >= ends {
                break;
            }
            let asked = poll_fn(|cx| observer.poll_stop(cx));
            let reason = tokio::select! {
                biased;
                reason = asked, if stop.is_none() => Some(reason),
                Some(done) = calls.join_next() => {
                    // One that was cut off gives nothing.
                    if let Ok(done) = done {
                        state.end(done, self.target);
                    }
                    None
                }
                () = sleep_until(tick) => {
                    tick += self.interval;
                    let flow = self.show(name, &mut state, &mut seen, None, observer);
                    flow.break_value().filter(|_| stop.is_none())
                }
                () = sleep_until(ends), if Instant::now() < ends => None,
                () = sleep_until(ends + self.grace), if cut.is_none() => {
                    cut = Some(t0.elapsed());
                    calls.abort_all();
                    None
                }
            };
            if let Some(reason) = reason {
                ends = ends.min(Instant::now());
                stop = Some(reason);
            }
        }
        let stop = stop.unwrap_or(StopReason::Completed);
        // The answer to the last snapshot has no meaning.
        let _ = self.show(name, &mut state, &mut seen, Some(&stop), observer);
        let load_time = ends - t0;
        let elapsed = load_time.max(state.last_end).max(cut.unwrap_or_default());
        let account = state.account();
        let mut run = Run::new(name, state.total, account, elapsed);
        run.load_time = load_time;
        run.stop = stop;
        run.model = LoadModel::Closed;
        run.generator.workers = self.users;
        run.generator.peak_in_flight = state.peak;
        if state.lost > 0 {
            let lost = format!("the aggregate panicked on {} samples", state.lost);
            run.warnings.push(lost);
        }
        run
    }

    /// Shows the observer how the run stands, and begins a new interval.
    fn show<X, A, O>(
        &self,
        name: &str,
        state: &mut State<A, X>,
        seen: &mut Duration,
        stopped: Option<&StopReason>,
        observer: &mut O,
    ) -> ControlFlow<StopReason>
    where
        A: karga_core::Merge,
        O: Observer<A>,
    {
        let elapsed = state.t0.elapsed();
        let mut snapshot = Snapshot::new(name, elapsed, &state.interval, &state.total);
        snapshot.plan = Plan::new(None, Some(self.duration), self.users);
        snapshot.interval_length = elapsed - std::mem::replace(seen, elapsed);
        snapshot.in_flight = self.users - state.idle.len() as u64;
        snapshot.account = state.account();
        snapshot.account.interrupted = if stopped.is_some() {
            snapshot.account.interrupted
        } else {
            state.lost // Those in flight may still complete.
        };
        snapshot.stopped = stopped;
        let flow = observer.on_interval(&snapshot);
        state.interval = state.total.fork_apart();
        flow
    }
}

impl<A, X> State<A, X> {
    /// In a closed model what begins is what was planned.
    fn account(&self) -> Account {
        let (begun, completed) = (self.begun, self.completed);
        Account::new(begun, completed, 0, begun - completed)
    }

    /// Lets a user in.
    fn begin(&mut self, user: u64, calls: &mut JoinSet<Done<X::Metric>>)
    where
        X: Action,
    {
        let (action, t0) = (Arc::clone(&self.actions[user as usize]), self.t0);
        // Without due times of its own, an iteration is due when it begins.
        let iteration = Iteration::new(self.begun, user, t0.elapsed());
        self.begun += 1;
        calls.spawn(async move {
            let metric = caught(|| action.call(iteration)).await.ok();
            let end = t0.elapsed();
            Done {
                iteration,
                end,
                metric,
            }
        });
        self.peak = self.peak.max(calls.len() as u64);
    }

    /// Records a call, and raises or lowers the number of users.
    fn end(&mut self, done: Done<X::Metric>, target: Duration)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let Done {
            iteration,
            end,
            metric,
        } = done;
        self.idle.push(iteration.user);
        self.last_end = self.last_end.max(end);
        let start = iteration.due;
        let both = [&mut self.total, &mut self.interval];
        let recorded = catch_unwind(AssertUnwindSafe(|| match metric {
            Some(metric) => {
                let sample = Sample::new(iteration, start, end, metric);
                both.into_iter()
                    .for_each(|aggregate| aggregate.record(&sample));
            }
            None => {
                let sample = Sample::new(iteration, start, end, Panicked::new());
                both.into_iter()
                    .for_each(|aggregate| aggregate.record_panic(&sample));
            }
        }));
        match recorded {
            Ok(()) => self.completed += 1,
            Err(_) => self.lost += 1,
        }
        if end - start <= target {
            // Each call of a round raises it by its share of one.
            let most = self.actions.len() as f64;
            self.limit = (self.limit + 1.0 / self.limit).min(most);
        } else if start >= self.lowered_at {
            self.limit = (self.limit * 0.75).max(1.0);
            self.lowered_at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use karga_core::{
        BoxFuture, action_fn, scenario,
        testing::{self, Clock},
    };
    use tokio::sync::Semaphore;

    use super::*;

    struct TokioClock;

    impl Clock for TokioClock {
        fn now(&self) -> std::time::Instant {
            Instant::now().into_std()
        }
        fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(time))
        }
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn executor() -> AdaptiveExecutor {
        AdaptiveExecutor {
            target: ms(8),
            users: 8,
            duration: ms(500),
            grace: ms(2000),
            interval: ms(51),
        }
    }

    /// It keeps every promise of the contract.
    #[tokio::test(start_paused = true)]
    async fn conforms() {
        testing::executor(TokioClock, executor)
            .service_time(ms(5))
            .run()
            .await;
    }

    /// A service with four places of 5 ms bears six users within 8 ms: the
    /// fifth and the sixth wait for half a round, on average.
    #[tokio::test(start_paused = true)]
    async fn no_more_users_than_the_target_bears() {
        let places = Arc::new(Semaphore::new(4));
        let service = scenario(
            "service",
            action_fn(move |_| {
                let places = Arc::clone(&places);
                async move {
                    let _place = places.acquire().await;
                    tokio::time::sleep(ms(5)).await;
                }
            }),
        );
        let mut executor = executor();
        executor.users = 100;
        executor.duration = Duration::from_secs(10);
        let run = executor
            .execute(&service, (), &mut ())
            .await
            .expect("it connects");
        // The service can do 800 a second; one user alone would do 200.
        let rate = run.account.completed / 10;
        assert!((700..=800).contains(&rate), "{rate}/s");
        assert!(run.generator.peak_in_flight <= 8, "{:?}", run.generator);
    }
}
