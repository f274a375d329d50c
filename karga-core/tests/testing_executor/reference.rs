//! A small executor that keeps the whole contract, and breaks one promise of
//! it where it is told to.

use std::{
    any::Any,
    future::{Future, poll_fn},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use karga_core::{
    Account, Action, Aggregate, ExecuteError, Executor, Iteration, LoadModel, Merge, MetricOf,
    Observer, Panicked, Run, Sample, Scenario, Snapshot, StopReason, WarmUp,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    NeverEnds,
    Panics,
    Refuses,
    NoArrivals,
    SetupTwice,
    ConnectsTwice,
    ConnectsLate,
    NotReady,
    ReadyTwice,
    DoesNotWaitForReady,
    IgnoresInstant,
    TeardownEarly,
    TeardownTwice,
    NoRemarks,
    RemarksEarly,
    IndexTwice,
    WrongUser,
    DueShifted,
    LastMissing,
    Early,
    LateByTwo,
    DueIsStart,
    ClosedDueRounded,
    EndLate,
    StartAtClaim,
    SampleLost,
    SampleTwice,
    PlannedTooMany,
    CompletedTooFew,
    ElapsedTooShort,
    ElapsedTooLong,
    NoLastSnapshot,
    SnapshotAfterLast,
    LastWithoutAccount,
    PlannedBehind,
    CompletedGoesBack,
    ElapsedZero,
    LengthZero,
    IntervalIsTotal,
    TotalIsInterval,
    NoFinish,
    FinishTwice,
    FinishOnFork,
    FinishEarly,
    LastWordsLost,
    CopyAssumed,
    SecondIsNotApart,
    ApartInResult,
    WarmUpInResult,
    WarmUpLost,
    WarmUpNotApart,
    WarmUpShown,
    ForkForEach,
    SamplesHeldBack,
    FuturesKept,
    IntervalsKept,
    PanicThrough,
    PanicNotRecorded,
    PanicEndsWorker,
    AggregatePanicThrough,
    AggregatePanicCompleted,
    AggregatePanicSilent,
    StartFailureIsSuccess,
    StartFailureWithoutTeardown,
    StartPanicThrough,
    StartErrorLost,
    TeardownErrorLost,
    TeardownErrorEndsAll,
    TeardownPanicThrough,
    IgnoresBreak,
    IgnoresPollStop,
    StopReasonLost,
    StopPlannedAll,
    StopLosesInFlight,
    NoGraceEnd,
    CutIsCompleted,
    TasksOutlive,
    ActionsOutlive,
}

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

    fn is(self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn arrivals(self) -> u64 {
        match self.fault {
            Fault::NoArrivals => 0,
            Fault::LastMissing => self.arrivals - 1,
            _ => self.arrivals,
        }
    }
}

/// What the workers share.
struct Shared<A> {
    reference: Reference,
    t0: Instant,
    next: AtomicU64,
    stop: watch::Receiver<bool>,
    books: Mutex<Books<A>>,
}

struct Books<A> {
    interval: A,
    /// The same once more, if the aggregate cannot be copied.
    twice: Option<A>,
    begun: u64,
    completed: u64,
    lost: u64,
    last_end: Duration,
    latest_due: Duration,
    /// What is kept without a bound, where that is the fault.
    kept: Vec<Box<dyn Any + Send>>,
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
        let mut run = self.load(scenario, actions, t0, result, observer).await;
        run.warm_up = warm_up;
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

impl<A> Shared<A> {
    async fn work<X>(self: Arc<Self>, user: u64, action: X)
    where
        X: Action,
        A: Aggregate<X::Metric>,
    {
        let is = |fault| self.reference.is(fault);
        let mut stop = self.stop.clone();
        let mut own = 0;
        let warm = (self.reference.warm_up.unwrap_or_default().as_millis() / 10) as u64;
        if self.reference.drive != Drive::Open {
            sleep_until(self.t0).await;
        }
        loop {
            if *stop.borrow() {
                break;
            }
            let n = self.next.fetch_add(1, Ordering::SeqCst);
            let claimed = self.t0.elapsed();
            if n >= self.reference.arrivals() {
                break;
            }
            let planned = match self.reference.drive {
                Drive::Open => due(n),
                Drive::Closed if own > 0 => claimed + ms(9),
                Drive::Closed => Duration::ZERO,
                Drive::Paced => ms(80 * own + 10 * user),
            };
            own += 1;
            let begins = match self.reference.fault {
                Fault::Early => planned.saturating_sub(ms(5)),
                Fault::LateByTwo => planned + ms(2),
                _ => planned,
            };
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = sleep_until(self.t0 + begins) => {}
            }
            let start = self.t0.elapsed();
            let due = match (self.reference.fault, self.reference.drive) {
                (Fault::ClosedDueRounded, _) => ms(start.as_millis() as u64 / 50 * 50),
                (Fault::DueIsStart, _) | (_, Drive::Closed) => start,
                (Fault::DueShifted, _) => planned.saturating_sub(ms(1)),
                _ => planned,
            };
            let n = n + warm;
            let index = if is(Fault::IndexTwice) && n == 8 {
                7
            } else {
                n
            };
            let shown = if is(Fault::WrongUser) { 0 } else { user };
            let iteration = Iteration::new(index, shown, due);
            {
                let mut books = self.books.lock().unwrap();
                books.begun += 1;
                books.latest_due = books.latest_due.max(due);
                if is(Fault::ForkForEach) {
                    let fork = books.interval.fork();
                    books.kept.push(Box::new(fork));
                }
            }
            let metric = if is(Fault::PanicThrough) {
                Ok(action.call(iteration).await)
            } else if is(Fault::FuturesKept) {
                let mut future = match catch_unwind(AssertUnwindSafe(|| action.call(iteration))) {
                    Ok(future) => Box::pin(future),
                    Err(_) => {
                        self.record::<X::Metric>(
                            iteration,
                            start,
                            self.t0.elapsed(),
                            Err(String::new()),
                        );
                        continue;
                    }
                };
                let metric = caught_in(future.as_mut()).await;
                // It is never dropped.
                std::mem::forget(future);
                metric
            } else {
                caught(|| action.call(iteration)).await
            };
            let ends_worker = metric.is_err() && is(Fault::PanicEndsWorker);
            let start = if is(Fault::StartAtClaim) {
                claimed
            } else {
                start
            };
            let end = self.t0.elapsed()
                + if is(Fault::EndLate) {
                    ms(1)
                } else {
                    Duration::ZERO
                };
            self.record(iteration, start, end, metric);
            if ends_worker {
                break;
            }
        }
    }

    fn record<M>(
        &self,
        iteration: Iteration,
        start: Duration,
        end: Duration,
        metric: Result<M, String>,
    ) where
        A: Aggregate<M>,
        M: Send + 'static,
    {
        let is = |fault| self.reference.is(fault);
        let mut books = self.books.lock().unwrap();
        let books = &mut *books;
        books.last_end = books.last_end.max(self.t0.elapsed());
        let mut sample = None;
        let recorded = catch_unwind(AssertUnwindSafe(|| {
            let targets = [Some(&mut books.interval), books.twice.as_mut()];
            match metric {
                Err(_) if is(Fault::PanicNotRecorded) => {}
                Err(_) => {
                    for target in targets.into_iter().flatten() {
                        target.record_panic(&Sample::new(iteration, start, end, Panicked::new()));
                    }
                }
                Ok(_) if is(Fault::SampleLost) && iteration.index == 77 => {}
                Ok(metric) => {
                    let sample = sample.insert(Sample::new(iteration, start, end, metric));
                    for target in targets.into_iter().flatten() {
                        target.record(sample);
                        if is(Fault::SampleTwice) && iteration.index == 77 {
                            target.record(sample);
                        }
                    }
                }
            }
        }));
        if let Some(sample) = sample
            && is(Fault::SamplesHeldBack)
        {
            books.kept.push(Box::new(sample.metric));
        }
        match recorded {
            Ok(()) => books.completed += 1,
            Err(_) if is(Fault::AggregatePanicCompleted) => {
                books.completed += 1;
                books.lost += 1;
            }
            Err(panic) if is(Fault::AggregatePanicThrough) => std::panic::resume_unwind(panic),
            Err(_) => books.lost += 1,
        }
    }

    /// Takes out what was recorded; gives the interval.
    fn collect(&self, total: &mut A, fresh: A, twice: Option<A>) -> A
    where
        A: Merge,
    {
        let mut books = self.books.lock().unwrap();
        let interval = std::mem::replace(&mut books.interval, fresh);
        let second = std::mem::replace(&mut books.twice, twice);
        drop(books);
        match interval.duplicate().or(second) {
            Some(copy) if self.reference.is(Fault::ApartInResult) => {
                let mut apart = total.fork_apart();
                apart.merge(copy);
                total.merge(apart);
            }
            Some(copy) => total.merge(copy),
            None => {}
        }
        interval
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

/// Runs a future; a panic becomes its message.
async fn caught<F: Future>(make: impl FnOnce() -> F) -> Result<F::Output, String> {
    let future = catch_unwind(AssertUnwindSafe(make)).map_err(|_| "a panic".to_owned())?;
    caught_in(pin!(future)).await
}

async fn caught_in<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err("a panic".to_owned())),
        },
    )
    .await
}
