use std::{mem, sync::Arc};

use karga_core::{Aggregate, BoxFuture, Merge, Metric, Panicked, Sample};

use super::{
    counts::{Ledger, complaints},
    pipe::Pipe,
    row,
};

/// An aggregate that hands each sample to a [`CsvReporter`](crate::CsvReporter),
/// which gives it by [`samples`](crate::CsvReporter::samples).
///
/// Use it beside the aggregate that condenses, in a tuple. It keeps a block of
/// rows for each [fork](Merge::fork) and hands it over when it is full and when
/// the fork is merged. Recording never waits: what the buffer has no room for
/// is lost, and counted.
///
/// - [`fork_apart`](Merge::fork_apart) and what is forked from it write nothing,
///   so the samples of a warm-up are not in the file.
/// - [`duplicate`](Merge::duplicate) copies the count only: no sample is
///   written twice.
/// - [`finish`](Merge::finish) waits, without blocking the runtime, until all is
///   written, and says what is not. After that nothing more is written.
///
/// What was recorded into forks that are dropped, because the run's future was,
/// is written as well.
#[derive(Debug)]
#[must_use = "samples have to be recorded into it"]
pub struct CsvSamples {
    /// None if nothing is to be written.
    way: Option<Arc<Way>>,
    /// Whole rows; without memory until the first.
    block: Vec<u8>,
    /// Samples whose rows these are.
    samples: u64,
    recorded: u64,
}

/// From all the forks of one scenario to the writer's thread.
#[derive(Debug)]
struct Way {
    pipe: Arc<Pipe>,
    /// The scenario's name as it stands in the file.
    scenario: Box<[u8]>,
    ledger: Arc<Ledger>,
    full_at: usize,
}

impl CsvSamples {
    pub(super) fn new(pipe: Arc<Pipe>, scenario: &str) -> Self {
        let mut quoted = Vec::new();
        row::text(&mut quoted, scenario.as_bytes());
        Self::on(Some(Arc::new(Way {
            scenario: quoted.into(),
            ledger: pipe.ledger(),
            full_at: pipe.full_at(),
            pipe,
        })))
    }

    const fn on(way: Option<Arc<Way>>) -> Self {
        Self {
            way,
            block: Vec::new(),
            samples: 0,
            recorded: 0,
        }
    }

    /// How many samples were recorded into this and into what was merged into
    /// it, written or not.
    pub const fn recorded(&self) -> u64 {
        self.recorded
    }

    #[inline]
    fn write<M: Metric>(&mut self, sample: &Sample<M>) {
        if let Some(way) = &self.way {
            if self.block.capacity() == 0 {
                self.block = way.pipe.block();
            }
            row::write(&mut self.block, &way.scenario, sample);
            self.samples += 1;
            if self.block.len() > way.full_at {
                self.hand_over();
            }
        }
        self.recorded += 1;
    }

    fn hand_over(&mut self) {
        let (block, samples) = (mem::take(&mut self.block), mem::take(&mut self.samples));
        if let Some(way) = &self.way
            && samples > 0
        {
            way.pipe.send(block, samples, &way.ledger);
        }
    }
}

impl Drop for CsvSamples {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Merge for CsvSamples {
    fn fork(&self) -> Self {
        Self::on(self.way.clone())
    }

    fn merge(&mut self, mut other: Self) {
        other.hand_over();
        self.recorded += other.recorded;
    }

    fn duplicate(&self) -> Option<Self> {
        let mut copy = self.fork();
        copy.recorded = self.recorded;
        Some(copy)
    }

    fn fork_apart(&self) -> Self {
        Self::on(None)
    }

    fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
        self.hand_over();
        let way = self.way.take();
        Box::pin(async move {
            let Some(way) = way else { return Vec::new() };
            way.pipe.sync().await;
            complaints(
                way.pipe.target(),
                way.ledger.news(),
                way.pipe.buffer(),
                way.pipe.failure(),
            )
        })
    }
}

impl<M: Metric> Aggregate<M> for CsvSamples {
    #[inline]
    fn record(&mut self, sample: &Sample<M>) {
        self.write(sample);
    }

    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        self.write(sample);
    }
}
