//! ListOffsets: offsets of some partitions of one topic, by time.

use bytes::BytesMut;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::{Call, RequestError, encode_cold};
use crate::config::Isolation;
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::Api;

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first that is still there (the log start offset).
    Earliest,
    /// The one after the last readable record.
    Latest,
    /// Of the first record at or after a time, in milliseconds since the Unix epoch.
    Timestamp(i64),
}

pub(crate) struct ListOffsets<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: &'a [i32],
    pub(crate) spec: OffsetSpec,
    pub(crate) isolation: Isolation,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) throttle_ms: i32,
    pub(crate) partitions: Vec<(ListedOffset, Option<ErrorCode>)>,
}

/// The offset found in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOffset {
    /// The partition's index in its topic.
    pub partition: i32,
    /// The offset; -1 when no record is as young as the time asked for.
    pub offset: i64,
    /// The timestamp of the record there, in milliseconds since the Unix epoch; -1 when unknown.
    pub timestamp: i64,
}

impl Call for ListOffsets<'_> {
    type Answer = Answer;
    const API: Api = Api::ListOffsets;

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let timestamp = match self.spec {
            OffsetSpec::Earliest => -2,
            OffsetSpec::Latest => -1,
            OffsetSpec::Timestamp(at) if at < 0 => {
                let text = format!("the timestamp {at} ms: it must not be negative");
                return Err(RequestError::Value(text));
            }
            OffsetSpec::Timestamp(at) => at,
        };
        let partitions = self.partitions.iter().map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(*index)
                .with_timestamp(timestamp)
        });
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(self.topic.to_owned())))
            .with_partitions(partitions.collect());
        let mut request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        if version >= 2 {
            request = request.with_isolation_level(match self.isolation {
                Isolation::ReadUncommitted => 0,
                Isolation::ReadCommitted => 1,
            });
        }
        encode_cold(&request, version, out)
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Answer, Malformed> {
        let throttle_ms = match version {
            ..2 => 0,
            _ => body.i32("throttle_time_ms")?,
        };
        let mut partitions = Vec::with_capacity(self.partitions.len());
        for _ in 0..body.count("topics", 3)? {
            body.text("name")?;
            for _ in 0..body.count("partitions", 22)? {
                let partition = body.i32("partition_index")?;
                let error = ErrorCode::new(body.i16("error_code")?);
                let timestamp = body.i64("timestamp")?;
                let offset = body.i64("offset")?;
                if version >= 4 {
                    body.i32("leader_epoch")?;
                }
                body.skip_tags()?;
                self.check_asked(partition)?;
                let found = ListedOffset {
                    partition,
                    offset,
                    timestamp,
                };
                partitions.push((found, error));
            }
            body.skip_tags()?;
        }
        body.skip_tags()?;
        Ok(Answer {
            throttle_ms,
            partitions,
        })
    }
}

impl ListOffsets<'_> {
    fn check_asked(&self, index: i32) -> Result<(), Malformed> {
        if self.partitions.contains(&index) {
            return Ok(());
        }
        Err(Malformed::Unasked {
            got: format!("partition {index}"),
            asked: format!("{:?}", self.partitions),
        })
    }
}
