//! What an aggregate allocates: nothing on the way, and bounded in whole.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    borrow::Cow,
    cell::Cell,
    time::Duration,
};

use karga_core::{Aggregate, Iteration, Merge, Metric, Outcome, Sample, Volume};
use karga_stats::HistogramAggregate;

/// Counts what the current thread allocates.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

fn note(allocations: u64, bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    BYTES.set(BYTES.get() + bytes);
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "an allocator cannot be counted without being one"
)]
// SAFETY: every call goes to the system's allocator as it came; counting
// allocates nothing, because the thread's counters are const-initialized.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

const MB: i64 = 1_000_000;

struct Operation(u64);

impl Metric for Operation {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn volume(&self) -> Volume {
        Volume::new(1, 1, 1)
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        let labels = ["login", "search", "view", "order", "logout"];
        Some(Cow::Borrowed(labels[self.0 as usize % labels.len()]))
    }
}

/// A generator of the xorshift kind (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A time from 1 µs to 100 s, evenly spread over the orders of magnitude:
    /// far wider than any target's.
    fn time(&mut self) -> Duration {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_nanos((1e3 * 1e8_f64.powf(uniform)) as u64)
    }
}

/// Snapshots in a whole run; each merges a shard of one or more seconds.
const SNAPSHOTS: u64 = 600;

/// Records so many samples in some of the seconds, evenly spread, and gives the
/// most memory that was held at a snapshot, the shard and its copy included.
fn peak(seconds: u64, samples: u64) -> i64 {
    let step = seconds / SNAPSHOTS / 6 + 1;
    let before = BYTES.get();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut total = HistogramAggregate::default();
    let mut peak = 0;
    let mut shard = total.fork();
    for second in (0..seconds).step_by(step as usize) {
        for n in 0..samples {
            let (service, late) = (random.time(), random.time() / 1000);
            let end =
                Duration::from_secs(second) + Duration::from_secs(1) * n as u32 / samples as u32;
            let start = end.saturating_sub(service);
            let due = Iteration::new(n, 0, start.saturating_sub(late));
            shard.record(&Sample::new(due, start, end, Operation(n)));
        }
        if (second / step).is_multiple_of(6) || step == 1 {
            total.merge(shard.duplicate().expect("it can be copied"));
            peak = peak.max(BYTES.get() - before);
            shard = total.fork();
        }
    }
    total.merge(shard);
    assert_eq!(
        total.outcomes().completed(),
        seconds.div_ceil(step) * samples
    );
    peak
}

#[test]
fn ten_minutes_with_five_labels_fit_into_40_mb() {
    let bytes = peak(600, 200);
    assert!((MB..40 * MB).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_day_takes_at_most_twice_that() {
    let bytes = peak(86_400, 50);
    assert!((MB..80 * MB).contains(&bytes), "{bytes} bytes");
}

#[test]
fn recording_allocates_nothing_once_its_buckets_are_there() {
    let mut aggregate = HistogramAggregate::default();
    let mut record = |n: u64| {
        let end = Duration::from_secs(1) + Duration::from_micros(n);
        let start = end - Duration::from_millis(5);
        let due = Iteration::new(n, 0, start - Duration::from_micros(50));
        aggregate.record(&Sample::new(due, start, end, ()));
        aggregate.record(&Sample::new(due, start, end, Operation(n)));
    };
    (0..10).for_each(&mut record);
    let before = ALLOCATIONS.get();
    (10..10_000).for_each(&mut record);
    assert_eq!(ALLOCATIONS.get(), before);
}

#[test]
fn a_fork_allocates_nothing() {
    let mut aggregate = HistogramAggregate::default();
    aggregate.record(&Sample::new(
        Iteration::new(0, 0, Duration::ZERO),
        Duration::ZERO,
        Duration::from_millis(1),
        Operation(0),
    ));
    let before = ALLOCATIONS.get();
    let fork = aggregate.fork();
    assert_eq!(ALLOCATIONS.get(), before);
    assert!(fork.response_time().is_empty());
}
