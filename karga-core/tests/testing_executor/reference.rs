//! A small executor that keeps the whole contract, and breaks one promise of
//! it where it is told to.

use std::{
    future::poll_fn,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use karga_core::{
    Account, Action, Aggregate, ExecuteError, Executor, Iteration, LoadModel, MetricOf, Observer,
    Panicked, Run, Sample, Scenario, Snapshot, StopReason, WarmUp,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    fault::Fault,
    worker::{Books, Shared, caught},
};

/// How it drives the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drive {
    /// An arrival every 10 ms.
    Open,
    /// One after the other, with 9 ms between.
    Closed,
    /// Each user every 80 ms.
    Paced,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    pub(crate) fault: Fault,
    pub(crate) drive: Drive,
    pub(crate) warm_up: Option<Duration>,
    pub(crate) arrivals: u64,
    pub(crate) interval: Duration,
}

pub(crate) const USERS: u64 = 8;
const GRACE: Duration = Duration::from_secs(1);

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn due(n: u64) -> Duration {
    ms(10 * n)
}

impl Reference {
    pub(crate) const fn new(fault: Fault) -> Self {
        Self {
            fault,
            drive: Drive::Open,
            warm_up: None,
            arrivals: 200,
            interval: ms(255),
        }
    }

    pub(crate) fn is(self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(crate) fn arrivals(self) -> u64 {
        match self.fault {
            Fault::NoArrivals => 0,
            Fault::LastMissing => self.arrivals - 1,
            _ => self.arrivals,
        }
    }
}

impl<S: Scenario> Executor<S> for Reference {
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
        let actions = match self.prepare(scenario, observer).await {
            Ok(actions) => actions,
            Err(error) => {
                if !self.is(Fault::StartFailureWithoutTeardown) {
                    let _ = caught(|| scenario.teardown()).await;
                }
                if self.is(Fault::StartFailureIsSuccess) {
                    let account = Account::default();
                    return Ok(Run::new(
                        scenario.name(),
                        aggregate,
                        account,
                        Duration::ZERO,
                    ));
                }
                return Err(error);
            }
        };
        let mut early = None;
        if self.is(Fault::TeardownEarly) {
            early = match caught(|| scenario.teardown()).await {
                Ok(torn_down) => torn_down.err().map(|error| error.to_string()),
                Err(panic) => Some(panic),
            };
        }
        let begin = match self.fault {
            Fault::NotReady => None,
            Fault::DoesNotWaitForReady => {
                let _ = actions[0]
                    .call(Iteration::new(999, 0, Duration::ZERO))
                    .await;
                observer.on_ready().await
            }
            Fault::ReadyTwice => {
                observer.on_ready().await;
                observer.on_ready().await
            }
            _ => observer.on_ready().await,
        };
        let begin = begin.filter(|_| !self.is(Fault::IgnoresInstant));
        let begin = begin.map_or_else(Instant::now, Instant::from_std);
        if self.is(Fault::ConnectsLate) {
            let _ = scenario.connect(USERS).await;
        }
        let (mut warm_up, mut result) = (None, aggregate);
        if let Some(time) = self.warm_up {
            warm_up = Some(
                self.warm_up(begin, time, &actions[0], &mut result, observer, scenario)
                    .await,
            );
        }
        let t0 = begin + self.warm_up.unwrap_or_default();
        let mut remarks = Vec::new();
        if self.is(Fault::RemarksEarly) {
            remarks = scenario.remarks();
        }
        let mut details = Vec::new();
        if self.is(Fault::DetailsEarly) {
            details = scenario.details();
        }
        let mut run = self.load(scenario, actions, t0, result, observer).await;
        run.warm_up = warm_up;
        if !self.is(Fault::NoDetails) && !self.is(Fault::DetailsEarly) {
            details = scenario.details();
        }
        run.details = details;
        if !self.is(Fault::NoRemarks) && !self.is(Fault::RemarksEarly) {
            remarks = scenario.remarks();
        }
        run.warnings.extend(remarks);
        if self.is(Fault::TeardownEarly) {
            run.warnings.extend(early);
            return Ok(run);
        }
        if self.is(Fault::TeardownTwice) {
            let _ = caught(|| scenario.teardown()).await;
        }
        if self.is(Fault::TeardownPanicThrough) {
            if let Err(error) = scenario.teardown().await {
                run.warnings.push(error.to_string());
            }
            return Ok(run);
        }
        match caught(|| scenario.teardown()).await {
            Ok(Ok(())) => {}
            Ok(Err(source)) if self.is(Fault::TeardownErrorEndsAll) => {
                return Err(ExecuteError::Setup { source });
            }
            _ if self.is(Fault::TeardownErrorLost) => {}
            Ok(Err(error)) => run.warnings.push(error.to_string()),
            Err(panic) => run.warnings.push(panic),
        }
        Ok(run)
    }
}

impl Reference {
    async fn prepare<S: Scenario, A, O: Observer<A>>(
        self,
        scenario: &S,
        _: &mut O,
    ) -> Result<Vec<S::Action>, ExecuteError<S::Error>> {
        if self.is(Fault::Refuses) {
            let (during, message) = ("refusing".to_owned(), "by fault".to_owned());
            return Err(ExecuteError::Panicked { during, message });
        }
        let panicked = |during: &str, message| ExecuteError::Panicked {
            during: during.to_owned(),
            message,
        };
        let mut actions = Vec::new();
        if self.is(Fault::SetupTwice) {
            let _ = caught(|| scenario.setup()).await;
        }
        if self.is(Fault::StartPanicThrough) {
            let setup = scenario.setup().await;
            setup.map_err(|source| ExecuteError::Setup { source })?;
        } else {
            match caught(|| scenario.setup()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) if self.is(Fault::StartErrorLost) => {
                    return Err(panicked("setting up", "something".to_owned()));
                }
                Ok(Err(source)) => return Err(ExecuteError::Setup { source }),
                Err(panic) => return Err(panicked("setting up", panic)),
            }
        }
        let users = USERS + u64::from(self.is(Fault::ActionsOutlive));
        for user in actions.len() as u64..users {
            actions.push(connect(scenario, user).await?);
        }
        if self.is(Fault::ConnectsTwice) {
            connect(scenario, 0).await?;
        }
        Ok(actions)
    }

    /// Calls one user until t0, every 10 ms.
    async fn warm_up<X, A, O, S>(
        self,
        begin: Instant,
        time: Duration,
        action: &X,
        result: &mut A,
        observer: &mut O,
        scenario: &S,
    ) -> WarmUp<A>
    where
        X: Action,
        A: Aggregate<X::Metric>,
        O: Observer<A>,
        S: Scenario,
    {
        let mut apart = match self.fault {
            Fault::WarmUpNotApart => result.fork(),
            _ => result.fork_apart(),
        };
        let mut completed = 0;
        while due(completed) < time {
            let due = due(completed);
            sleep_until(begin + due).await;
            let iteration = Iteration::new(completed, 0, due);
            let metric = caught(|| action.call(iteration)).await;
            let end = begin.elapsed();
            completed += 1;
            let target = match self.fault {
                Fault::WarmUpInResult => &mut *result,
                _ => &mut apart,
            };
            let recorded = catch_unwind(AssertUnwindSafe(|| match metric {
                _ if self.is(Fault::WarmUpLost) => {}
                Ok(metric) => target.record(&Sample::new(iteration, due, end, metric)),
                Err(_) => target.record_panic(&Sample::new(iteration, due, end, Panicked::new())),
            }));
            drop(recorded);
            if completed == 5 {
                let empty = result.fork();
                let mut snapshot = Snapshot::new(scenario.name(), Duration::ZERO, &empty, &empty);
                if self.is(Fault::WarmUpShown) {
                    snapshot.account = Account::new(5, 5, 0, 0);
                }
                snapshot.warm_up_left = Some(time - due);
                let _ = observer.on_interval(&snapshot);
            }
        }
        sleep_until(begin + time).await;
        // Numbers go on where the warm-up ends.
        WarmUp::new(time, apart, Account::new(completed, completed, 0, 0))
    }

    async fn load<S, A, O>(
        self,
        scenario: &S,
        mut actions: Vec<S::Action>,
        t0: Instant,
        mut total: A,
        observer: &mut O,
    ) -> Run<A>
    where
        S: Scenario,
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>,
    {
        let (stop, stopped) = watch::channel(false);
        let copies = total.fork().duplicate().is_some();
        let twice = |total: &A| (!copies && !self.is(Fault::CopyAssumed)).then(|| total.fork());
        let fresh = |total: &A| match (copies, self.fault) {
            (true, _) | (_, Fault::SecondIsNotApart | Fault::CopyAssumed) => total.fork(),
            (false, _) => total.fork_apart(),
        };
        let shared = Arc::new(Shared {
            reference: self,
            t0,
            next: AtomicU64::new(0),
            stop: stopped,
            books: Mutex::new(Books {
                interval: fresh(&total),
                twice: twice(&total),
                begun: 0,
                completed: 0,
                lost: 0,
                last_end: Duration::ZERO,
                latest_due: Duration::ZERO,
                kept: Vec::new(),
            }),
        });
        let mut workers = JoinSet::new();
        if self.is(Fault::ActionsOutlive) {
            let idle = actions.pop();
            tokio::spawn(async move {
                sleep(Duration::from_secs(60)).await;
                drop(idle);
            });
        }
        for (user, action) in (0..).zip(actions) {
            let work = Arc::clone(&shared).work(user, action);
            if self.is(Fault::TasksOutlive) {
                let task = tokio::spawn(work);
                workers.spawn(async { drop(task.await) });
            } else {
                workers.spawn(work);
            }
        }

        let mut tick = t0 + self.interval;
        let mut cut = None;
        let mut reason: Option<(StopReason, Duration)> = None;
        let mut last = (Duration::ZERO, 0);
        let mut words = Vec::new();
        if self.is(Fault::FinishEarly) {
            words = total.finish().await;
        }
        loop {
            let asked = poll_fn(|cx| observer.poll_stop(cx));
            let stops = tokio::select! {
                biased;
                why = asked, if reason.is_none() && !self.is(Fault::IgnoresPollStop) => Some(why),
                done = workers.join_next() => match done {
                    None => break,
                    Some(Ok(())) => continue,
                    Some(Err(error)) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic())
                    }
                    Some(Err(_)) => continue,
                },
                () = sleep_until(cut.unwrap_or(tick)), if cut.is_some() => {
                    cut = None;
                    workers.abort_all();
                    continue;
                }
                () = sleep_until(tick) => {
                    tick += self.interval;
                    let elapsed = t0.elapsed();
                    let (empty, second) = (fresh(&total), twice(&total));
                    let interval = shared.collect(&mut total, empty, second);
                    let books = shared.books.lock().unwrap();
                    let until = reason.as_ref().map_or(elapsed, |(_, at)| *at);
                    let mut account = self.account(&books, until);
                    drop(books);
                    if self.is(Fault::PlannedBehind) {
                        account.planned = account.completed / 2;
                    } else if self.is(Fault::CompletedGoesBack) {
                        account.completed -= last.1;
                        last.1 = account.completed;
                    }
                    account.interrupted = 0;
                    let interval = match self.fault {
                        Fault::IntervalIsTotal => total.duplicate().unwrap_or(interval),
                        _ => interval,
                    };
                    let shown = match self.fault {
                        Fault::TotalIsInterval => &interval,
                        _ => &total,
                    };
                    let mut snapshot = Snapshot::new(scenario.name(), elapsed, &interval, shown);
                    snapshot.account = account;
                    snapshot.interval_length = elapsed - last.0;
                    if self.is(Fault::ElapsedZero) {
                        snapshot.elapsed = Duration::ZERO;
                    } else if self.is(Fault::LengthZero) {
                        snapshot.interval_length = Duration::ZERO;
                    }
                    last.0 = snapshot.elapsed;
                    let answer = observer.on_interval(&snapshot);
                    if self.is(Fault::IntervalsKept) {
                        shared.books.lock().unwrap().kept.push(Box::new(interval));
                    }
                    match answer {
                        ControlFlow::Break(why) if reason.is_none() => Some(why),
                        _ => None,
                    }
                    .filter(|_| !self.is(Fault::IgnoresBreak))
                }
            };
            if let Some(why) = stops {
                reason = Some((why, t0.elapsed()));
                let _ = stop.send(true);
                if !self.is(Fault::NoGraceEnd) {
                    cut = Some(Instant::now() + GRACE);
                }
                if self.is(Fault::StopLosesInFlight) {
                    workers.abort_all();
                }
            }
        }
        if reason.is_none() && self.drive == Drive::Open {
            sleep_until(t0 + due(self.arrivals())).await;
        }
        if self.is(Fault::NeverEnds) {
            std::future::pending::<()>().await;
        }
        assert!(!self.is(Fault::Panics), "by fault");

        let (empty, second) = (fresh(&total), twice(&total));
        let interval = shared.collect(&mut total, empty, second);
        let (account, load_time, last_end, lost) = {
            let mut books = shared.books.lock().unwrap();
            books.kept.clear();
            let full = match self.drive {
                Drive::Open => due(self.arrivals()),
                _ => books.last_end,
            };
            let load_time = reason.as_ref().map_or(full, |(_, at)| *at);
            let account = self.final_account(&books, load_time, reason.is_some());
            (account, load_time, books.last_end, books.lost)
        };
        let why = match reason {
            Some(_) if self.is(Fault::StopReasonLost) => StopReason::Completed,
            Some((why, _)) => why,
            None => StopReason::Completed,
        };
        let elapsed = t0.elapsed();
        if !self.is(Fault::NoLastSnapshot) {
            let mut snapshot = Snapshot::new(scenario.name(), elapsed, &interval, &total);
            snapshot.interval_length = elapsed - last.0;
            snapshot.stopped = Some(&why);
            if !self.is(Fault::LastWithoutAccount) {
                snapshot.account = account;
            } else {
                snapshot.account = Account::new(account.planned + 1, account.completed, 0, 1);
            }
            if self.is(Fault::LengthZero) {
                snapshot.interval_length = Duration::ZERO;
            }
            let _ = observer.on_interval(&snapshot);
            if self.is(Fault::SnapshotAfterLast) {
                let empty = total.fork();
                let mut snapshot = Snapshot::new(scenario.name(), elapsed, &empty, &total);
                snapshot.account = account;
                let _ = observer.on_interval(&snapshot);
            }
        }
        match self.fault {
            Fault::NoFinish | Fault::FinishEarly => {}
            Fault::FinishTwice => {
                words = total.finish().await;
                total.finish().await;
            }
            Fault::FinishOnFork => words = total.fork().finish().await,
            Fault::LastWordsLost => {
                total.finish().await;
            }
            _ => words = total.finish().await,
        }
        let elapsed = match self.fault {
            Fault::ElapsedTooShort => load_time / 2,
            Fault::ElapsedTooLong => load_time.max(last_end) * 2,
            _ => load_time.max(last_end),
        };
        let mut run = Run::new(scenario.name(), total, account, elapsed);
        run.load_time = load_time.min(elapsed);
        run.stop = why;
        run.warnings = words;
        if lost > 0 && !self.is(Fault::AggregatePanicSilent) {
            run.warnings
                .push(format!("the aggregate panicked on {lost} samples"));
        }
        run.model = match self.drive {
            Drive::Open => LoadModel::Open,
            Drive::Closed => LoadModel::Closed,
            Drive::Paced => LoadModel::Paced,
        };
        run
    }

    fn final_account<A>(self, books: &Books<A>, load_time: Duration, stopped: bool) -> Account {
        let mut account = self.account(books, load_time);
        match self.fault {
            Fault::StopPlannedAll if stopped => {
                account.planned = self.arrivals();
                account.interrupted = account.planned - account.completed;
            }
            Fault::StopLosesInFlight if stopped => {
                account.planned = account.completed;
                account.interrupted = 0;
            }
            Fault::CutIsCompleted if stopped => {
                account.completed = account.planned;
                account.interrupted = 0;
            }
            Fault::PlannedTooMany => account.planned += 1,
            Fault::CompletedTooFew => {
                account.completed -= 1;
                account.interrupted += 1;
            }
            _ => {}
        }
        account
    }

    fn account<A>(self, books: &Books<A>, until: Duration) -> Account {
        let planned = match self.drive {
            Drive::Open => {
                let due = (until.as_millis() / 10) as u64 + 1;
                due.min(self.arrivals()).max(books.begun)
            }
            _ => books.begun,
        };
        let completed = books.completed;
        Account::new(planned, completed, 0, planned - completed)
    }
}

async fn connect<S: Scenario>(
    scenario: &S,
    user: u64,
) -> Result<S::Action, ExecuteError<S::Error>> {
    match caught(|| scenario.connect(user)).await {
        Ok(Ok(action)) => Ok(action),
        Ok(Err(source)) => Err(ExecuteError::Connect { user, source }),
        Err(message) => Err(ExecuteError::Panicked {
            during: format!("connecting user {user}"),
            message,
        }),
    }
}
