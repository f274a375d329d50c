//! Pipelined connections that all sessions of a client share: the same number to each broker.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;

use super::{Client, Error, Phase, Progress};
use crate::config::Connections;
use crate::wire::pipelined::Pipelined;

#[derive(Debug)]
pub(crate) struct Pool {
    connections: NonZeroUsize,
    in_flight: NonZeroUsize,
    brokers: std::sync::Mutex<HashMap<i32, Arc<Lanes>>>,
}

/// The connections to one broker.
#[derive(Debug)]
struct Lanes {
    lanes: Vec<Mutex<Lane>>,
    next: AtomicUsize,
}

/// A place for a connection, which may break and be replaced.
#[derive(Debug, Default)]
struct Lane {
    connection: Option<Arc<Pipelined>>,
    opened_before: bool,
}

impl Pool {
    /// A pool, if the settings ask for one.
    pub(crate) fn new(settings: Connections) -> Option<Self> {
        match settings {
            Connections::PerWorker => None,
            Connections::Shared {
                connections,
                in_flight,
            } => Some(Self {
                connections,
                in_flight,
                brokers: std::sync::Mutex::default(),
            }),
        }
    }

    /// A connection to the broker; opened now if its place is empty.
    pub(crate) async fn connection(
        &self,
        client: &Client,
        broker: i32,
        progress: &Progress,
    ) -> Result<Arc<Pipelined>, Error> {
        let lanes = self.lanes(broker);
        let start = lanes.next.fetch_add(1, Relaxed);
        // The next one that can send at once; if all are full, the next one.
        let count = lanes.lanes.len();
        for step in 0..count {
            let Ok(lane) = lanes.lanes[start.wrapping_add(step) % count].try_lock() else {
                continue;
            };
            match &lane.connection {
                Some(connection) if !connection.is_retired() && connection.free() > 0 => {
                    return Ok(Arc::clone(connection));
                }
                Some(connection) if !connection.is_retired() => {}
                _ => return self.fill(lane, client, broker, progress).await,
            }
        }
        progress.enter(Phase::Queued);
        let lane = lanes.lanes[start % count].lock().await;
        match &lane.connection {
            Some(connection) if !connection.is_retired() => Ok(Arc::clone(connection)),
            _ => self.fill(lane, client, broker, progress).await,
        }
    }

    async fn fill(
        &self,
        mut lane: tokio::sync::MutexGuard<'_, Lane>,
        client: &Client,
        broker: i32,
        progress: &Progress,
    ) -> Result<Arc<Pipelined>, Error> {
        lane.connection = None;
        let opened = client
            .open_broker(broker, lane.opened_before, progress)
            .await?;
        let connection = Arc::new(Pipelined::new(*opened, self.in_flight));
        lane.opened_before = true;
        lane.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn lanes(&self, broker: i32) -> Arc<Lanes> {
        let mut brokers = self.brokers.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = brokers.entry(broker).or_insert_with(|| {
            Arc::new(Lanes {
                lanes: (0..self.connections.get())
                    .map(|_| Mutex::default())
                    .collect(),
                next: AtomicUsize::new(0),
            })
        });
        Arc::clone(lanes)
    }
}
