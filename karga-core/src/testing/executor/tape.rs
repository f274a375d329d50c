//! The aggregate that the kit has recorded into.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use super::{
    log::{Digest, Finish, Stage},
    probe::{Reading, panic},
    script::MARK,
};
use crate::{Aggregate, BoxFuture, Iteration, Merge, Panicked, Sample};

/// Keeps every sample, and tells the log what is done with it.
pub(super) struct Tape {
    stage: Stage,
    pub(super) samples: Vec<Take>,
    /// Whether it descends from a fork apart.
    apart: bool,
    /// Whether one that descends from a fork apart was merged into it.
    pub(super) tainted: bool,
}

/// What was recorded of one iteration.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Take {
    pub(super) iteration: Iteration,
    pub(super) start: Duration,
    pub(super) end: Duration,
    /// The number of the call; a panic has none.
    pub(super) call: Option<usize>,
}

impl Tape {
    pub(super) fn new(stage: Stage) -> Self {
        stage.log().live.aggregates += 1;
        Self {
            stage,
            samples: Vec::new(),
            apart: false,
            tainted: false,
        }
    }

    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for take in &self.samples {
            let hasher = BuildHasherDefault::<DefaultHasher>::default();
            digest.add(Digest {
                samples: 1,
                sum: hasher.hash_one(take),
            });
        }
        digest
    }

    /// Whether it descends from a fork apart.
    pub(super) fn is_apart(&self) -> bool {
        self.apart
    }

    fn keep<M>(&mut self, sample: &Sample<M>, call: Option<usize>) {
        let apart = self.apart;
        self.stage.note(|log, now| {
            if !apart {
                log.recorded += 1;
                log.last_kept = Some(now);
            }
        });
        self.samples.push(Take {
            iteration: sample.iteration,
            start: sample.start,
            end: sample.end,
            call,
        });
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.stage.log().live.aggregates -= 1;
    }
}

#[diagnostic::do_not_recommend]
impl Merge for Tape {
    fn fork(&self) -> Self {
        let mut fork = Self::new(self.stage.clone());
        fork.apart = self.apart;
        fork
    }

    fn merge(&mut self, mut other: Self) {
        self.tainted |= other.tainted || (other.apart && !self.apart && !other.samples.is_empty());
        if !other.samples.is_empty() && !self.apart {
            self.stage.note(|log, now| log.last_kept = Some(now));
        }
        self.samples.append(&mut other.samples);
    }

    fn duplicate(&self) -> Option<Self> {
        self.stage.script.copies.then(|| {
            let mut copy = self.fork();
            copy.samples.clone_from(&self.samples);
            copy.tainted = self.tainted;
            copy
        })
    }

    fn fork_apart(&self) -> Self {
        let mut fork = self.fork();
        fork.apart = true;
        fork
    }

    fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async {
            let samples = self.samples.len() as u64;
            self.stage.note(|log, seen| {
                log.finishes.push(Finish { seen, samples });
            });
            vec![format!("{MARK} last words")]
        })
    }
}

#[diagnostic::do_not_recommend]
impl Aggregate<Reading> for Tape {
    fn record(&mut self, sample: &Sample<Reading>) {
        if self.stage.script.aggregate_panics && sample.metric.call % 7 == 3 {
            self.stage.log().lost.insert(sample.metric.call);
            panic("aggregate");
        }
        self.keep(sample, Some(sample.metric.call));
    }

    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        self.keep(sample, None);
    }
}
