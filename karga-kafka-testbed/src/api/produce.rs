//! Produce: batches into logs.

use kafka_protocol::{
    ResponseError,
    messages::{
        ProduceRequest, ProduceResponse, TopicName,
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
    protocol::StrBytes,
};
use karga_kafka::records::{Batch, BatchError, Batches, Decompressor};

use super::{Close, text};
use crate::{
    producer_state::Verdict,
    settings::Settings,
    state::{Shared, State},
};

type Refusal = (ResponseError, String);

/// Appends what the request brings; no answer for acks=0.
pub(super) fn handle(
    shared: &Shared,
    request: ProduceRequest,
    version: i16,
) -> Result<Option<ProduceResponse>, Close> {
    let mut state = shared.lock();
    state.stats.produce_requests += 1;
    let mut failed = false;
    let topics = request.topic_data.into_iter().map(|topic| {
        let name = if version < 13 {
            Some(topic.name.clone())
        } else {
            let name = state.name_of(topic.topic_id);
            name.map(|name| TopicName(StrBytes::from_string(name.to_owned())))
        };
        let partitions = topic.partition_data.iter().map(|partition| {
            let records = partition.records.as_deref().unwrap_or_default();
            let answer = PartitionProduceResponse::default().with_index(partition.index);
            let appended = match (&name, request.acks) {
                (_, acks) if !(-1..=1).contains(&acks) => Err((
                    ResponseError::InvalidRequiredAcks,
                    format!("acks={acks} does not exist: use 0, 1 or -1 (all)"),
                )),
                (None, _) => Err((
                    ResponseError::UnknownTopicId,
                    format!("there is no topic with the id {}", topic.topic_id),
                )),
                (Some(name), _) => {
                    append(&mut state, &shared.settings, name, partition.index, records)
                }
            };
            match appended {
                Ok((base_offset, start)) => answer
                    .with_base_offset(base_offset)
                    .with_log_append_time_ms(-1)
                    .with_log_start_offset(start),
                Err((error, why)) => {
                    failed = true;
                    state.stats.batches_refused += 1;
                    let answer = answer
                        .with_error_code(error.code())
                        .with_base_offset(-1)
                        .with_log_append_time_ms(-1)
                        .with_log_start_offset(-1);
                    if version >= 8 {
                        answer.with_error_message(text(why))
                    } else {
                        answer
                    }
                }
            }
        });
        let partitions = partitions.collect();
        let answer = TopicProduceResponse::default().with_partition_responses(partitions);
        if version < 13 {
            answer.with_name(topic.name)
        } else {
            answer.with_topic_id(topic.topic_id)
        }
    });
    let topics = topics.collect();
    match request.acks {
        0 if failed => Err(Close::AcksZero),
        0 => Ok(None),
        _ => Ok(Some(ProduceResponse::default().with_responses(topics))),
    }
}

/// Checks and appends one partition's batch: its base offset and the log's start.
fn append(
    state: &mut State,
    settings: &Settings,
    name: &str,
    index: i32,
    records: &[u8],
) -> Result<(i64, i64), Refusal> {
    let unknown = || {
        let why = format!("there is no partition {index} of a topic {name:?}");
        (ResponseError::UnknownTopicOrPartition, why)
    };
    let config = state.topic(name).ok_or_else(unknown)?.config;
    state.partition(name, index).ok_or_else(unknown)?;
    let limit = config
        .max_message_bytes
        .unwrap_or(settings.max_message_bytes);
    let batch = the_batch(records)?;
    if batch.bytes().len() > limit {
        let why = format!(
            "a batch of {} bytes is over the limit of {limit} bytes (max.message.bytes)",
            batch.bytes().len()
        );
        return Err((ResponseError::MessageTooLarge, why));
    }
    validate(&batch, &mut state.decompressor)?;

    let header = batch.header();
    let partition = state.partition_mut(name, index).ok_or_else(unknown)?;
    if let Some(producer) = header.producer() {
        let refused = |error, what: &str| {
            let why = format!(
                "producer {} with epoch {} and sequence {}: {what}",
                producer.id, producer.epoch, producer.base_sequence
            );
            Err((error, why))
        };
        match partition.producers.check(producer, header.count) {
            Verdict::Append => {}
            Verdict::Duplicate { base_offset } => {
                let start = partition.log.start();
                state.stats.duplicates += 1;
                return Ok((base_offset, start));
            }
            Verdict::OutOfOrder => {
                let error = ResponseError::OutOfOrderSequenceNumber;
                return refused(error, "the batch is not the next one in its sequence");
            }
            Verdict::OldEpoch => {
                let error = ResponseError::InvalidProducerEpoch;
                return refused(error, "a newer epoch of this producer has written since");
            }
        }
    }
    let base_offset = partition.log.append(batch.bytes(), header);
    if let Some(producer) = header.producer() {
        partition
            .producers
            .appended(producer, header.count, base_offset);
    }
    partition.wake();
    state.retain(name, index, batch.bytes().len(), settings);
    let stats = &mut state.stats;
    stats.batches_appended += 1;
    stats.records_appended += u64::from(header.count.unsigned_abs());
    stats.bytes_appended += batch.bytes().len() as u64;
    let start = state
        .partition(name, index)
        .map_or(0, |partition| partition.log.start());
    Ok((base_offset, start))
}

/// The one batch that a partition's part of a request has (`ProduceRequest.validateRecords`).
fn the_batch(records: &[u8]) -> Result<Batch<'_>, Refusal> {
    let mut batches = Batches::new(records);
    let batch = match batches.next() {
        Some(Ok(batch)) => batch,
        Some(Err(error @ BatchError::UnsupportedMagic { .. })) => {
            return Err((
                ResponseError::UnsupportedForMessageFormat,
                error.to_string(),
            ));
        }
        Some(Err(error)) => return Err((ResponseError::CorruptMessage, error.to_string())),
        None if records.is_empty() => {
            let why = "a partition's records are empty: one batch was expected".to_owned();
            return Err((ResponseError::InvalidRecord, why));
        }
        None => {
            let why = format!("the batch is cut off after {} bytes", records.len());
            return Err((ResponseError::CorruptMessage, why));
        }
    };
    if !batches.remaining().is_empty() {
        let why = "more than one batch for a partition".to_owned();
        return Err((ResponseError::InvalidRecord, why));
    }
    Ok(batch)
}

/// Reads the batch through, so that whatever is in a log can be read from it again
/// (`LogValidator.java`).
fn validate(batch: &Batch<'_>, decompressor: &mut Decompressor) -> Result<(), Refusal> {
    let corrupt = |error: BatchError| (ResponseError::CorruptMessage, full(&error));
    let invalid = |why: String| Err((ResponseError::InvalidRecord, why));
    batch.verify_crc().map_err(corrupt)?;
    let header = batch.header();
    if header.is_control() {
        return invalid("clients cannot write control batches".to_owned());
    }
    if header.is_transactional() {
        let why = "this broker has no transactions".to_owned();
        return Err((ResponseError::InvalidTxnState, why));
    }
    if header.count < 1 || header.last_offset_delta != header.count - 1 {
        return invalid(format!(
            "a batch of {} records claims {} as its last offset",
            header.count, header.last_offset_delta
        ));
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return invalid(format!(
            "producer {} has epoch {} and sequence {}",
            header.producer_id, header.producer_epoch, header.base_sequence
        ));
    }
    let records = match batch.records(decompressor) {
        Ok(records) => records,
        Err(error @ BatchError::UnknownCompression { .. }) => {
            return Err((ResponseError::UnsupportedCompressionType, error.to_string()));
        }
        Err(error) => return Err(corrupt(error)),
    };
    let mut expected = header.base_offset;
    for record in records {
        let record = record.map_err(|error| (ResponseError::InvalidRecord, full(&error)))?;
        if record.offset() != expected {
            return invalid("the offsets of a batch's records are not in a row".to_owned());
        }
        expected = expected.wrapping_add(1);
    }
    Ok(())
}

/// An error with its cause, for the one line that the protocol has.
fn full(error: &BatchError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
