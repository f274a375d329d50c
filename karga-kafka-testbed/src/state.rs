//! The cluster of one broker: topics, partitions, and who waits for records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use kafka_protocol::ResponseError;
use karga_kafka::records::Decompressor;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    log::PartitionLog,
    producer_state::ProducerState,
    settings::{MAX_PARTITIONS, Settings},
    stats::BrokerStats,
};

/// Longest topic name, as in Kafka (`Topic.MAX_NAME_LENGTH`).
const MAX_NAME: usize = 249;

/// Records of one batch, decompressed, for which a broker makes room.
const MAX_DECOMPRESSED: usize = 64 * 1024 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: Mutex::new(State::new()),
        }
    }

    /// The state. Held shortly and never across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A handler that panicked closed its connection; every change it can have made is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All topics and what is counted.
#[derive(Debug)]
pub(crate) struct State {
    topics: BTreeMap<String, Topic>,
    names: HashMap<Uuid, String>,
    partitions: usize,
    /// Bytes in all logs together.
    bytes: u64,
    next_topic: u64,
    id_seed: u64,
    next_producer_id: i64,
    pub(crate) decompressor: Decompressor,
    pub(crate) stats: BrokerStats,
}

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Partition>,
}

/// What a topic may set for itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TopicConfig {
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) max_message_bytes: Option<usize>,
}

/// A partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) log: PartitionLog,
    pub(crate) producers: ProducerState,
    waiters: Vec<Arc<Notify>>,
}

impl State {
    fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            topics: BTreeMap::new(),
            names: HashMap::new(),
            partitions: 0,
            bytes: 0,
            next_topic: 0,
            id_seed: now.as_nanos() as u64,
            next_producer_id: 0,
            decompressor: Decompressor::with_limit(MAX_DECOMPRESSED),
            stats: BrokerStats::default(),
        }
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (&str, &Topic)> {
        self.topics
            .iter()
            .map(|(name, topic)| (name.as_str(), topic))
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(crate) fn name_of(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.topics
            .get(topic)?
            .partitions
            .get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.topics
            .get_mut(topic)?
            .partitions
            .get_mut(usize::try_from(index).ok()?)
    }

    /// Checks what [`create`](Self::create) would do.
    pub(crate) fn may_create(
        &self,
        name: &str,
        partitions: i32,
    ) -> Result<usize, (ResponseError, String)> {
        valid_name(name)?;
        if self.topics.contains_key(name) {
            let why = format!("topic {name:?} exists already");
            return Err((ResponseError::TopicAlreadyExists, why));
        }
        let count = usize::try_from(partitions).unwrap_or(0);
        if count == 0 {
            let why = format!("a topic needs at least 1 partition, not {partitions}");
            return Err((ResponseError::InvalidPartitions, why));
        }
        if self.partitions + count > MAX_PARTITIONS {
            let why = format!(
                "this broker holds at most {MAX_PARTITIONS} partitions, {} are there and \
                 {partitions} more were asked for",
                self.partitions
            );
            return Err((ResponseError::InvalidPartitions, why));
        }
        Ok(count)
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Uuid, (ResponseError, String)> {
        let count = self.may_create(name, partitions)?;
        self.next_topic += 1;
        let id = Uuid::from_u64_pair(self.id_seed, self.next_topic);
        let topic = Topic {
            id,
            config,
            partitions: std::iter::repeat_with(Partition::default)
                .take(count)
                .collect(),
        };
        self.topics.insert(name.to_owned(), topic);
        self.names.insert(id, name.to_owned());
        self.partitions += count;
        Ok(id)
    }

    /// Deletes a topic and wakes whoever waits for its records.
    pub(crate) fn delete(&mut self, name: &str) -> Option<Uuid> {
        let mut topic = self.topics.remove(name)?;
        self.names.remove(&topic.id);
        self.partitions -= topic.partitions.len();
        for partition in &mut topic.partitions {
            self.bytes -= partition.log.bytes();
            partition.wake();
        }
        Some(topic.id)
    }

    pub(crate) fn new_producer_id(&mut self) -> i64 {
        let id = self.next_producer_id;
        self.next_producer_id += 1;
        id
    }

    /// Accounts for bytes appended to a partition, drops what is over its own limit and then what
    /// is over the limit for all of them.
    pub(crate) fn retain(&mut self, topic: &str, index: i32, added: usize, settings: &Settings) {
        self.bytes += added as u64;
        let Some(topic) = self.topics.get_mut(topic) else {
            return;
        };
        let limit = topic
            .config
            .retention_bytes
            .unwrap_or(settings.retention_bytes);
        let partition = usize::try_from(index)
            .ok()
            .and_then(|i| topic.partitions.get_mut(i));
        if let Some(partition) = partition {
            self.bytes -= partition.log.retain(limit, false);
        }
        let total = settings.total_retention_bytes;
        if self.bytes <= total {
            return;
        }
        // A little more than is needed goes, since the search is over all partitions.
        let target = total - total / 64;
        while self.bytes > target {
            let largest = self
                .topics
                .values_mut()
                .flat_map(|topic| &mut topic.partitions)
                .max_by_key(|partition| partition.log.bytes());
            let dropped = largest.map_or(0, |partition| {
                let keep = partition.log.bytes().saturating_sub(self.bytes - target);
                partition.log.retain(keep, true)
            });
            if dropped == 0 {
                return;
            }
            self.bytes -= dropped;
        }
    }
}

impl Partition {
    /// Wakes `waiter` at the next append, once.
    pub(crate) fn wait(&mut self, waiter: &Arc<Notify>) {
        if !self.waiters.iter().any(|known| Arc::ptr_eq(known, waiter)) {
            self.waiters.push(Arc::clone(waiter));
        }
    }

    pub(crate) fn forget(&mut self, waiter: &Arc<Notify>) {
        self.waiters.retain(|known| !Arc::ptr_eq(known, waiter));
    }

    pub(crate) fn wake(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.notify_one();
        }
    }
}

/// Kafka's rule for topic names (`Topic.validate`).
pub(crate) fn valid_name(name: &str) -> Result<(), (ResponseError, String)> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let why = if name.is_empty() {
        "a topic name cannot be empty".to_owned()
    } else if name == "." || name == ".." {
        format!("a topic cannot be named {name:?}")
    } else if name.len() > MAX_NAME {
        format!(
            "a topic name of {} characters is over the limit of {MAX_NAME}",
            name.len()
        )
    } else if !name.chars().all(legal) {
        format!("topic name {name:?} has other characters than ASCII letters, digits, . _ and -")
    } else {
        return Ok(());
    };
    Err((ResponseError::InvalidTopicException, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rule() {
        for good in ["orders", "a", "A.b_c-9", &"x".repeat(249)] {
            assert_eq!(valid_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)] {
            let (error, why) = valid_name(bad).unwrap_err();
            assert_eq!(error, ResponseError::InvalidTopicException, "{why}");
        }
    }

    #[test]
    fn topics_come_and_go_and_their_number_is_bounded() {
        let mut state = State::new();
        let id = state.create("a", 3, TopicConfig::default()).unwrap();
        assert_eq!(state.name_of(id), Some("a"));
        let again = state.create("a", 1, TopicConfig::default()).unwrap_err().0;
        assert_eq!(again, ResponseError::TopicAlreadyExists);
        for bad in [0, -2, i32::MIN, i32::MAX, MAX_PARTITIONS as i32 - 2] {
            let error = state
                .create("b", bad, TopicConfig::default())
                .unwrap_err()
                .0;
            assert_eq!(error, ResponseError::InvalidPartitions, "{bad}");
        }
        assert_eq!(state.delete("a"), Some(id));
        assert_eq!(state.name_of(id), None);
        assert_eq!(state.delete("a"), None);
        state
            .create("b", MAX_PARTITIONS as i32, TopicConfig::default())
            .unwrap();
        let new = state.create("c", 1, TopicConfig::default()).unwrap_err().0;
        assert_eq!(new, ResponseError::InvalidPartitions);
    }
}
