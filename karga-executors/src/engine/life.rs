use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::Poll,
    time::{Duration, SystemTime},
};

use karga_core::{
    Account, Aggregate, ExecuteError, Merge, MetricOf, Observer, Plan, Run, Scenario, Snapshot,
    StopReason,
};
use tokio::time::Instant;

use super::{Load, Settings, ledger::Ledger, seat::Shared, stop::Stop, watch::Watch};
use crate::{
    clock::Clock,
    connect::{connect, setup, teardown, told},
    handle::StopSignal,
    health::TOLERANCE,
    padded::Padded,
    shard::Shards,
    signal::CtrlC,
    timer::Timer,
};

/// Runs a scenario under a load, from setup to teardown.
pub(crate) async fn execute<L, S, A, O>(
    load: L,
    settings: &Settings,
    signal: &StopSignal,
    scenario: &S,
    aggregate: A,
    observer: &mut O,
) -> Result<Run<A>, ExecuteError<S::Error>>
where
    L: Load,
    S: Scenario,
    A: Aggregate<MetricOf<S>>,
    O: Observer<A>,
{
    let mut warnings = Vec::new();
    let mut stops = Stops::listen(settings, signal, &mut warnings);
    let mut run = match prepare(load.users(), scenario, &mut stops, observer).await {
        Ok(Ok((actions, begin))) => {
            let shared = Arc::new(share(load, settings, begin, &aggregate, &mut warnings));
            let watch = Watch::start(settings, scenario.name(), shared, actions, aggregate);
            watch.run(&mut stops, observer).await
        }
        Ok(Err(reason)) => never_began(
            &load,
            settings,
            scenario.name(),
            reason,
            aggregate,
            observer,
        ),
        Err(error) => {
            // The error that ended the run says more than one of the
            // teardown after it.
            let _ = teardown(scenario).await;
            return Err(error);
        }
    };
    warnings.append(&mut run.warnings);
    warnings.extend(run.aggregate.finish().await);
    let remarks = told("remarks", || scenario.remarks(), &mut warnings);
    warnings.extend(remarks);
    run.details = told("details", || scenario.details(), &mut warnings);
    warnings.extend(teardown(scenario).await);
    run.warnings = warnings;
    Ok(run)
}

/// Everything before load begins: gives the users' actions and that instant,
/// or why it is never to begin.
async fn prepare<S, A, O>(
    users: u64,
    scenario: &S,
    stops: &mut Stops<'_>,
    observer: &mut O,
) -> Result<Result<(Vec<S::Action>, Instant), StopReason>, ExecuteError<S::Error>>
where
    S: Scenario,
    O: Observer<A>,
{
    let connected = async {
        setup(scenario).await?;
        connect(scenario, users).await
    };
    let actions = tokio::select! {
        biased;
        reason = stops.next(observer) => return Ok(Err(reason)),
        connected = connected => connected?,
    };
    // The observer is busy with being ready.
    let mut nobody = ();
    let begin = tokio::select! {
        biased;
        reason = stops.next::<A, ()>(&mut nobody) => return Ok(Err(reason)),
        begin = observer.on_ready() => begin,
    };
    // Nor did it hear, while it waited for others, that they want a stop.
    let asked = poll_fn(|cx| Poll::Ready(observer.poll_stop(cx)));
    if let Poll::Ready(reason) = asked.await {
        return Ok(Err(reason));
    }
    let begin = begin.map_or_else(Instant::now, Instant::from_std);
    Ok(Ok((actions, begin)))
}

fn share<L, A>(
    load: L,
    settings: &Settings,
    begin: Instant,
    aggregate: &A,
    warnings: &mut Vec<String>,
) -> Shared<A, L>
where
    L: Load,
    A: Merge,
{
    let users = load.users();
    let (timer, warning) = Timer::new(settings.precision, users);
    warnings.extend(warning);
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    let warm_up = settings.warm_up;
    Shared {
        load,
        users,
        clock: Clock::new(begin),
        warm_up,
        timer,
        shards: Shards::new(aggregate, threads),
        warm_shards: (!warm_up.is_zero()).then(|| Shards::apart(aggregate, threads)),
        ledger: Ledger::default(),
        in_flight: Padded::default(),
        stop: Padded(Stop::new(users)),
    }
}

/// What the result is planned to be.
pub(super) fn plan<L: Load>(load: &L, warm_up: Duration) -> Plan {
    let duration = load
        .fills_its_time()
        .then(|| load.duration().saturating_sub(warm_up));
    Plan::new(load.arrivals(), duration, load.users())
}

/// The run of an executor that was stopped before load began.
fn never_began<L, A, O>(
    load: &L,
    settings: &Settings,
    name: &str,
    reason: StopReason,
    aggregate: A,
    observer: &mut O,
) -> Run<A>
where
    L: Load,
    A: Merge,
    O: Observer<A>,
{
    let interval = aggregate.fork_apart();
    let mut snapshot = Snapshot::new(name, Duration::ZERO, &interval, &aggregate);
    snapshot.plan = plan(load, settings.warm_up);
    snapshot.stopped = Some(&reason);
    snapshot.model = load.model();
    snapshot.warm_up_left = Some(settings.warm_up).filter(|left| !left.is_zero());
    // The answer of the last snapshot has no meaning.
    let _ = observer.on_interval(&snapshot);
    let mut run = Run::new(name, aggregate, Account::default(), Duration::ZERO);
    run.stop = reason;
    run.model = load.model();
    run.generator.workers = load.users();
    run.generator.tolerance = TOLERANCE;
    run.started_at = Some(SystemTime::now());
    run
}

/// What may stop a run from outside.
pub(super) struct Stops<'a> {
    signal: &'a StopSignal,
    ctrl_c: Option<CtrlC>,
}

impl<'a> Stops<'a> {
    fn listen(settings: &Settings, signal: &'a StopSignal, warnings: &mut Vec<String>) -> Self {
        let ctrl_c = settings.stop_on_ctrl_c.then(CtrlC::listen);
        Self {
            signal,
            ctrl_c: ctrl_c.transpose().unwrap_or_else(|error: io::Error| {
                warnings.push(format!("Ctrl-C cannot be caught: {error}"));
                None
            }),
        }
    }

    /// Waits for the next request to stop: by the handle, by Ctrl-C, or by the
    /// observer between two intervals.
    pub(super) async fn next<A, O: Observer<A>>(&mut self, observer: &mut O) -> StopReason {
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
            reason = poll_fn(|cx| observer.poll_stop(cx)) => reason,
        }
    }
}
