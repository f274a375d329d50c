//! What the kit sees of a run from within.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::script::Script;
use crate::{Account, Iteration, StopReason, testing::Clock};

/// Everything that happened, in its order.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Counts what happens, so that the order can be told within one instant.
    next: u64,
    pub(super) setups: Vec<Span>,
    pub(super) connects: Vec<(u64, Span)>,
    pub(super) ready: Vec<Span>,
    /// The instant that load starts at.
    pub(super) t0: Option<Instant>,
    pub(super) calls: Vec<Call>,
    pub(super) snapshots: Vec<Snap>,
    pub(super) stop_asked: Option<Moment>,
    /// How often the observer was asked again after it had said stop.
    pub(super) asked_after_stop: u32,
    pub(super) finishes: Vec<Finish>,
    /// When samples were last recorded, or merged, into the result.
    pub(super) last_kept: Option<Moment>,
    pub(super) remarks: Vec<Moment>,
    pub(super) details: Vec<Moment>,
    pub(super) teardowns: Vec<Span>,
    /// How many samples were recorded into aggregates that are no fork apart.
    pub(super) recorded: u64,
    /// The calls on whose samples the aggregate panicked.
    pub(super) lost: HashSet<usize>,
    pub(super) live: Live,
}

/// When something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) order: u64,
    pub(super) at: Instant,
}

/// When something began, and ended if it did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) begun: Moment,
    pub(super) ended: Option<Moment>,
}

/// What exists at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Live {
    pub(super) actions: i64,
    pub(super) aggregates: i64,
    pub(super) metrics: i64,
    /// Futures of calls that are done and still there.
    pub(super) done_calls: i64,
    /// Calls that have begun, and have neither ended nor been dropped.
    pub(super) running: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Running,
    Ended,
    Panicked,
    Cut,
}

/// One call of the action.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// The user whose action was called.
    pub(super) user: u64,
    pub(super) iteration: Iteration,
    pub(super) begun: Moment,
    pub(super) ended: Option<Moment>,
    pub(super) fate: Fate,
    /// What existed when it began.
    pub(super) live: Live,
}

impl Call {
    /// Whether it ran to its end, well or not.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.fate, Fate::Ended | Fate::Panicked)
    }
}

/// A snapshot that the observer was shown.
#[derive(Debug, Clone)]
pub(super) struct Snap {
    pub(super) seen: Moment,
    pub(super) elapsed: Duration,
    pub(super) length: Duration,
    pub(super) account: Account,
    pub(super) interval: Digest,
    pub(super) total: Digest,
    pub(super) tainted: bool,
    pub(super) stopped: Option<StopReason>,
    pub(super) warm_up_left: Option<Duration>,
}

/// Says whether two heaps of samples are the same, in whatever order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) samples: u64,
    pub(super) sum: u64,
}

impl Digest {
    pub(super) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// A call of `finish`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish {
    pub(super) seen: Moment,
    pub(super) samples: u64,
}

/// The log of a run beside what it is played by; shared by everything that
/// the kit hands to the executor.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) script: Arc<Script>,
    log: Arc<Mutex<Log>>,
}

impl Stage {
    pub(super) fn new(clock: Arc<dyn Clock>, script: Script) -> Self {
        Self {
            clock,
            script: Arc::new(script),
            log: Arc::default(),
        }
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has happened so far; the log begins anew.
    pub(super) fn take(&self) -> Log {
        std::mem::take(&mut *self.log())
    }

    /// Notes something with the moment at which it happens.
    pub(super) fn note<T>(&self, note: impl FnOnce(&mut Log, Moment) -> T) -> T {
        let at = self.clock.now();
        let mut log = self.log();
        log.next += 1;
        let moment = Moment {
            order: log.next,
            at,
        };
        note(&mut log, moment)
    }
}

impl Moment {
    pub(super) fn span(self) -> Span {
        Span {
            begun: self,
            ended: None,
        }
    }
}
