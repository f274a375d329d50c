//! One run of the executor under test, played by a script.

use std::{
    any::Any,
    collections::HashSet,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{
    log::{Call, Log, Stage},
    probe::Probe,
    script::Script,
    tape::Tape,
    watch::Watch,
};
use crate::{BoxFuture, Executor, Run, error_chain, testing::Clock};

/// What was seen of a run.
pub(super) struct Seen {
    pub(super) script: Script,
    pub(super) log: Log,
    pub(super) end: End,
    /// When the executor was asked to run.
    pub(super) begun: Instant,
    /// When the future was done.
    pub(super) over: Instant,
}

/// How the executor's future ended.
pub(super) enum End {
    Run(Box<Run<Tape>>),
    /// The error, with all that caused it.
    Refused(String),
    /// It let a panic through.
    Panicked(String),
    /// It had not ended within the limit.
    Late,
}

impl End {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Run(_) => "a run".to_owned(),
            Self::Refused(error) => format!("the error \"{error}\""),
            Self::Panicked(message) => format!("a panic that came through: {message}"),
            Self::Late => "a future that is not done".to_owned(),
        }
    }
}

impl Seen {
    /// The run, with the instant that its times count from.
    pub(super) fn run(&self) -> Option<(&Run<Tape>, Instant)> {
        match &self.end {
            End::Run(run) => Some((run, self.t0(run)?)),
            _ => None,
        }
    }

    fn t0(&self, run: &Run<Tape>) -> Option<Instant> {
        let warm_up = run.warm_up.as_ref().map(|warm_up| warm_up.duration);
        self.log.t0?.checked_add(warm_up.unwrap_or_default())
    }

    /// How long the warm-up was; zero if there was none.
    pub(super) fn warm_up(&self) -> Duration {
        let warm_up = self.run().and_then(|(run, _)| run.warm_up.as_ref());
        warm_up.map(|warm_up| warm_up.duration).unwrap_or_default()
    }

    /// The calls that are part of the result, with their numbers; those of a
    /// warm-up are not, also if they began after it, because they were late.
    pub(super) fn measured(&self, t0: Instant) -> impl Iterator<Item = (usize, &Call)> {
        let warm_up = self.run().and_then(|(run, _)| run.warm_up.as_ref());
        let kept = warm_up.map_or(&[][..], |warm_up| &warm_up.aggregate.samples);
        let warm: HashSet<usize> = kept.iter().filter_map(|take| take.call).collect();
        self.numbered()
            .filter(move |(number, call)| call.begun.at >= t0 && !warm.contains(number))
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Call)> {
        self.log.calls.iter().enumerate()
    }
}

/// Plays a run to its end, or to the limit.
pub(super) async fn play<E>(
    clock: &Arc<dyn Clock>,
    limit: Duration,
    executor: &E,
    script: Script,
) -> Seen
where
    E: Executor<Probe>,
{
    let stage = Stage::new(Arc::clone(clock), script.clone());
    let probe = Probe {
        stage: stage.clone(),
    };
    let mut watch = Watch::new(stage.clone());
    let begun = clock.now();
    let run = executor.execute(&probe, Tape::new(stage.clone()), &mut watch);
    let end = match until(run, clock.sleep(limit)).await {
        Some(Ok(Ok(run))) => End::Run(Box::new(run)),
        Some(Ok(Err(error))) => End::Refused(error_chain(&error)),
        Some(Err(panic)) => End::Panicked(panic),
        None => End::Late,
    };
    let over = clock.now();
    // What an executor leaves running would go on from here.
    clock.sleep(script.service.max(TICK)).await;
    let log = stage.take();
    Seen {
        script,
        log,
        end,
        begun,
        over,
    }
}

/// Long enough for a runtime to get to everything that is ready.
const TICK: Duration = Duration::from_millis(1);

/// What was seen of a run whose future was dropped.
pub(super) struct Dropped {
    /// Whether it had ended before.
    pub(super) ended: bool,
    /// How much had happened when it was dropped.
    pub(super) before: Progress,
    /// Once the runtime had had the time to end what was to end.
    pub(super) at_once: Progress,
    /// Long after.
    pub(super) after: Progress,
}

/// How far a run has come, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) connects: usize,
    pub(super) calls: usize,
    pub(super) recorded: u64,
    pub(super) running: i64,
    pub(super) actions: i64,
    pub(super) aggregates: i64,
}

impl Progress {
    fn of(stage: &Stage) -> Self {
        let log = stage.log();
        Self {
            connects: log.connects.len(),
            calls: log.calls.len(),
            recorded: log.recorded,
            running: log.live.running,
            actions: log.live.actions,
            aggregates: log.live.aggregates,
        }
    }
}

/// Plays a run and drops its future after `time`, then waits for `rest`.
pub(super) async fn drop_after<E>(
    clock: &Arc<dyn Clock>,
    executor: &E,
    script: Script,
    time: Duration,
    rest: Duration,
) -> Dropped
where
    E: Executor<Probe>,
{
    let stage = Stage::new(Arc::clone(clock), script);
    let probe = Probe {
        stage: stage.clone(),
    };
    let mut watch = Watch::new(stage.clone());
    let run = executor.execute(&probe, Tape::new(stage.clone()), &mut watch);
    let ended = until(run, clock.sleep(time)).await.is_some();
    let before = Progress::of(&stage);
    clock.sleep(TICK).await;
    let at_once = Progress::of(&stage);
    clock.sleep(rest).await;
    let after = Progress::of(&stage);
    Dropped {
        ended,
        before,
        at_once,
        after,
    }
}

/// Runs `future` until it is done, or panics, or `timer` is done; drops it.
async fn until<F: Future>(
    future: F,
    mut timer: BoxFuture<'static, ()>,
) -> Option<Result<F::Output, String>> {
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Some(Ok(output))),
            Ok(Poll::Pending) => {}
            Err(panic) => return Poll::Ready(Some(Err(message_of(&*panic)))),
        }
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}
