//! The seam between the scenarios and what carries their requests.
//!
//! A scenario decides which records go where and what an iteration measured; a backend takes one
//! batch to one partition, or fetches some partitions of one leader, and says what became of it.
//! [`native`] is this crate's own client. `rskafka`, behind the feature of that name, serves those
//! who use it already, and witnesses in the tests that both write and read the same.

pub(crate) mod error;
pub(crate) mod native;
#[cfg(feature = "rskafka")]
pub(crate) mod rskafka;
pub(crate) mod tally;
pub(crate) mod target;

use std::{borrow::Cow, error::Error, sync::Mutex};

use karga_core::Outcome;

use crate::produce::recipe::{Desk, Recipe};

/// One batch on its way to one partition.
pub(crate) struct Order<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) desk: &'a Mutex<Desk>,
    /// The iteration whose records these are.
    pub(crate) index: u64,
    pub(crate) places: Places<'a>,
    pub(crate) partition: i32,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp: i64,
}

/// Which records of an iteration's request belong to a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Places<'a> {
    /// Those from 0 up to this one.
    All(u32),
    Some(&'a [u32]),
}

impl Places<'_> {
    pub(crate) fn len(self) -> u32 {
        match self {
            Self::All(count) => count,
            // A group is part of a batch, whose count is 32 bits wide.
            Self::Some(places) => places.len() as u32,
        }
    }
}

/// What a broker acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    /// None where nobody was asked for one.
    pub(crate) base_offset: Option<i64>,
    /// Bytes of the batch as it went over the wire; zero where the backend cannot tell.
    pub(crate) bytes: usize,
}

/// Why something was not done, as far as a metric tells.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) outcome: Outcome,
    pub(crate) class: Cow<'static, str>,
    /// As in [`Ack`]; zero if nothing was sent.
    pub(crate) bytes: usize,
    /// What it was, for the first of its class.
    pub(crate) why: Box<dyn Error + Send + Sync>,
}
