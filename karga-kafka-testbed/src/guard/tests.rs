use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, BrokerId, CreateTopicsRequest, DeleteTopicsRequest,
        DescribeClusterRequest, DescribeConfigsRequest, DescribeTopicPartitionsRequest,
        FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest,
        MetadataRequest, ProduceRequest, TopicName, TransactionalId,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        describe_configs_request::DescribeConfigsResource,
        describe_topic_partitions_request::{Cursor, TopicRequest},
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable, StrBytes},
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const ID: Uuid = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn name() -> TopicName {
    TopicName(text("orders"))
}

fn tag() -> Bytes {
    Bytes::from_static(b"unknown")
}

/// A request with something in every field, and an unknown tag where tags are allowed.
fn request(api: ApiKey, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    let flexible = version >= schema(api).unwrap().flexible_since;
    macro_rules! encode {
        ($request:expr) => {{
            let mut request = $request;
            if flexible {
                request = request.with_unknown_tagged_field(77, tag());
            }
            request.encode(&mut out, version).unwrap()
        }};
    }
    match api {
        ApiKey::Produce => {
            let data = PartitionProduceData::default()
                .with_index(3)
                .with_records(Some(Bytes::from_static(&[9; 200])));
            let mut topic = TopicProduceData::default().with_partition_data(vec![data; 2]);
            topic = if version < 13 {
                topic.with_name(name())
            } else {
                topic.with_topic_id(ID)
            };
            encode!(
                ProduceRequest::default()
                    .with_acks(-1)
                    .with_transactional_id(Some(TransactionalId(text("t"))))
                    .with_topic_data(vec![topic; 2])
            );
        }
        ApiKey::Fetch => {
            let mut partition = FetchPartition::default()
                .with_partition(1)
                .with_fetch_offset(7);
            if version >= 17 {
                partition = partition.with_replica_directory_id(ID);
            }
            let mut topic = FetchTopic::default().with_partitions(vec![partition; 3]);
            let mut forgotten = ForgottenTopic::default().with_partitions(vec![1, 2]);
            if version < 13 {
                topic = topic.with_topic(name());
                forgotten = forgotten.with_topic(name());
            } else {
                topic = topic.with_topic_id(ID);
                forgotten = forgotten.with_topic_id(ID);
            }
            let mut fetch = FetchRequest::default().with_topics(vec![topic; 2]);
            if version >= 7 {
                fetch = fetch.with_forgotten_topics_data(vec![forgotten]);
            }
            if version >= 11 {
                fetch = fetch.with_rack_id(text("rack"));
            }
            if version >= 12 {
                fetch = fetch.with_cluster_id(Some(text("cluster")));
            }
            if version >= 15 {
                let replica = ReplicaState::default().with_replica_id(BrokerId(1));
                fetch = fetch.with_replica_state(replica);
            }
            encode!(fetch);
        }
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartition::default().with_timestamp(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(name())
                .with_partitions(vec![partition; 2]);
            encode!(ListOffsetsRequest::default().with_topics(vec![topic; 2]));
        }
        ApiKey::Metadata => {
            let topic = MetadataRequestTopic::default().with_name(Some(name()));
            encode!(MetadataRequest::default().with_topics(Some(vec![topic; 2])));
        }
        ApiKey::FindCoordinator if version < 4 => {
            encode!(FindCoordinatorRequest::default().with_key(text("group")));
        }
        ApiKey::FindCoordinator => {
            let keys = vec![text("group"), text("another")];
            encode!(FindCoordinatorRequest::default().with_coordinator_keys(keys));
        }
        ApiKey::ApiVersions if version < 3 => encode!(ApiVersionsRequest::default()),
        ApiKey::ApiVersions => encode!(
            ApiVersionsRequest::default()
                .with_client_software_name(text("name"))
                .with_client_software_version(text("1"))
        ),
        ApiKey::CreateTopics => {
            let assignment =
                CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1); 2]);
            let config = CreatableTopicConfig::default()
                .with_name(text("retention.bytes"))
                .with_value(Some(text("1")));
            let topic = CreatableTopic::default()
                .with_name(name())
                .with_assignments(vec![assignment; 2])
                .with_configs(vec![config; 2]);
            encode!(CreateTopicsRequest::default().with_topics(vec![topic; 2]));
        }
        ApiKey::DeleteTopics if version < 6 => {
            encode!(DeleteTopicsRequest::default().with_topic_names(vec![name(); 2]));
        }
        ApiKey::DeleteTopics => {
            let topic = DeleteTopicState::default().with_name(Some(name()));
            encode!(DeleteTopicsRequest::default().with_topics(vec![topic; 2]));
        }
        ApiKey::InitProducerId => encode!(
            InitProducerIdRequest::default()
                .with_transactional_id(Some(TransactionalId(text("t"))))
        ),
        ApiKey::DescribeConfigs => {
            let resource = DescribeConfigsResource::default()
                .with_resource_name(text("orders"))
                .with_configuration_keys(Some(vec![text("a"), text("b")]));
            encode!(DescribeConfigsRequest::default().with_resources(vec![resource; 2]));
        }
        ApiKey::DescribeCluster => encode!(DescribeClusterRequest::default()),
        ApiKey::DescribeTopicPartitions => encode!(
            DescribeTopicPartitionsRequest::default()
                .with_topics(vec![TopicRequest::default().with_name(name()); 2])
                .with_cursor(Some(Cursor::default().with_topic_name(name())))
        ),
        other => unreachable!("{other:?} has no schema"),
    }
    out
}

/// Decodes as the broker would; only that it ends is of interest.
fn decode(api: ApiKey, version: i16, bytes: &[u8]) -> bool {
    let mut body = Bytes::copy_from_slice(bytes);
    match api {
        ApiKey::Produce => ProduceRequest::decode(&mut body, version).is_ok(),
        ApiKey::Fetch => FetchRequest::decode(&mut body, version).is_ok(),
        ApiKey::ListOffsets => ListOffsetsRequest::decode(&mut body, version).is_ok(),
        ApiKey::Metadata => MetadataRequest::decode(&mut body, version).is_ok(),
        ApiKey::FindCoordinator => FindCoordinatorRequest::decode(&mut body, version).is_ok(),
        ApiKey::ApiVersions => ApiVersionsRequest::decode(&mut body, version).is_ok(),
        ApiKey::CreateTopics => CreateTopicsRequest::decode(&mut body, version).is_ok(),
        ApiKey::DeleteTopics => DeleteTopicsRequest::decode(&mut body, version).is_ok(),
        ApiKey::InitProducerId => InitProducerIdRequest::decode(&mut body, version).is_ok(),
        ApiKey::DescribeConfigs => DescribeConfigsRequest::decode(&mut body, version).is_ok(),
        ApiKey::DescribeCluster => DescribeClusterRequest::decode(&mut body, version).is_ok(),
        ApiKey::DescribeTopicPartitions => {
            DescribeTopicPartitionsRequest::decode(&mut body, version).is_ok()
        }
        other => unreachable!("{other:?} has no schema"),
    }
}

/// Every request and version that is decoded.
fn all() -> Vec<(ApiKey, i16)> {
    let versions = |(api, min, max): (ApiKey, i16, i16)| {
        let min = if api == ApiKey::Produce { 3 } else { min };
        (min..=max).map(move |version| (api, version))
    };
    crate::api::SUPPORTED
        .into_iter()
        .flat_map(versions)
        .collect()
}

#[test]
fn schemas_take_what_is_well_formed_to_the_last_byte() {
    for (api, version) in all() {
        let body = request(api, version);
        let schema = schema(api).unwrap();
        assert!(decode(api, version, &body), "{api:?} {version}");
        assert_eq!(schema.check(version, &body), Ok(()), "{api:?} {version}");
        // As long as the walk needs every byte, it has seen every field.
        for cut in 0..body.len() {
            assert!(
                schema.check(version, &body[..cut]).is_err(),
                "{api:?} {version} cut at {cut}"
            );
        }
    }
}

#[test]
fn what_a_claimed_count_would_cost_is_refused() {
    // Metadata 0: 2^31 - 1 topics; Metadata 9: the same in a varint.
    let old = [0x7f, 0xff, 0xff, 0xff];
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(0, &old),
        Err(Refused::Length)
    );
    let new = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0];
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(9, &new),
        Err(Refused::Length)
    );
    // Elements that are all there, but too many.
    let mut many = 200_000i32.to_be_bytes().to_vec();
    many.resize(4 + 2 * 200_000, 0);
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(0, &many),
        Err(Refused::Elements)
    );
    // Negative lengths other than null.
    let bad = [0xff, 0xff, 0xff, 0xfe];
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(0, &bad),
        Err(Refused::Length)
    );
    let name = [0, 0, 0, 1, 0xff, 0xfe];
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(0, &name),
        Err(Refused::Length)
    );
    // A varint that does not end.
    let endless = [0x80; 9];
    assert_eq!(
        schema(ApiKey::Metadata).unwrap().check(9, &endless),
        Err(Refused::Length)
    );
}

#[test]
fn a_tag_that_lies_about_its_size_is_refused() {
    let mut fetch = FetchRequest::default().with_cluster_id(Some(text("cluster")));
    fetch.replica_id = BrokerId(-1);
    let mut body = BytesMut::new();
    fetch.encode(&mut body, 12).unwrap();
    let schema = schema(ApiKey::Fetch).unwrap();
    assert_eq!(schema.check(12, &body), Ok(()));
    // The tags at the end: count, tag 0, size 8, length 8 (7 + 1), seven letters.
    let at = body.len() - 9;
    assert_eq!(&body[at..at + 2], &[8, 8]);
    body[at + 1] = 7;
    assert_eq!(schema.check(12, &body), Err(Refused::Tag));
    body[at + 1] = 100;
    assert_eq!(schema.check(12, &body), Err(Refused::Tag));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// What the guard lets through neither panics in the decoder nor makes it allocate by a claim
    /// (which would end this test's process).
    #[test]
    fn what_passes_can_be_decoded(
        which: prop::sample::Index,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let all = all();
        let (api, version) = *which.get(&all);
        let mut body = request(api, version);
        for (place, byte) in damage {
            if !body.is_empty() {
                let at = place.index(body.len());
                body[at] = byte;
            }
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len() + 1));
        }
        if schema(api).unwrap().check(version, &body).is_ok() {
            decode(api, version, &body);
        }
    }

    #[test]
    fn random_bytes_pass_only_if_they_can_be_decoded(
        which: prop::sample::Index,
        body in prop::collection::vec(prop_oneof![Just(0u8), 0u8..4, any::<u8>()], 0..80),
    ) {
        let all = all();
        let (api, version) = *which.get(&all);
        if schema(api).unwrap().check(version, &body).is_ok() {
            decode(api, version, &body);
        }
    }
}
