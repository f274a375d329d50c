//! ListOffsets: where a partition begins and ends, and what stood there at a time.

use std::collections::HashSet;

use kafka_protocol::{
    ResponseError,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::ListOffsetsPartition,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};

use super::check_epoch;
use crate::{
    log::LEADER_EPOCH,
    state::{Shared, State},
};

/// What a timestamp below zero asks for (`ListOffsetsRequest.java`).
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
/// Of tiered storage, which is not here: all is local.
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(super) fn handle(
    shared: &Shared,
    request: ListOffsetsRequest,
    version: i16,
) -> ListOffsetsResponse {
    let mut state = shared.lock();
    let mut seen = HashSet::new();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_timestamp(-1)
                .with_offset(-1);
            // Once for each, as in Kafka: a search by time is not cheap.
            let found = if seen.insert((topic.name.clone(), asked.partition_index)) {
                find(&mut state, &topic.name, asked)
            } else {
                Err(ResponseError::InvalidRequest)
            };
            match found {
                Ok((offset, timestamp)) => {
                    let answer = answer.with_offset(offset).with_timestamp(timestamp);
                    let known = version >= 4 && offset >= 0;
                    if known {
                        answer.with_leader_epoch(LEADER_EPOCH)
                    } else {
                        answer
                    }
                }
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    let topics = topics.collect();
    ListOffsetsResponse::default().with_topics(topics)
}

/// An offset and its timestamp; both -1 when no record fits.
fn find(
    state: &mut State,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<(i64, i64), ResponseError> {
    check_epoch(asked.current_leader_epoch)?;
    // Taken out for a moment, since it lies beside the logs.
    let mut decompressor = std::mem::take(&mut state.decompressor);
    let found = state
        .partition(topic, asked.partition_index)
        .map(|partition| {
            let log = &partition.log;
            match asked.timestamp {
                LATEST => Ok((log.end(), -1)),
                EARLIEST | EARLIEST_LOCAL => Ok((log.start(), -1)),
                LATEST_TIERED => Ok((-1, -1)),
                MAX_TIMESTAMP => Ok(log.latest(&mut decompressor).unwrap_or((-1, -1))),
                timestamp if timestamp < 0 => Err(ResponseError::UnsupportedVersion),
                timestamp => Ok(log.find(timestamp, &mut decompressor).unwrap_or((-1, -1))),
            }
        });
    state.decompressor = decompressor;
    found.ok_or(ResponseError::UnknownTopicOrPartition)?
}
