//! Metadata: brokers, and the leaders of a topic's partitions.

use bytes::BytesMut;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Call, RequestError, encode_cold};
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::Api;

/// Asks for the brokers and one topic, or for the brokers alone. Never makes a topic by asking.
pub(crate) struct AskMetadata<'a> {
    pub(crate) topic: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) topics: Vec<Topic>,
}

#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
}

#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) error: Option<ErrorCode>,
    pub(crate) name: Option<String>,
    /// Zero in versions that have none.
    pub(crate) id: u128,
    pub(crate) partitions: Vec<Partition>,
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) error: Option<ErrorCode>,
    pub(crate) index: i32,
    /// Below zero when there is none.
    pub(crate) leader: i32,
    /// -1 in versions that have none.
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: usize,
}

impl Call for AskMetadata<'_> {
    type Answer = Answer;
    const API: Api = Api::Metadata;

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let topics = self.topic.map(|name| {
            MetadataRequestTopic::default()
                .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        });
        let request = MetadataRequest::default()
            .with_topics(Some(topics.into_iter().collect()))
            .with_allow_auto_topic_creation(false);
        encode_cold(&request, version, out)
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Answer, Malformed> {
        body.i32("throttle_time_ms")?;
        let mut brokers = Vec::new();
        for _ in 0..body.count("brokers", 10)? {
            brokers.push(Broker {
                id: body.i32("node_id")?,
                host: body.text("host")?,
                port: body.i32("port")?,
            });
            body.nullable_text("rack")?;
            body.skip_tags()?;
        }
        body.nullable_text("cluster_id")?;
        body.i32("controller_id")?;
        let mut topics = Vec::new();
        for _ in 0..body.count("topics", 5)? {
            topics.push(topic(version, body)?);
        }
        if (8..=10).contains(&version) {
            body.i32("cluster_authorized_operations")?;
        }
        body.skip_tags()?;
        Ok(Answer { brokers, topics })
    }
}

fn topic(version: i16, body: &mut Cursor) -> Result<Topic, Malformed> {
    let error = ErrorCode::new(body.i16("error_code")?);
    let name = body.nullable_text("name")?;
    let id = match version {
        ..10 => 0,
        _ => body.u128("topic_id")?,
    };
    body.bool("is_internal")?;
    let mut partitions = Vec::new();
    for _ in 0..body.count("partitions", 12)? {
        partitions.push(partition(version, body)?);
    }
    if version >= 8 {
        body.i32("topic_authorized_operations")?;
    }
    body.skip_tags()?;
    Ok(Topic {
        error,
        name,
        id,
        partitions,
    })
}

fn partition(version: i16, body: &mut Cursor) -> Result<Partition, Malformed> {
    let error = ErrorCode::new(body.i16("error_code")?);
    let index = body.i32("partition_index")?;
    let leader = body.i32("leader_id")?;
    let leader_epoch = match version {
        ..7 => -1,
        _ => body.i32("leader_epoch")?,
    };
    let replicas = skip_ids(body, "replica_nodes")?;
    skip_ids(body, "isr_nodes")?;
    if version >= 5 {
        skip_ids(body, "offline_replicas")?;
    }
    body.skip_tags()?;
    Ok(Partition {
        error,
        index,
        leader,
        leader_epoch,
        replicas,
    })
}

fn skip_ids(body: &mut Cursor, field: &'static str) -> Result<usize, Malformed> {
    let count = body.nullable_count(field, 4)?.unwrap_or(0);
    for _ in 0..count {
        body.i32(field)?;
    }
    Ok(count)
}
