use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{padded::Padded, source::Source};

/// The arrivals to come.
#[derive(Debug)]
pub(super) struct Arriving<R> {
    source: R,
    /// The next arrival that nobody has claimed.
    next: Padded<AtomicU64>,
}

impl<R: Source> Arriving<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            next: Padded::default(),
        }
    }

    #[inline]
    pub(super) fn source(&self) -> &R {
        &self.source
    }

    /// Claims the next arrival; nothing when there are no more.
    #[inline]
    pub(super) fn claim(&self) -> Range<u64> {
        let k = self.next.fetch_add(1, Ordering::Relaxed);
        if k < self.source.len() {
            k..k + 1
        } else {
            0..0
        }
    }

    /// How many arrivals were claimed.
    pub(super) fn claimed(&self) -> u64 {
        self.next.load(Ordering::Acquire).min(self.source.len())
    }
}
