//! Each message against `kafka-protocol`'s own encoding, at every version.

mod hostile;

use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, CreateTopicsResponse, DeleteTopicsResponse, FetchRequest,
    FetchResponse, InitProducerIdResponse, ListOffsetsResponse, MetadataResponse, ProduceRequest,
    ProduceResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::admin::{CreateTopic, DeleteTopic, InitProducerId};
use super::api_versions::AskVersions;
use super::fetch::{Fetch, Position};
use super::list_offsets::{ListOffsets, OffsetSpec};
use super::metadata::AskMetadata;
use super::produce::{Produce, Records};
use super::*;
use crate::config::{Acks, FetchSettings, Isolation};
use crate::error_codes::ErrorCode;

const TOPIC_ID: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
const TOPIC_ID_TEXT: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";

type Write = fn(&mut BytesMut) -> Result<(), std::convert::Infallible>;

fn produce(acks: Acks) -> Produce<'static, Write> {
    Produce {
        topic: "orders",
        topic_id: TOPIC_ID,
        partition: 3,
        acks,
        timeout_ms: 1500,
        records: Records::Writer(|out| {
            out.put_bytes(7, 300);
            Ok(())
        }),
        keep: false,
    }
}

fn fetch<'a>(settings: &'a FetchSettings, positions: &'a [Position]) -> Fetch<'a> {
    Fetch {
        topic: "orders",
        topic_id: TOPIC_ID,
        positions,
        settings,
    }
}

const LIST: ListOffsets<'static> = ListOffsets {
    topic: "orders",
    partitions: &[0, 3],
    spec: OffsetSpec::Latest,
    isolation: Isolation::ReadCommitted,
};

const CREATE: CreateTopic<'static> = CreateTopic {
    name: "orders",
    partitions: 2,
    replication: -1,
    configs: &[],
    timeout_ms: 1500,
};

const DELETE: DeleteTopic<'static> = DeleteTopic {
    name: "orders",
    timeout_ms: 1500,
};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn orders() -> TopicName {
    TopicName(text("orders"))
}

fn versions<C: Call>(_: &C) -> impl Iterator<Item = i16> + use<C> {
    C::API.ours().min..=C::API.ours().max
}

/// An answer's frame as a broker writes it, with a tagged field of the future in its header.
fn answer(api: Api, version: i16, body: &impl Encodable) -> Bytes {
    let mut out = BytesMut::new();
    let key = ApiKey::try_from(api.key()).expect("a known key");
    let header_version = key.response_header_version(version);
    let mut header = ResponseHeader::default().with_correlation_id(5);
    if header_version > 0 {
        header = header.with_unknown_tagged_field(77, Bytes::from_static(b"later"));
    }
    header.encode(&mut out, header_version).expect("a header");
    body.encode(&mut out, version).expect("a body");
    out.freeze()
}

/// A request's body, after its header was checked.
fn body_of<C: Call, M: Decodable>(call: &mut C, version: i16) -> M {
    let mut out = BytesMut::new();
    encode_frame(call, version, 9, "tester", &mut out).expect("a frame");
    let mut frame = frame::take(&mut out, usize::MAX)
        .expect("a length")
        .expect("a whole frame");
    assert!(out.is_empty());
    let key = ApiKey::try_from(C::API.key()).expect("a known key");
    let header_version = key.request_header_version(version);
    let header = RequestHeader::decode(&mut frame, header_version).expect("a header");
    assert_eq!(
        (header.request_api_key, header.request_api_version),
        (C::API.key(), version)
    );
    assert_eq!(header.correlation_id, 9);
    assert_eq!(header.client_id.as_deref(), Some("tester"));
    let body = M::decode(&mut frame, version).expect("a body");
    assert!(
        frame.is_empty(),
        "{} bytes follow version {version}",
        frame.len()
    );
    body
}

#[test]
fn produce_requests_are_what_the_protocol_says() {
    for len in [0, 1, 126, 127, 128, 16_382, 16_383, 70_000] {
        for version in versions(&produce(Acks::All)) {
            let mut call = Produce {
                topic: "orders",
                topic_id: TOPIC_ID,
                partition: 3,
                acks: Acks::All,
                timeout_ms: 1500,
                records: Records::Writer(move |out: &mut BytesMut| {
                    out.put_bytes(7, len);
                    Ok::<_, std::convert::Infallible>(())
                }),
                keep: true,
            };
            // The second frame repeats what was kept of the first.
            for _attempt in 0..2 {
                let body: ProduceRequest = body_of(&mut call, version);
                assert_eq!((body.acks, body.timeout_ms), (-1, 1500));
                assert_eq!(body.transactional_id, None);
                let topic = &body.topic_data[0];
                if version >= 13 {
                    assert_eq!(topic.topic_id.as_u128(), TOPIC_ID);
                } else {
                    assert_eq!(topic.name.as_str(), "orders");
                }
                let partition = &topic.partition_data[0];
                assert_eq!(partition.index, 3);
                assert_eq!(partition.records.as_deref(), Some(&vec![7; len][..]));
                assert_eq!((body.topic_data.len(), topic.partition_data.len()), (1, 1));
            }
        }
    }
}

#[test]
fn a_topic_without_an_id_is_named() {
    let versions = Versions::from_answer([(0, 0, 99), (1, 0, 99)]);
    let mut call = produce(Acks::All);
    assert_eq!(call.version(&versions), Ok(13));
    call.topic_id = 0;
    assert_eq!(call.version(&versions), Ok(12));
    let settings = FetchSettings::default();
    let mut call = fetch(&settings, &[]);
    assert_eq!(call.version(&versions), Ok(16));
    call.topic_id = 0;
    assert_eq!(call.version(&versions), Ok(12));
}

#[test]
fn fetch_requests_are_what_the_protocol_says() {
    let settings = FetchSettings::builder()
        .max_wait(std::time::Duration::from_millis(250))
        .min_bytes(10)
        .max_bytes(5000)
        .isolation(Isolation::ReadCommitted)
        .build()
        .unwrap();
    let positions = [Position::new(3, 77), Position::new(0, i64::MAX)];
    for version in versions(&fetch(&settings, &positions)) {
        let body: FetchRequest = body_of(&mut fetch(&settings, &positions), version);
        assert_eq!(
            (body.max_wait_ms, body.min_bytes, body.max_bytes),
            (250, 10, 5000)
        );
        assert_eq!(body.isolation_level, 1);
        assert_eq!(body.replica_id.0, -1);
        if version >= 7 {
            assert_eq!((body.session_id, body.session_epoch), (0, -1));
        }
        let topic = &body.topics[0];
        if version >= 13 {
            assert_eq!(topic.topic_id.as_u128(), TOPIC_ID);
        } else {
            assert_eq!(topic.topic.as_str(), "orders");
        }
        let asked: Vec<_> = topic
            .partitions
            .iter()
            .map(|one| (one.partition, one.fetch_offset, one.partition_max_bytes))
            .collect();
        assert_eq!(asked, [(3, 77, 5000), (0, i64::MAX, 5000)]);
        for one in &topic.partitions {
            assert_eq!((one.current_leader_epoch, one.last_fetched_epoch), (-1, -1));
            assert_eq!(one.log_start_offset, -1);
        }
    }
}

fn produce_response(version: i16, code: i16) -> ProduceResponse {
    let mut partition = PartitionProduceResponse::default()
        .with_index(3)
        .with_error_code(code)
        .with_base_offset(1 << 40)
        .with_log_append_time_ms(1234);
    if version >= 5 {
        partition = partition.with_log_start_offset(17);
    }
    if version >= 8 {
        let record = BatchIndexAndErrorMessage::default()
            .with_batch_index(2)
            .with_batch_index_error_message(Some(text("record 2 is bad")));
        partition = partition
            .with_record_errors(vec![record])
            .with_error_message(Some(text("the batch is bad")));
    }
    let mut response = ProduceResponse::default().with_throttle_time_ms(40);
    if version >= 10 {
        let leader = LeaderIdAndEpoch::default().with_leader_id(4.into());
        partition = partition.with_current_leader(leader);
        let node = NodeEndpoint::default()
            .with_node_id(4.into())
            .with_host(text("kafka4"));
        response = response.with_node_endpoints(vec![node]);
    }
    let mut topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
    if version >= 13 {
        topic = topic.with_topic_id(TOPIC_ID_TEXT.parse().unwrap());
    } else {
        topic = topic.with_name(orders());
    }
    response.with_responses(vec![topic])
}

#[test]
fn produce_answers_are_read_at_every_version() {
    let call = produce(Acks::All);
    for version in versions(&call) {
        let wire = answer(Api::Produce, version, &produce_response(version, 10));
        let read = decode_answer(&call, version, wire).unwrap();
        assert_eq!(read.error, Some(ErrorCode::MESSAGE_TOO_LARGE));
        assert_eq!((read.base_offset, read.log_append_time), (1 << 40, 1234));
        assert_eq!(read.log_start_offset, if version >= 5 { 17 } else { -1 });
        let message = (version >= 8).then_some("record 2 is bad");
        assert_eq!(read.message.as_deref(), message);
        assert_eq!(read.throttle_ms, 40);
    }
}

#[test]
fn an_answer_about_something_else_is_refused() {
    let mut call = produce(Acks::All);
    call.partition = 4;
    let wire = answer(Api::Produce, 9, &produce_response(9, 0));
    let error = decode_answer(&call, 9, wire).unwrap_err().to_string();
    assert!(
        error.contains("partition 3") && error.contains("partition 4"),
        "{error}"
    );
    let wire = answer(Api::Produce, 9, &ProduceResponse::default());
    let error = decode_answer(&call, 9, wire).unwrap_err().to_string();
    assert!(error.contains("no partition"), "{error}");
}

fn fetch_response(version: i16) -> FetchResponse {
    let mut partition = PartitionData::default()
        .with_partition_index(3)
        .with_error_code(1)
        .with_high_watermark(90)
        .with_last_stable_offset(80)
        .with_aborted_transactions(Some(vec![
            AbortedTransaction::default()
                .with_producer_id(6.into())
                .with_first_offset(70),
        ]))
        .with_records(Some(Bytes::from_static(b"records")));
    if version >= 5 {
        partition = partition.with_log_start_offset(60);
    }
    let empty = PartitionData::default()
        .with_partition_index(0)
        .with_aborted_transactions(None)
        .with_records(None);
    let mut topic = FetchableTopicResponse::default().with_partitions(vec![partition, empty]);
    if version >= 13 {
        topic = topic.with_topic_id(TOPIC_ID_TEXT.parse().unwrap());
    } else {
        topic = topic.with_topic(orders());
    }
    let mut response = FetchResponse::default()
        .with_throttle_time_ms(40)
        .with_responses(vec![topic]);
    if version >= 7 {
        response = response.with_error_code(6);
    }
    response
}

#[test]
fn fetch_answers_are_read_at_every_version() {
    let settings = FetchSettings::default();
    let positions = [Position::new(3, 0), Position::new(0, 0)];
    let call = fetch(&settings, &positions);
    for version in versions(&call) {
        let wire = answer(Api::Fetch, version, &fetch_response(version));
        let start = wire.as_ptr() as usize;
        let end = start + wire.len();
        let read = decode_answer(&call, version, wire.clone()).unwrap();
        assert_eq!(read.throttle_ms, 40);
        let code = (version >= 7).then_some(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert_eq!(read.error, code);
        let [full, empty] = &read.partitions[..] else {
            panic!("{:?}", read.partitions);
        };
        assert_eq!(full.error, Some(ErrorCode::OFFSET_OUT_OF_RANGE));
        assert_eq!(
            (full.index, full.high_watermark, full.last_stable_offset),
            (3, 90, 80)
        );
        assert_eq!(full.log_start_offset, if version >= 5 { 60 } else { -1 });
        assert_eq!(full.aborted, [(6, 70)]);
        assert_eq!(&full.records[..], b"records");
        let at = full.records.as_ptr() as usize;
        assert!((start..end).contains(&at), "the records were copied");
        assert!(empty.records.is_empty() && empty.error.is_none());
    }
}

#[test]
fn metadata_answers_are_read_at_every_version() {
    let call = AskMetadata {
        topic: Some("orders"),
    };
    for version in versions(&call) {
        let broker = MetadataResponseBroker::default()
            .with_node_id(4.into())
            .with_host(text("kafka4"))
            .with_port(19092)
            .with_rack(Some(text("north")));
        let mut partition = MetadataResponsePartition::default()
            .with_error_code(5)
            .with_partition_index(1)
            .with_leader_id((-1).into())
            .with_replica_nodes(vec![4.into(), 5.into()])
            .with_isr_nodes(vec![4.into()]);
        if version >= 7 {
            partition = partition.with_leader_epoch(8);
        }
        if version >= 5 {
            partition = partition.with_offline_replicas(vec![5.into()]);
        }
        let mut topic = MetadataResponseTopic::default()
            .with_error_code(0)
            .with_name(Some(orders()))
            .with_partitions(vec![partition]);
        if version >= 10 {
            topic = topic.with_topic_id(TOPIC_ID_TEXT.parse().unwrap());
        }
        let response = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(text("cluster")))
            .with_controller_id(4.into())
            .with_topics(vec![topic]);
        let wire = answer(Api::Metadata, version, &response);
        let read = decode_answer(&call, version, wire).unwrap();
        let broker = &read.brokers[0];
        assert_eq!(
            (broker.id, &broker.host[..], broker.port),
            (4, "kafka4", 19092)
        );
        let topic = &read.topics[0];
        assert_eq!(topic.name.as_deref(), Some("orders"));
        assert_eq!(topic.id, if version >= 10 { TOPIC_ID } else { 0 });
        let partition = &topic.partitions[0];
        assert_eq!(partition.error, Some(ErrorCode::LEADER_NOT_AVAILABLE));
        assert_eq!(
            (partition.index, partition.leader, partition.replicas),
            (1, -1, 2)
        );
    }
}

#[test]
fn list_offsets_answers_are_read_at_every_version() {
    for version in versions(&LIST) {
        let partition = ListOffsetsPartitionResponse::default()
            .with_partition_index(3)
            .with_error_code(3)
            .with_timestamp(1000)
            .with_offset(55);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(orders())
            .with_partitions(vec![partition]);
        let mut response = ListOffsetsResponse::default().with_topics(vec![topic]);
        if version >= 2 {
            response = response.with_throttle_time_ms(40);
        }
        let wire = answer(Api::ListOffsets, version, &response);
        let read = decode_answer(&LIST, version, wire).unwrap();
        let (one, error) = read.partitions[0];
        assert_eq!((one.partition, one.offset, one.timestamp), (3, 55, 1000));
        assert_eq!(error, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        assert_eq!(read.throttle_ms, if version >= 2 { 40 } else { 0 });
    }
}

#[test]
fn topic_answers_are_read_at_every_version() {
    for version in versions(&CREATE) {
        let mut topic = CreatableTopicResult::default()
            .with_name(orders())
            .with_error_code(36)
            .with_error_message(Some(text("it exists")));
        if version >= 5 {
            let config = CreatableTopicConfigs::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("1")));
            topic = topic
                .with_num_partitions(2)
                .with_configs(Some(vec![config]));
        }
        let response = CreateTopicsResponse::default()
            .with_throttle_time_ms(40)
            .with_topics(vec![topic]);
        let read = decode_answer(
            &CREATE,
            version,
            answer(Api::CreateTopics, version, &response),
        );
        let read = read.unwrap();
        assert_eq!(read.error, Some(ErrorCode::TOPIC_ALREADY_EXISTS));
        assert_eq!(
            (read.message.as_deref(), read.throttle_ms),
            (Some("it exists"), 40)
        );
    }
    for version in versions(&DELETE) {
        let mut topic = DeletableTopicResult::default()
            .with_name(Some(orders()))
            .with_error_code(3);
        if version >= 5 {
            topic = topic.with_error_message(Some(text("gone")));
        }
        let response = DeleteTopicsResponse::default()
            .with_throttle_time_ms(40)
            .with_responses(vec![topic]);
        let read = decode_answer(
            &DELETE,
            version,
            answer(Api::DeleteTopics, version, &response),
        );
        let read = read.unwrap();
        assert_eq!(read.error, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        assert_eq!(read.message.as_deref(), (version >= 5).then_some("gone"));
    }
}

#[test]
fn producer_id_answers_are_read_at_every_version() {
    for version in versions(&InitProducerId) {
        let response = InitProducerIdResponse::default()
            .with_throttle_time_ms(40)
            .with_producer_id(1234.into())
            .with_producer_epoch(5);
        let wire = answer(Api::InitProducerId, version, &response);
        let read = decode_answer(&InitProducerId, version, wire).unwrap();
        assert_eq!(
            (read.value, read.error, read.throttle_ms),
            ((1234, 5), None, 40)
        );
    }
}

#[test]
fn version_answers_are_read_at_every_version_and_when_refused() {
    use kafka_protocol::messages::api_versions_response::ApiVersion;
    let entry = |key, max| {
        ApiVersion::default()
            .with_api_key(key)
            .with_max_version(max)
    };
    for version in 0..=3 {
        let response =
            ApiVersionsResponse::default().with_api_keys(vec![entry(1, 16), entry(18, 2)]);
        let wire = answer(Api::ApiVersions, version, &response);
        let read = decode_answer(&AskVersions { version }, version, wire).unwrap();
        assert_eq!(read.apis, [(1, 0, 16), (18, 0, 2)]);
        assert_eq!(read.error, None);
    }
    for (listed, downgrade) in [
        (vec![entry(18, 2)], 2),
        (vec![entry(18, 9)], 3),
        (vec![], 0),
    ] {
        let response = ApiVersionsResponse::default()
            .with_error_code(35)
            .with_api_keys(listed);
        let wire = answer(Api::ApiVersions, 0, &response);
        let read = decode_answer(&AskVersions { version: 3 }, 3, wire).unwrap();
        assert_eq!(read.error, Some(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(read.downgrade(), downgrade);
    }
}
