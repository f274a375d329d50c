//! What is known of a topic: its partitions, their leaders, and whether that is out of date.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::control::Control;
use super::{Client, Phase, Progress};
use crate::config::Endpoint;
use crate::error::Error;
use crate::error_codes::ErrorCode;
use crate::wire::message::metadata::{Answer, AskMetadata, Partition};
use crate::wire::versions::Api;

/// The time within which metadata is not asked for again, however many requests fail.
const LEAST_AGE: Duration = Duration::from_millis(50);

/// A topic as the client knows it. Clones share what is known, and see it change.
#[derive(Debug, Clone)]
pub struct Topic(Arc<Known>);

#[derive(Debug)]
struct Known {
    name: String,
    view: RwLock<Arc<View>>,
    stale: AtomicBool,
}

#[derive(Debug)]
struct View {
    id: u128,
    partitions: Vec<PartitionView>,
    seen: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartitionView {
    leader: Option<i32>,
    epoch: i32,
    error: Option<ErrorCode>,
    replicas: usize,
}

impl Topic {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many partitions it has, at least one; their indices count from 0.
    pub fn partitions(&self) -> usize {
        self.view().partitions.len()
    }

    /// The id of the broker that leads `partition`; `None` while there is none.
    pub fn leader(&self, partition: i32) -> Option<i32> {
        let view = self.view();
        view.partition(partition)?.leader
    }

    /// How many replicas `partition` has; `None` when there is no such partition.
    pub fn replicas(&self, partition: i32) -> Option<usize> {
        Some(self.view().partition(partition)?.replicas)
    }

    /// Partitions grouped by their leader, those without one left out; in ascending order. One
    /// fetch asks one leader.
    pub fn by_leader(&self) -> Vec<(i32, Vec<i32>)> {
        let mut groups = BTreeMap::<i32, Vec<i32>>::new();
        for (index, partition) in (0..).zip(&self.view().partitions) {
            if let Some(leader) = partition.leader {
                groups.entry(leader).or_default().push(index);
            }
        }
        groups.into_iter().collect()
    }

    /// The id that the cluster gave it; zero where the brokers have no such ids.
    pub(crate) fn id(&self) -> u128 {
        self.view().id
    }

    /// The leader of `partition`, or why a request to it cannot be sent.
    pub(crate) fn leader_for(&self, request: Api, partition: i32) -> Result<i32, Error> {
        let view = self.view();
        let known = view
            .partition(partition)
            .ok_or_else(|| Error::NoPartition {
                topic: self.name().to_owned(),
                partition,
                partitions: view.partitions.len(),
            })?;
        known.leader.ok_or_else(|| Error::Broker {
            request,
            target: format!("{}-{partition}", self.name()),
            code: known.error.unwrap_or(ErrorCode::LEADER_NOT_AVAILABLE),
            message: None,
        })
    }

    /// What is known may be wrong: the next request asks first.
    pub(crate) fn mark_stale(&self) {
        self.0.stale.store(true, Relaxed);
    }

    fn new(name: &str, view: View) -> Self {
        Self(Arc::new(Known {
            name: name.to_owned(),
            view: RwLock::new(Arc::new(view)),
            stale: AtomicBool::new(false),
        }))
    }

    fn view(&self) -> Arc<View> {
        let view = self.0.view.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&view)
    }

    /// Takes over what was found, and returns how many partitions have another leader.
    fn replace(&self, found: View) -> u64 {
        let mut view = self.0.view.write().unwrap_or_else(PoisonError::into_inner);
        let changes = view
            .partitions
            .iter()
            .zip(&found.partitions)
            .filter(|(old, new)| new.leader.is_some() && old.leader != new.leader)
            .count();
        self.0.stale.store(false, Relaxed);
        *view = Arc::new(found);
        changes as u64
    }

    fn needs_refresh(&self) -> bool {
        self.0.stale.load(Relaxed) && self.view().seen.elapsed() >= LEAST_AGE
    }
}

impl View {
    fn partition(&self, index: i32) -> Option<PartitionView> {
        let index = usize::try_from(index).ok()?;
        self.partitions.get(index).copied()
    }
}

/// The brokers of a cluster by their id.
#[derive(Debug, Default)]
pub(crate) struct Brokers(RwLock<HashMap<i32, Endpoint>>);

impl Brokers {
    pub(crate) fn endpoint(&self, id: i32) -> Option<Endpoint> {
        let brokers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        brokers.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Endpoint> {
        let brokers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        brokers.values().cloned().collect()
    }

    /// Takes over the brokers of an answer. One with an address that cannot be is left out, and
    /// a request to it fails by name.
    pub(crate) fn replace(&self, answer: &Answer) {
        let found = answer.brokers.iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let endpoint = Endpoint::new(broker.host.clone(), port).ok()?;
            Some((broker.id, endpoint))
        });
        let found = found.collect::<HashMap<_, _>>();
        if !found.is_empty() {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
    }
}

impl Client {
    /// Asks for a topic. It is not made by asking.
    ///
    /// # Errors
    /// A topic that does not exist, or no answer within the request deadline.
    pub async fn topic(&self, name: &str) -> Result<Topic, Error> {
        let progress = &self.progress(Duration::ZERO);
        let work = pin!(async {
            let mut control = self.control(progress).await;
            let view = self.look_up(&mut control, name, progress).await?;
            Ok(Topic::new(name, view))
        });
        self.within(Api::Metadata, progress, work).await
    }

    /// Asks again if what is known of the topic may be wrong. Of many callers one asks, and the
    /// others use its answer.
    pub(super) async fn refresh_if_stale(
        &self,
        topic: &Topic,
        progress: &Progress,
    ) -> Result<(), Error> {
        if !topic.needs_refresh() {
            return Ok(());
        }
        // Boxed, because it is rare and large, and would be part of every request's future.
        Box::pin(self.refresh(topic, progress)).await
    }

    async fn refresh(&self, topic: &Topic, progress: &Progress) -> Result<(), Error> {
        progress.enter(Phase::Metadata);
        let mut control = self.control(progress).await;
        if !topic.needs_refresh() {
            return Ok(());
        }
        self.live().metadata_refreshes.add(1);
        let inner = Progress::within(progress.limit());
        let found = self.look_up(&mut control, topic.name(), &inner).await?;
        let changes = topic.replace(found);
        self.live().leader_changes.add(changes);
        Ok(())
    }

    async fn look_up(
        &self,
        control: &mut Control,
        name: &str,
        progress: &Progress,
    ) -> Result<View, Error> {
        let mut ask = AskMetadata { topic: Some(name) };
        let answer = self.ask_any(control, &mut ask, progress).await?;
        self.brokers().replace(&answer);
        let failed = |code| Error::Broker {
            request: Api::Metadata,
            target: format!("topic {name}"),
            code,
            message: None,
        };
        let found = answer
            .topics
            .into_iter()
            .find(|topic| topic.name.as_deref() == Some(name))
            .ok_or_else(|| failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
        if let Some(code) = found.error {
            return Err(failed(code));
        }
        let partitions = partition_views(found.partitions)
            .ok_or_else(|| failed(ErrorCode::LEADER_NOT_AVAILABLE))?;
        Ok(View {
            id: found.id,
            partitions,
            seen: Instant::now(),
        })
    }
}

/// Partitions at their own index; `None` unless they are 0 to n - 1 with n above 0.
fn partition_views(mut partitions: Vec<Partition>) -> Option<Vec<PartitionView>> {
    partitions.sort_unstable_by_key(|partition| partition.index);
    let whole = (0..)
        .zip(&partitions)
        .all(|(index, partition)| partition.index == index);
    if !whole || partitions.is_empty() {
        return None;
    }
    let view = |partition: Partition| PartitionView {
        leader: (partition.leader >= 0).then_some(partition.leader),
        epoch: partition.leader_epoch,
        error: partition.error,
        replicas: partition.replicas,
    };
    Some(partitions.into_iter().map(view).collect())
}
