//! Metadata: which topics there are, and that this broker leads them all.

use std::collections::HashSet;

use kafka_protocol::{
    ResponseError,
    messages::{
        MetadataRequest, MetadataResponse, TopicName,
        metadata_request::MetadataRequestTopic,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
    },
    protocol::StrBytes,
};

use super::{NODE_ID, advertised};
use crate::{
    connection::Peer,
    log::LEADER_EPOCH,
    state::{Shared, State, Topic, TopicConfig, valid_name},
};

/// Any name will do: there is one cluster of this kind in one process at a time, or they do not
/// know of each other.
pub(super) const CLUSTER_ID: &str = "karga-kafka-testbed";

pub(super) fn handle(
    shared: &Shared,
    peer: &Peer,
    request: MetadataRequest,
    version: i16,
) -> MetadataResponse {
    let (host, port) = advertised(shared, peer);
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE_ID)
        .with_host(host)
        .with_port(port);

    let mut state = shared.lock();
    // In version 0, no topics means all of them; later that is null.
    let asked = request
        .topics
        .filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => state
            .topics()
            .map(|(name, topic)| found(name, topic))
            .collect(),
        Some(asked) => {
            let may_create = shared.settings.auto_create_topics
                && (version < 4 || request.allow_auto_topic_creation);
            let partitions = may_create.then_some(shared.settings.partitions);
            // Each topic once, however often it was named: an answer is much longer than a name.
            let mut seen = HashSet::new();
            asked
                .into_iter()
                .filter(|topic| seen.insert((topic.name.clone(), topic.topic_id)))
                .map(|topic| one(&mut state, topic, partitions))
                .collect()
        }
    };
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_static_str(CLUSTER_ID)))
        .with_controller_id(NODE_ID)
        .with_topics(topics)
}

/// One topic, created with so many partitions if it may be and is not there.
fn one(
    state: &mut State,
    asked: MetadataRequestTopic,
    create_with: Option<i32>,
) -> MetadataResponseTopic {
    let Some(name) = asked.name else {
        return match state.name_of(asked.topic_id) {
            Some(name) => {
                let topic = state.topic(name).map(|topic| found(name, topic));
                topic.unwrap_or_default()
            }
            None => MetadataResponseTopic::default()
                .with_topic_id(asked.topic_id)
                // Not nullable in every version that could carry it.
                .with_name(None)
                .with_error_code(ResponseError::UnknownTopicId.code()),
        };
    };
    let error = |error: ResponseError| {
        MetadataResponseTopic::default()
            .with_name(Some(name.clone()))
            .with_error_code(error.code())
    };
    if let Err((code, _)) = valid_name(&name) {
        return error(code);
    }
    if state.topic(&name).is_none() {
        let Some(partitions) = create_with else {
            return error(ResponseError::UnknownTopicOrPartition);
        };
        if let Err((code, _)) = state.create(&name, partitions, TopicConfig::default()) {
            return error(code);
        }
    }
    match state.topic(&name) {
        Some(topic) => found(&name, topic),
        None => error(ResponseError::UnknownTopicOrPartition),
    }
}

fn found(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, _)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE_ID)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![NODE_ID])
            .with_isr_nodes(vec![NODE_ID])
    });
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}
