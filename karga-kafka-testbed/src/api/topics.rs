//! CreateTopics and DeleteTopics.

use std::str::FromStr;

use kafka_protocol::{
    ResponseError,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        TopicName,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        create_topics_response::CreatableTopicResult,
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use super::text;
use crate::state::{Shared, State, TopicConfig};

type Refusal = (ResponseError, String);

/// Settings whose only value here is this one.
const FIXED_CONFIGS: [(&str, &str); 6] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("message.timestamp.type", "CreateTime"),
    ("min.insync.replicas", "1"),
    ("retention.ms", "-1"),
    ("unclean.leader.election.enable", "false"),
];

pub(super) fn create(shared: &Shared, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut state = shared.lock();
    let results = request.topics.into_iter().map(|topic| {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        let default_partitions = shared.settings.partitions;
        match create_one(
            &mut state,
            &topic,
            default_partitions,
            request.validate_only,
        ) {
            Ok((id, partitions)) => result
                .with_topic_id(id)
                .with_error_message(None)
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(Vec::new())),
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(text(why)),
        }
    });
    let results = results.collect();
    CreateTopicsResponse::default().with_topics(results)
}

fn create_one(
    state: &mut State,
    topic: &CreatableTopic,
    default_partitions: i32,
    validate_only: bool,
) -> Result<(Uuid, i32), Refusal> {
    let partitions = if !topic.assignments.is_empty() {
        assigned_partitions(topic)?
    } else {
        if !matches!(topic.replication_factor, 1 | -1) {
            let why = format!(
                "replication factor {} is not possible with one broker: use 1 or -1",
                topic.replication_factor
            );
            return Err((ResponseError::InvalidReplicationFactor, why));
        }
        if topic.num_partitions == -1 {
            default_partitions
        } else {
            topic.num_partitions
        }
    };
    let config = config(&topic.configs)?;
    if validate_only {
        state.may_create(&topic.name, partitions)?;
        return Ok((Uuid::nil(), partitions));
    }
    let id = state.create(&topic.name, partitions, config)?;
    Ok((id, partitions))
}

/// Partitions that are assigned by hand: numbered from 0, each to the one broker.
fn assigned_partitions(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let mut seen: Vec<_> = topic
        .assignments
        .iter()
        .map(|one| one.partition_index)
        .collect();
    seen.sort_unstable();
    let in_row = seen
        .iter()
        .zip(0..)
        .all(|(index, expected)| *index == expected);
    let here = topic
        .assignments
        .iter()
        .all(|one| one.broker_ids == [super::NODE_ID]);
    if !in_row || !here {
        let why = format!(
            "the assignment must number partitions from 0 and put each on broker {} alone",
            super::NODE_ID.0
        );
        return Err((ResponseError::InvalidReplicaAssignment, why));
    }
    i32::try_from(seen.len()).map_err(|_| {
        (
            ResponseError::InvalidPartitions,
            "too many partitions".to_owned(),
        )
    })
}

fn config(configs: &[CreatableTopicConfig]) -> Result<TopicConfig, Refusal> {
    let mut parsed = TopicConfig::default();
    for config in configs {
        let (name, value) = (
            config.name.as_str(),
            config.value.as_deref().unwrap_or_default(),
        );
        match name {
            // As in Kafka, -1 is no limit; the broker's limit for all partitions still holds.
            "retention.bytes" if value == "-1" => parsed.retention_bytes = Some(u64::MAX),
            "retention.bytes" => parsed.retention_bytes = Some(number(name, value)?),
            "max.message.bytes" => parsed.max_message_bytes = Some(number(name, value)?),
            _ if FIXED_CONFIGS.contains(&(name, value)) => {}
            _ => {
                let why = format!(
                    "setting {name}={value} is not supported by this broker: it knows \
                     retention.bytes and max.message.bytes, keeps batches as they were sent and \
                     never deletes them by age"
                );
                return Err((ResponseError::InvalidConfig, why));
            }
        }
    }
    Ok(parsed)
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, Refusal> {
    value.parse().map_err(|_| {
        let why = format!("setting {name}={value:?} is not a number of bytes");
        (ResponseError::InvalidConfig, why)
    })
}

pub(super) fn delete(
    shared: &Shared,
    request: DeleteTopicsRequest,
    version: i16,
) -> DeleteTopicsResponse {
    let mut state = shared.lock();
    let names = request
        .topic_names
        .into_iter()
        .map(|name| (Some(name), Uuid::nil()));
    let topics = request
        .topics
        .into_iter()
        .map(|DeleteTopicState { name, topic_id, .. }| (name, topic_id));
    let results: Vec<_> = names
        .chain(topics)
        .map(|(name, id)| delete_one(&mut state, name, id, version))
        .collect();
    DeleteTopicsResponse::default().with_responses(results)
}

fn delete_one(
    state: &mut State,
    name: Option<TopicName>,
    id: Uuid,
    version: i16,
) -> DeletableTopicResult {
    let (name, unknown) = match name {
        Some(name) => (Some(name), ResponseError::UnknownTopicOrPartition),
        None => {
            let found = state
                .name_of(id)
                .map(|name| TopicName(StrBytes::from_string(name.to_owned())));
            (found, ResponseError::UnknownTopicId)
        }
    };
    let deleted = name.as_ref().and_then(|name| state.delete(name));
    let result = DeletableTopicResult::default().with_name(name);
    match deleted {
        Some(id) if version >= 6 => result.with_topic_id(id),
        Some(_) => result,
        None => {
            let result = result.with_error_code(unknown.code());
            if version >= 6 {
                result.with_topic_id(id)
            } else {
                result
            }
        }
    }
}
