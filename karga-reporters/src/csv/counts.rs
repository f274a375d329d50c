use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::figure::{bytes, count};

/// What became of the samples that a [`CsvReporter`](crate::CsvReporter) was
/// given.
///
/// When nothing is on its way any more, after the end of a run,
/// `recorded = written + lost_to_full_buffer + lost_to_error`, exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvCounts {
    /// Samples that were handed over. Each thread hands its samples over in
    /// blocks, at the latest at the end of the executor's interval.
    pub recorded: u64,
    /// Samples that the file has.
    pub written: u64,
    /// Samples that were let go because the buffer was full.
    pub lost_to_full_buffer: u64,
    /// Samples that could not be written.
    pub lost_to_error: u64,
}

impl CsvCounts {
    /// Samples that are not in the file and will not be.
    pub const fn lost(&self) -> u64 {
        self.lost_to_full_buffer + self.lost_to_error
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }

    fn since(self, earlier: Self) -> Self {
        self.with(earlier, |a, b| a.saturating_sub(b))
    }

    fn with(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            recorded: f(self.recorded, other.recorded),
            written: f(self.written, other.written),
            lost_to_full_buffer: f(self.lost_to_full_buffer, other.lost_to_full_buffer),
            lost_to_error: f(self.lost_to_error, other.lost_to_error),
        }
    }
}

/// The counts of one scenario, added to by its threads and by the writer's.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) recorded: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) lost_to_full_buffer: AtomicU64,
    pub(super) lost_to_error: AtomicU64,
    /// What a run has been told of.
    told: Mutex<CsvCounts>,
}

impl Ledger {
    pub(super) fn counts(&self) -> CsvCounts {
        CsvCounts {
            recorded: self.recorded.load(Relaxed),
            written: self.written.load(Relaxed),
            lost_to_full_buffer: self.lost_to_full_buffer.load(Relaxed),
            lost_to_error: self.lost_to_error.load(Relaxed),
        }
    }

    /// What was counted since this was asked last.
    pub(super) fn news(&self) -> CsvCounts {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.counts();
        now.since(std::mem::replace(&mut *told, now))
    }
}

/// The first thing that went wrong, as the person is to read it.
#[derive(Debug, Default)]
pub(super) struct Failure(OnceLock<String>);

impl Failure {
    pub(super) fn set(&self, what: impl Into<String>) {
        // The later ones follow from the first.
        let _ = self.0.set(what.into());
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// What is to be said of these counts: nothing if all was written.
pub(super) fn complaints(
    target: &str,
    counts: CsvCounts,
    buffer: usize,
    failure: Option<&str>,
) -> Vec<String> {
    let not_written = |lost: u64| {
        let were = if lost == 1 { "was" } else { "were" };
        format!(
            "{target}: {} of {} samples {were} not written",
            count(lost),
            count(counts.recorded)
        )
    };
    let mut complaints = Vec::new();
    if counts.lost_to_full_buffer > 0 {
        complaints.push(format!(
            "{}: the buffer of {} was full; give it more room, or a faster disk",
            not_written(counts.lost_to_full_buffer),
            bytes(buffer as f64)
        ));
    }
    let why = failure.unwrap_or("the thread that writes them is gone");
    if counts.lost_to_error > 0 {
        complaints.push(format!(
            "{}: {why}; the first {} are in the file",
            not_written(counts.lost_to_error),
            count(counts.written)
        ));
    } else if let Some(why) = failure {
        complaints.push(format!("{target}: {why}"));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_file_is_said_with_its_cause() {
        let counts = CsvCounts {
            recorded: 50_000,
            written: 12_345,
            lost_to_full_buffer: 1_203,
            lost_to_error: 36_452,
        };
        let said = complaints("run.csv", counts, 1 << 24, Some("No space left"));
        assert_eq!(
            said,
            [
                "run.csv: 1,203 of 50,000 samples were not written: the buffer of 16.8 MB was \
                 full; give it more room, or a faster disk",
                "run.csv: 36,452 of 50,000 samples were not written: No space left; the first \
                 12,345 are in the file",
            ]
        );
        let all = CsvCounts {
            recorded: 3,
            written: 3,
            ..CsvCounts::default()
        };
        assert_eq!(complaints("run.csv", all, 1, None), [""; 0]);
        assert_eq!(
            complaints("run.csv", all, 1, Some("it could not be synced")),
            ["run.csv: it could not be synced"]
        );
    }

    #[test]
    fn each_loss_is_told_once() {
        let ledger = Ledger::default();
        ledger.recorded.fetch_add(5, Relaxed);
        assert_eq!(ledger.news().recorded, 5);
        ledger.recorded.fetch_add(2, Relaxed);
        assert_eq!(ledger.news().recorded, 2);
        assert_eq!(ledger.counts().recorded, 7);
    }
}
