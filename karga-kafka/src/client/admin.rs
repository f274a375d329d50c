//! Making and removing topics, and a producer's identity.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;

use super::metadata::Topic;
use super::{Client, OffsetSpec, Phase, Session};
use crate::config::Isolation;
use crate::error::Error;
use crate::error_codes::ErrorCode;
use crate::wire::message::admin::{self, CreateTopic, DeleteTopic};
use crate::wire::message::fetch::millis;
use crate::wire::versions::Api;

/// The wait between two looks at a topic that is being made or removed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a topic is made by Client::create_topic"]
pub struct NewTopic {
    name: String,
    partitions: i32,
    replication: i16,
    configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic of one partition with the cluster's own number of replicas and settings.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: 1,
            replication: -1,
            configs: Vec::new(),
        }
    }

    /// How many partitions. Default: 1. The broker refuses less.
    pub const fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// How many replicas of each partition; -1 is the cluster's own default, and the default here
    /// (from Kafka 2.4 on).
    pub const fn replication(mut self, replicas: i16) -> Self {
        self.replication = replicas;
        self
    }

    /// A setting of the topic, such as `retention.bytes`.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), value.into()));
        self
    }
}

/// A producer's identity, for idempotent record batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ProducerId {
    /// The id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

impl Client {
    /// Makes a topic, and waits until the leader of each of its partitions answers for it: metadata
    /// names leaders a little before they know of it themselves.
    ///
    /// # Errors
    /// The broker's refusal (`TOPIC_ALREADY_EXISTS`, `INVALID_PARTITIONS`...), or no answer within
    /// the request deadline: the topic may then be there or not.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<Topic, Error> {
        let progress = &self.progress(Duration::ZERO);
        let work = pin!(async {
            let mut call = CreateTopic {
                name: &topic.name,
                partitions: topic.partitions,
                replication: topic.replication,
                configs: &topic.configs,
                timeout_ms: millis(self.config().request_timeout()),
            };
            let mut control = self.control(progress).await;
            let answer = self.call_any(&mut control, &mut call, progress).await?;
            drop(control);
            self.check(Api::CreateTopics, &topic.name, answer)?;
            let session = self.exclusive_session();
            // The request was sent, and the deadline says so.
            progress.enter(Phase::Answer);
            loop {
                match self.look_for(&topic.name, &session).await {
                    Err(error) if error.code().is_some_and(ErrorCode::is_leadership) => {}
                    result => return result,
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        self.within(Api::CreateTopics, progress, work).await
    }

    /// Removes a topic with its records, and waits until it is gone from the metadata of the broker
    /// that was asked.
    ///
    /// # Errors
    /// The broker's refusal (`UNKNOWN_TOPIC_OR_PARTITION`...), or no answer within the request
    /// deadline: the topic may then be there or not.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let progress = &self.progress(Duration::ZERO);
        let work = pin!(async {
            let mut call = DeleteTopic {
                name,
                timeout_ms: millis(self.config().request_timeout()),
            };
            let mut control = self.control(progress).await;
            let answer = self.call_any(&mut control, &mut call, progress).await?;
            drop(control);
            self.check(Api::DeleteTopics, name, answer)?;
            progress.enter(Phase::Answer);
            loop {
                match self.topic(name).await {
                    Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                        return Ok(());
                    }
                    Err(error) if error.code().is_none() => return Err(error),
                    _ => {}
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        self.within(Api::DeleteTopics, progress, work).await
    }

    /// Asks for an identity for an idempotent producer without transactions. A broker that was just
    /// started may have none yet (`COORDINATOR_LOAD_IN_PROGRESS`): while its error is a passing one,
    /// it is asked again, whatever the [`RetryPolicy`](super::RetryPolicy) says, for this is no load,
    /// and an identity that nobody uses does no harm.
    ///
    /// # Errors
    /// The broker's refusal: one that is final, or one that has not passed by the request deadline.
    /// Or no answer within it.
    pub async fn init_producer_id(&self) -> Result<ProducerId, Error> {
        let progress = &self.progress(Duration::ZERO);
        let mut passing = None;
        let result = {
            let work = pin!(async {
                loop {
                    let mut control = self.control(progress).await;
                    let mut call = admin::InitProducerId;
                    let answer = self.ask_any(&mut control, &mut call, progress).await?;
                    drop(control);
                    match self.check(Api::InitProducerId, "a producer", answer) {
                        Err(error) if error.code().is_some_and(ErrorCode::is_retriable) => {
                            passing = Some(error);
                        }
                        result => return result.map(|(id, epoch)| ProducerId { id, epoch }),
                    }
                    sleep(LOOK_AGAIN).await;
                }
            });
            self.within(Api::InitProducerId, progress, work).await
        };
        match (result, passing) {
            // It says more than that the time is up.
            (Err(Error::Timeout { .. }), Some(passing)) => Err(passing),
            (result, _) => result,
        }
    }

    /// The topic, if every leader answers for its partitions.
    async fn look_for(&self, name: &str, session: &Session) -> Result<Topic, Error> {
        let topic = self.topic(name).await?;
        let partitions: Vec<i32> = (0..).take(topic.partitions()).collect();
        let isolation = Isolation::ReadUncommitted;
        let latest = session.list_offsets(&topic, &partitions, OffsetSpec::Latest, isolation);
        latest.await?;
        Ok(topic)
    }

    fn check<T>(&self, request: Api, target: &str, answer: admin::Answer<T>) -> Result<T, Error> {
        self.live().throttle(answer.throttle_ms);
        match answer.error {
            None => Ok(answer.value),
            Some(code) => Err(Error::Broker {
                request,
                target: target.to_owned(),
                code,
                message: answer.message,
            }),
        }
    }
}
