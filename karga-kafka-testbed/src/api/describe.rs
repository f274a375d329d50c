//! DescribeCluster, DescribeConfigs and DescribeTopicPartitions: what Kafka's own tools ask for
//! before they print.

use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
        DescribeConfigsResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        TopicName,
        describe_cluster_response::DescribeClusterBroker,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
    protocol::StrBytes,
};

use super::{NODE_ID, advertised, metadata::CLUSTER_ID, text};
use crate::{connection::Peer, log::LEADER_EPOCH, state::Shared};

/// Kinds of things that have settings (`ConfigResource.Type`).
const TOPIC_RESOURCE: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

/// Where a setting's value is from (`DescribeConfigsResponse.ConfigSource`).
const FROM_TOPIC: i8 = 1;
const FROM_DEFAULT: i8 = 5;

/// The type of a setting's value (`DescribeConfigsResponse.ConfigType`).
const LONG: i8 = 5;

/// The most partitions in one answer, whatever was asked for
/// (`max.request.partition.size.limit`).
const MAX_PARTITIONS: usize = 2_000;

pub(super) fn cluster(
    shared: &Shared,
    peer: &Peer,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (host, port) = advertised(shared, peer);
    let broker = DescribeClusterBroker::default()
        .with_broker_id(NODE_ID)
        .with_host(host)
        .with_port(port);
    DescribeClusterResponse::default()
        .with_endpoint_type(request.endpoint_type)
        .with_cluster_id(StrBytes::from_static_str(CLUSTER_ID))
        .with_controller_id(NODE_ID)
        .with_brokers(vec![broker])
}

pub(super) fn configs(shared: &Shared, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match settings(shared, &resource) {
            Ok(settings) => {
                let wanted = settings.into_iter().filter(|setting| {
                    let keys = resource.configuration_keys.as_ref();
                    keys.is_none_or(|keys| keys.contains(&setting.name))
                });
                result
                    .with_error_message(None)
                    .with_configs(wanted.collect())
            }
            Err((error, why)) => result
                .with_error_code(error.code())
                .with_error_message(text(why)),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn settings(
    shared: &Shared,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, (ResponseError, String)> {
    let name = resource.resource_name.as_str();
    let default = &shared.settings;
    let config = match resource.resource_type {
        TOPIC_RESOURCE => match shared.lock().topic(name) {
            Some(topic) => topic.config,
            None => {
                let why = format!("there is no topic {name:?}");
                return Err((ResponseError::UnknownTopicOrPartition, why));
            }
        },
        BROKER_RESOURCE => return Ok(Vec::new()),
        other => {
            let why = format!("resource type {other} has no settings here: topics (2) have some");
            return Err((ResponseError::InvalidRequest, why));
        }
    };
    let setting = |name, own: Option<String>, default: String| {
        let source = if own.is_some() {
            FROM_TOPIC
        } else {
            FROM_DEFAULT
        };
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(text(own.unwrap_or(default)))
            .with_config_source(source)
            .with_config_type(LONG)
            .with_documentation(None)
            .with_read_only(true)
    };
    let retention = config.retention_bytes.map(|bytes| match bytes {
        u64::MAX => "-1".to_owned(),
        bytes => bytes.to_string(),
    });
    Ok(vec![
        setting(
            "retention.bytes",
            retention,
            default.retention_bytes.to_string(),
        ),
        setting(
            "max.message.bytes",
            config.max_message_bytes.map(|bytes| bytes.to_string()),
            default.max_message_bytes.to_string(),
        ),
    ])
}

pub(super) fn topic_partitions(
    shared: &Shared,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let state = shared.lock();
    let mut names: Vec<_> = if request.topics.is_empty() {
        state.topics().map(|(name, _)| name.to_owned()).collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| topic.name.to_string())
            .collect()
    };
    names.sort_unstable();
    names.dedup();
    let (first_topic, first_partition) = request
        .cursor
        .map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index))
        .unwrap_or_default();
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut room = limit.clamp(1, MAX_PARTITIONS);

    let mut topics = Vec::new();
    let mut next_cursor = None;
    for name in names.into_iter().filter(|name| *name >= first_topic) {
        let answer = DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(name.clone()))));
        let Some(topic) = state.topic(&name) else {
            let error = ResponseError::UnknownTopicOrPartition.code();
            topics.push(answer.with_error_code(error));
            continue;
        };
        let from = if name == first_topic {
            usize::try_from(first_partition).unwrap_or(0)
        } else {
            0
        };
        let count = topic.partitions.len().saturating_sub(from).min(room);
        if count == 0 && from < topic.partitions.len() {
            next_cursor = Some(cursor(&name, from));
            break;
        }
        room -= count;
        let partitions = (from..from + count).map(|index| {
            DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(index as i32)
                .with_leader_id(NODE_ID)
                .with_leader_epoch(LEADER_EPOCH)
                .with_replica_nodes(vec![NODE_ID])
                .with_isr_nodes(vec![NODE_ID])
                .with_eligible_leader_replicas(Some(Vec::new()))
                .with_last_known_elr(Some(Vec::new()))
        });
        topics.push(
            answer
                .with_topic_id(topic.id)
                .with_partitions(partitions.collect()),
        );
        if from + count < topic.partitions.len() {
            next_cursor = Some(cursor(&name, from + count));
            break;
        }
    }
    DescribeTopicPartitionsResponse::default()
        .with_topics(topics)
        .with_next_cursor(next_cursor)
}

fn cursor(topic: &str, partition: usize) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_index(partition as i32)
}
