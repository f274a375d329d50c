use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use karga_core::{Arrivals, Slice, schedule::Block};

use crate::source::Source;

/// The arrivals of a slice of a schedule.
#[derive(Debug)]
pub(super) struct Staged {
    slice: Slice,
    /// The blocks of random arrivals that were drawn last; `None` for uniform
    /// ones, whose due times are cheap.
    drawn: Option<Mutex<VecDeque<Arc<Block>>>>,
}

impl Staged {
    pub(super) fn new(slice: Slice) -> Self {
        let uniform = slice.schedule().arrivals() == Arrivals::Uniform;
        Self {
            slice,
            drawn: (!uniform).then(Mutex::default),
        }
    }

    /// The block of an arrival. Workers are near each other, so a few blocks
    /// are kept for all of them.
    #[cold]
    fn draw(&self, drawn: &Mutex<VecDeque<Arc<Block>>>, index: u64) -> Option<Arc<Block>> {
        const KEPT: usize = 4;
        let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let known = drawn
            .iter()
            .find(|block| (block.first()..block.end()).contains(&index));
        if let Some(block) = known {
            return Some(Arc::clone(block));
        }
        let block = Arc::new(self.slice.schedule().block(index)?);
        if drawn.len() == KEPT {
            drawn.pop_front();
        }
        drawn.push_back(Arc::clone(&block));
        Some(block)
    }

    #[inline]
    fn find(&self, k: u64, memo: &mut Option<Arc<Block>>) -> Option<Duration> {
        let index = self.slice.index(k)?;
        let Some(drawn) = &self.drawn else {
            return self.slice.schedule().due(index);
        };
        if let Some(due) = memo.as_ref().and_then(|block| block.due(index)) {
            return Some(due);
        }
        let block = self.draw(drawn, index)?;
        let due = block.due(index);
        *memo = Some(block);
        due
    }
}

impl Source for Staged {
    /// The block that was drawn last.
    type Memo = Option<Arc<Block>>;

    #[inline]
    fn due(&self, k: u64, memo: &mut Self::Memo) -> Duration {
        self.find(k, memo).unwrap_or(Duration::MAX)
    }

    #[inline]
    fn index(&self, k: u64) -> u64 {
        self.slice.index(k).unwrap_or(u64::MAX)
    }

    #[inline]
    fn len(&self) -> u64 {
        self.slice.len()
    }

    fn count_until(&self, t: Duration) -> u64 {
        self.slice.count_until(t)
    }

    fn rate_at(&self, t: Duration) -> f64 {
        self.slice.rate_at(t)
    }

    fn duration(&self) -> Duration {
        self.slice.schedule().duration()
    }
}
