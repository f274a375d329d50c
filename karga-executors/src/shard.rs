//! Where samples are recorded: about one shard for each thread of the runtime,
//! so that memory does not grow with the workers, and what was recorded can be
//! collected at any time, also while an action hangs.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use karga_core::{Aggregate, Iteration, Merge, Panicked, Sample};

use crate::padded::Padded;

/// What workers count beside the aggregate.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) completed: u64,
    /// Iterations that are lost because the aggregate panicked on them.
    pub(crate) unrecorded: u64,
    pub(crate) late_with_free_worker: u64,
    pub(crate) late_with_all_busy: u64,
    /// The end of the last iteration, since the run's t0, or for a warm-up's
    /// since that began.
    pub(crate) last_end: Duration,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.completed += other.completed;
        self.unrecorded += other.unrecorded;
        self.late_with_free_worker += other.late_with_free_worker;
        self.late_with_all_busy += other.late_with_all_busy;
        self.last_end = self.last_end.max(other.last_end);
    }
}

/// Why an arrival started late, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    No,
    FreeWorker,
    AllBusy,
}

#[derive(Debug)]
struct Shard<A> {
    interval: A,
    /// The same samples once more, where the aggregate cannot be copied.
    total: Option<A>,
    tally: Tally,
}

impl<A: Merge> Shard<A> {
    fn empty(aggregate: &A, twice: bool) -> Self {
        Self {
            interval: interval(aggregate, twice),
            total: twice.then(|| aggregate.fork()),
            tally: Tally::default(),
        }
    }

    fn apart(aggregate: &A) -> Self {
        Self {
            interval: aggregate.fork_apart(),
            total: None,
            tally: Tally::default(),
        }
    }
}

/// An empty aggregate for an interval. Where samples are recorded twice, those
/// of the interval are no part of the result.
fn interval<A: Merge>(aggregate: &A, twice: bool) -> A {
    if twice {
        aggregate.fork_apart()
    } else {
        aggregate.fork()
    }
}

#[derive(Debug)]
pub(crate) struct Shards<A> {
    /// A power of two of them.
    shards: Box<[Padded<Mutex<Shard<A>>>]>,
    /// Whether samples are recorded twice, because the aggregate cannot be
    /// copied.
    twice: bool,
}

impl<A: Merge> Shards<A> {
    /// Empty shards of the aggregate's configuration, for this many threads.
    pub(crate) fn new(aggregate: &A, threads: usize) -> Self {
        let twice = aggregate.fork().duplicate().is_none();
        Self {
            shards: shards(threads, || Shard::empty(aggregate, twice)),
            twice,
        }
    }

    /// The same for samples that are no part of the result. They have no
    /// intervals, so nothing is recorded twice.
    pub(crate) fn apart(aggregate: &A, threads: usize) -> Self {
        Self {
            shards: shards(threads, || Shard::apart(aggregate)),
            twice: false,
        }
    }

    /// Takes the sum out of shards that stand apart.
    pub(crate) fn sum(&self, aggregate: &A) -> (A, Tally) {
        let (mut sum, mut tally) = (aggregate.fork_apart(), Tally::default());
        for shard in &self.shards {
            let full = std::mem::replace(&mut *lock(shard), Shard::apart(aggregate));
            sum.merge(full.interval);
            tally.add(&full.tally);
        }
        (sum, tally)
    }

    /// The shard of this thread; another one in the rare case that it is being
    /// used, so that nobody waits.
    #[inline]
    fn any(&self) -> MutexGuard<'_, Shard<A>> {
        let mask = self.shards.len() - 1;
        let own = thread_number();
        for step in 0..self.shards.len() {
            match self.shards[(own + step) & mask].try_lock() {
                Ok(shard) => return shard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        lock(&self.shards[own & mask])
    }

    /// Records a finished iteration; one without a metric panicked.
    #[inline]
    pub(crate) fn record<M>(
        &self,
        iteration: Iteration,
        start: Duration,
        end: Duration,
        metric: Option<M>,
        late: Late,
    ) where
        A: Aggregate<M>,
    {
        let sample = metric.map(|metric| Sample::new(iteration, start, end, metric));
        {
            let mut shard = self.any();
            let shard = &mut *shard;
            // An aggregate that panics must not take the others' data with it.
            let recorded = catch_unwind(AssertUnwindSafe(|| {
                let panicked = || Sample::new(iteration, start, end, Panicked::new());
                match &sample {
                    Some(sample) => {
                        shard.interval.record(sample);
                        if let Some(total) = &mut shard.total {
                            total.record(sample);
                        }
                    }
                    None => {
                        shard.interval.record_panic(&panicked());
                        if let Some(total) = &mut shard.total {
                            total.record_panic(&panicked());
                        }
                    }
                }
            }));
            let tally = &mut shard.tally;
            match recorded {
                Ok(()) => tally.completed += 1,
                Err(_) => tally.unrecorded += 1,
            }
            match late {
                Late::No => {}
                Late::FreeWorker => tally.late_with_free_worker += 1,
                Late::AllBusy => tally.late_with_all_busy += 1,
            }
            tally.last_end = tally.last_end.max(end);
        }
        // The metric is the user's: its drop may take long, or panic.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(sample)));
    }
}

/// About one for each thread; a power of two of them.
fn shards<A>(threads: usize, empty: impl Fn() -> Shard<A>) -> Box<[Padded<Mutex<Shard<A>>>]> {
    (0..threads.max(1).next_power_of_two())
        .map(|_| Padded(Mutex::new(empty())))
        .collect()
}

/// What was collected from the shards.
#[derive(Debug)]
pub(crate) struct Books<A> {
    /// What was recorded since the last collection.
    pub(crate) interval: A,
    /// What was recorded since t0.
    pub(crate) total: A,
    pub(crate) tally: Tally,
}

impl<A: Merge> Books<A> {
    pub(crate) fn new(aggregate: A) -> Self {
        Self {
            interval: aggregate.fork_apart(),
            total: aggregate,
            tally: Tally::default(),
        }
    }

    /// Takes everything out of the shards.
    pub(crate) fn collect(&mut self, shards: &Shards<A>) {
        let mut interval = interval(&self.total, shards.twice);
        for shard in &shards.shards {
            // Forks are made outside of the lock: they allocate.
            let fresh = Shard::empty(&self.total, shards.twice);
            let full = std::mem::replace(&mut *lock(shard), fresh);
            interval.merge(full.interval);
            if let Some(total) = full.total {
                self.total.merge(total);
            }
            self.tally.add(&full.tally);
        }
        if !shards.twice {
            let copy = interval
                .duplicate()
                .expect("invariant: an aggregate that can be copied once always can");
            self.total.merge(copy);
        }
        self.interval = interval;
    }
}

fn lock<A>(shard: &Mutex<Shard<A>>) -> MutexGuard<'_, Shard<A>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small number for each thread, in the order in which they first ask.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| match number.get() {
        Some(known) => known,
        None => {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts; can be copied or not.
    #[derive(Debug)]
    struct Count {
        samples: u64,
        copied: bool,
    }

    impl Merge for Count {
        fn fork(&self) -> Self {
            Self {
                samples: 0,
                copied: self.copied,
            }
        }
        fn merge(&mut self, other: Self) {
            self.samples += other.samples;
        }
        fn duplicate(&self) -> Option<Self> {
            self.copied.then_some(Self { ..*self })
        }
    }

    impl<M> Aggregate<M> for Count {
        fn record(&mut self, _: &Sample<M>) {
            self.samples += 1;
        }
    }

    fn record(shards: &Shards<Count>, end: u64) {
        let iteration = Iteration::new(0, 0, Duration::ZERO);
        let end = Duration::from_millis(end);
        shards.record(iteration, Duration::ZERO, end, Some(()), Late::AllBusy);
    }

    #[test]
    fn what_was_recorded_is_in_one_interval_and_in_the_total() {
        for copied in [true, false] {
            let aggregate = Count { samples: 0, copied };
            let shards = Shards::new(&aggregate, 3);
            let mut books = Books::new(aggregate);
            for (records, total) in [(3, 3), (0, 3), (2, 5)] {
                for n in 0..records {
                    record(&shards, n);
                }
                books.collect(&shards);
                assert_eq!(
                    (books.interval.samples, books.total.samples),
                    (records, total)
                );
                assert_eq!(
                    (books.tally.completed, books.tally.late_with_all_busy),
                    (total, total)
                );
            }
            assert_eq!(books.tally.last_end, Duration::from_millis(2));
        }
    }

    #[test]
    fn what_the_aggregate_held_before_stays() {
        for copied in [true, false] {
            let aggregate = Count {
                samples: 10,
                copied,
            };
            let shards = Shards::new(&aggregate, 1);
            let mut books = Books::new(aggregate);
            record(&shards, 1);
            books.collect(&shards);
            assert_eq!((books.interval.samples, books.total.samples), (1, 11));
        }
    }

    #[test]
    fn nobody_waits_for_a_shard_in_use() {
        let aggregate = Count {
            samples: 0,
            copied: true,
        };
        let shards = Shards::new(&aggregate, 2);
        let held = shards.any();
        // Would never come back if it waited for the same one.
        record(&shards, 1);
        drop(held);
        let mut books = Books::new(aggregate);
        books.collect(&shards);
        assert_eq!(books.total.samples, 1);
    }
}
