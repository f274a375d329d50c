//! Hands what a client counted on to the metrics, each count once.

use std::sync::{Mutex, PoisonError};

use karga_core::Count;

use crate::client::{Client, Counters};

/// What the metrics of one scenario have told so far of what its client counted.
///
/// The client counts for all of its sessions together, and what happens to a shared connection
/// belongs to no single iteration. So each count goes to the iteration that ends next: the sums of
/// a run are exact, up to what happens after its last iteration.
#[derive(Debug)]
pub(crate) struct Tally {
    client: Client,
    told: Mutex<Counters>,
}

impl Tally {
    /// Tells what is counted from now on.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            told: Mutex::new(client.counters()),
            client,
        }
    }

    /// Adds what was counted since the last call to `counts`. Allocates nothing if that is nothing.
    pub(crate) fn take(&self, counts: &mut Vec<Count>) {
        let new = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            // Read under the lock: an older reading must not take a newer one's place.
            let now = self.client.counters();
            let new = now - *told;
            *told = now;
            new
        };
        add(counts, "retries", new.retries);
        add(counts, "reconnects", new.reconnects);
        add(counts, "throttles", new.throttles);
        add(counts, "leader_changes", new.leader_changes);
    }
}

/// Adds to the count of this name, if there is something to add.
pub(crate) fn add(counts: &mut Vec<Count>, name: &'static str, count: u64) {
    if count == 0 {
        return;
    }
    match counts.iter_mut().find(|known| known.name == name) {
        Some(known) => known.count += count,
        None => counts.push(Count::new(name, count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_name_add_up_and_none_is_zero() {
        let mut counts = Vec::new();
        add(&mut counts, "retries", 0);
        assert_eq!(counts.capacity(), 0);
        add(&mut counts, "retries", 2);
        add(&mut counts, "throttles", 1);
        add(&mut counts, "retries", 3);
        assert_eq!(
            counts,
            [Count::new("retries", 5), Count::new("throttles", 1)]
        );
    }
}
