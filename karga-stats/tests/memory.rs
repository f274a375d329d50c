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
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn note(allocations: u64, bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    BYTES.set(BYTES.get() + bytes);
    PEAK.set(PEAK.get().max(BYTES.get()));
}

/// The most that was held at once meanwhile, beyond what was held before.
fn peak(work: impl FnOnce()) -> i64 {
    let before = BYTES.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
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

/// Records so many samples of five labels in one second, evenly spread.
fn record(shard: &mut HistogramAggregate, second: u64, samples: u64, random: &mut Random) {
    for n in 0..samples {
        let (service, late) = (random.time(), random.time() / 1000);
        let end = Duration::from_secs(second) + Duration::from_secs(1) * n as u32 / samples as u32;
        let start = end.saturating_sub(service);
        let due = Iteration::new(n, 0, start.saturating_sub(late));
        shard.record(&Sample::new(due, start, end, Operation(n)));
    }
}

/// Runs through some of the seconds, in so many snapshots, each of which merges
/// a shard's copy, and gives the most that was held.
fn whole_run(seconds: u64, snapshots: u64, samples: u64) -> i64 {
    const IN_SHARD: u64 = 3;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    peak(|| {
        let mut total = HistogramAggregate::default();
        for snapshot in 0..snapshots {
            let mut shard = total.fork();
            let first = snapshot * seconds / snapshots;
            (0..IN_SHARD).for_each(|n| record(&mut shard, first + n, samples, &mut random));
            total.merge(shard.duplicate().expect("it can be copied"));
        }
        assert_eq!(total.outcomes().completed(), snapshots * IN_SHARD * samples);
    })
}

#[test]
fn ten_minutes_with_five_labels_fit_into_40_mb() {
    let bytes = whole_run(600, 100, 200);
    assert!((2 * MB..10 * MB).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_day_takes_at_most_twice_that() {
    let bytes = whole_run(86_400, 100, 200);
    assert!((2 * MB..10 * MB).contains(&bytes), "{bytes} bytes");
}

/// What a run would hold in the end if it went on as in its second slot. What a
/// slot holds does not depend on the others, so this is what it would hold.
fn extrapolated(seconds: u64, samples: u64) -> i64 {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let before = BYTES.get();
    let mut total = HistogramAggregate::default();
    // The last second settles how wide the slots are, and has a value for every
    // power of two, so that only slots are added from there on.
    record(&mut total, seconds - 1, 20_000, &mut random);
    total.merge(total.fork());
    let width = total.timeline_width().as_secs();
    let held = [0, 1].map(|slot| {
        let mut shard = total.fork();
        for second in slot * width..(slot + 1) * width {
            record(&mut shard, second, samples, &mut random);
        }
        total.merge(shard);
        BYTES.get() - before
    });
    held[0] + (held[1] - held[0]) * (seconds / width) as i64
}

#[test]
fn the_widest_spread_of_ten_minutes_fits_into_40_mb_too() {
    let bytes = extrapolated(600, 20_000);
    assert!((10 * MB..25 * MB).contains(&bytes), "{bytes} bytes");
}

#[test]
fn the_widest_spread_of_a_day_takes_at_most_twice_that() {
    let bytes = extrapolated(86_400, 1_000);
    assert!((40 * MB..80 * MB).contains(&bytes), "{bytes} bytes");
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

/// Reading allocates by what is there, not by what it claims to be.
#[cfg(feature = "hdr-log")]
mod hostile {
    use std::io::{BufReader, Read, Write};

    use base64::{Engine, engine::general_purpose::STANDARD};
    use flate2::{Compression, write::ZlibEncoder};
    use karga_stats::hdr_log::{self, ReadError};

    use super::{MB, peak};

    /// A log of one histogram of five digits, with so many bytes of counts, all
    /// empty buckets, of which it claims so many.
    fn bomb(bytes: usize, claimed: u32) -> String {
        let mut plain = 0x1c84_9313_u32.to_be_bytes().to_vec();
        plain.extend(claimed.to_be_bytes());
        plain.extend(0_u32.to_be_bytes());
        plain.extend(5_u32.to_be_bytes());
        plain.extend(1_u64.to_be_bytes());
        plain.extend((i64::MAX as u64).to_be_bytes());
        plain.extend(1_f64.to_be_bytes());
        plain.resize(plain.len() + bytes, 0);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain).expect("memory takes it");
        let packed = encoder.finish().expect("memory takes it");
        let mut payload = 0x1c84_9314_u32.to_be_bytes().to_vec();
        payload.extend((packed.len() as u32).to_be_bytes());
        payload.extend(packed);
        format!("0,1,0,{}\n", STANDARD.encode(payload))
    }

    #[test]
    fn a_bomb_inflates_into_nothing() {
        // Five digits up to 2^63 have 6 million buckets.
        let log = bomb(6_000_000, 6_000_000);
        let bytes = peak(|| {
            let intervals = hdr_log::intervals(log.as_bytes()).expect("it is valid");
            assert!(intervals[0].histogram.is_empty());
        });
        assert!(bytes < MB, "{bytes} bytes");
    }

    #[test]
    fn a_claim_of_four_gigabytes_is_refused() {
        let log = bomb(6_000_000, u32::MAX);
        let bytes = peak(|| {
            let error = hdr_log::intervals(log.as_bytes()).expect_err("it is refused");
            assert!(matches!(error, ReadError::Histogram { line: 1, .. }));
        });
        assert!(bytes < MB, "{bytes} bytes");
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let endless = BufReader::new(std::io::repeat(b'x').take(1 << 40));
        let bytes = peak(|| {
            let error = hdr_log::read(endless).expect_err("it is refused");
            assert!(matches!(error, ReadError::TooLong { line: 1, .. }));
        });
        assert!(bytes < 64 * MB, "{bytes} bytes");
    }
}
