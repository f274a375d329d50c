//! Topics: made, found, described, kept within limits, and deleted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
        DescribeConfigsRequest, DescribeTopicPartitionsRequest, FindCoordinatorRequest,
        ListOffsetsRequest, MetadataRequest, MetadataResponse,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        describe_configs_request::DescribeConfigsResource,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};
use karga_kafka::records::{BatchSettings, Compression};
use karga_kafka_testbed::EmbeddedBroker;
use support::{Client, batch, batch_with, topic_name};

async fn broker() -> (EmbeddedBroker, Client) {
    let broker = EmbeddedBroker::builder()
        .partitions(3)
        .start()
        .await
        .unwrap();
    let client = Client::connect(broker.addr()).await;
    (broker, client)
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn metadata_of(names: &[&str]) -> MetadataRequest {
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
    MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(true)
}

fn creatable(name: &str, partitions: i32) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
}

async fn create(client: &mut Client, topic: CreatableTopic) -> (i16, Option<StrBytes>) {
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let answer = client.call(&request, 5).await;
    (
        answer.topics[0].error_code,
        answer.topics[0].error_message.clone(),
    )
}

fn with_config(topic: CreatableTopic, name: &'static str, value: &'static str) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(text(name))
        .with_value(Some(text(value)));
    topic.with_configs(vec![config])
}

async fn list_offset(client: &mut Client, timestamp: i64, version: i16) -> (i64, i64, i16) {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![partition]);
    let answer = client
        .call(
            &ListOffsetsRequest::default().with_topics(vec![topic]),
            version,
        )
        .await;
    let partition = &answer.topics[0].partitions[0];
    (partition.offset, partition.timestamp, partition.error_code)
}

#[tokio::test]
async fn metadata_makes_topics_that_are_not_there_and_gives_their_leader() {
    let (broker, mut client) = broker().await;
    for (version, name) in (0..=13).zip("abcdefghijklmn".split_inclusive(|_| true)) {
        let answer: MetadataResponse = client.call(&metadata_of(&[name]), version).await;
        let here = &answer.brokers[0];
        let port = i32::from(broker.addr().port());
        assert_eq!(
            (here.node_id, &*here.host, here.port),
            (BrokerId(1), "127.0.0.1", port)
        );
        if version >= 1 {
            assert_eq!(answer.controller_id, BrokerId(1));
        }
        if version >= 2 {
            assert!(answer.cluster_id.is_some_and(|id| !id.is_empty()));
        }
        let topic = &answer.topics[0];
        assert_eq!(
            (topic.error_code, topic.partitions.len()),
            (0, 3),
            "version {version}"
        );
        assert_eq!(topic.topic_id.is_nil(), version < 10);
        for (partition, index) in topic.partitions.iter().zip(0..) {
            assert_eq!(
                (partition.partition_index, partition.leader_id),
                (index, BrokerId(1))
            );
            assert_eq!(partition.isr_nodes, [BrokerId(1)]);
        }
    }
    // All topics: an empty list in version 0, null later, when an empty list asks for none.
    let all: MetadataResponse = client.call(&metadata_of(&[]), 0).await;
    assert_eq!(all.topics.len(), 14);
    let none: MetadataResponse = client.call(&metadata_of(&[]), 1).await;
    assert_eq!(none.topics.len(), 0);
    let all: MetadataResponse = client
        .call(&MetadataRequest::default().with_topics(None), 12)
        .await;
    assert_eq!(all.topics.len(), 14);
    // Each once, however often it is asked for.
    let once: MetadataResponse = client.call(&metadata_of(&["a", "b", "a", "a"]), 9).await;
    assert_eq!(once.topics.len(), 2);
    // By id.
    let mut by_id = metadata_of(&["x"]);
    let wanted = &mut by_id.topics.as_mut().unwrap()[0];
    (wanted.name, wanted.topic_id) = (None, all.topics[4].topic_id);
    let found: MetadataResponse = client.call(&by_id, 12).await;
    assert_eq!(found.topics[0].name, all.topics[4].name);
    by_id.topics.as_mut().unwrap()[0].topic_id =
        "00000000-0000-0001-0000-00000000ffff".parse().unwrap();
    let unknown: MetadataResponse = client.call(&by_id, 12).await;
    assert_eq!(
        unknown.topics[0].error_code,
        ResponseError::UnknownTopicId.code()
    );
}

#[tokio::test]
async fn topics_are_not_made_when_broker_or_client_do_not_want_it() {
    let (_broker, mut client) = broker().await;
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    let request = metadata_of(&["orders"]).with_allow_auto_topic_creation(false);
    let answer: MetadataResponse = client.call(&request, 9).await;
    assert_eq!(answer.topics[0].error_code, unknown);
    for bad in ["", "..", "a b"] {
        let answer: MetadataResponse = client.call(&metadata_of(&[bad]), 9).await;
        assert_eq!(
            answer.topics[0].error_code,
            ResponseError::InvalidTopicException.code()
        );
    }
    let strict = EmbeddedBroker::builder()
        .auto_create_topics(false)
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(strict.addr()).await;
    let answer: MetadataResponse = client.call(&metadata_of(&["orders"]), 9).await;
    assert_eq!(answer.topics[0].error_code, unknown);
}

#[tokio::test]
async fn an_advertised_address_is_what_clients_are_told() {
    let broker = EmbeddedBroker::builder()
        .host("0.0.0.0")
        .advertise("proxy", 7)
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(broker.bootstrap().parse().unwrap()).await;
    let answer: MetadataResponse = client.call(&metadata_of(&[]), 9).await;
    assert_eq!(
        (&*answer.brokers[0].host, answer.brokers[0].port),
        ("proxy", 7)
    );
    // Without one, a wildcard becomes the address that the client came by.
    let broker = EmbeddedBroker::builder()
        .host("0.0.0.0")
        .start()
        .await
        .unwrap();
    assert!(
        broker.url("t").starts_with("kafka://127.0.0.1:"),
        "{}",
        broker.url("t")
    );
    let mut client = Client::connect(broker.bootstrap().parse().unwrap()).await;
    let answer: MetadataResponse = client.call(&metadata_of(&[]), 9).await;
    assert_eq!(&*answer.brokers[0].host, "127.0.0.1");
}

#[tokio::test]
async fn topics_are_created_as_asked_or_refused_with_a_reason() {
    let (broker, mut client) = broker().await;
    for (version, name) in (2..=7).zip("abcdef".split_inclusive(|_| true)) {
        let request = CreateTopicsRequest::default().with_topics(vec![creatable(name, 2)]);
        let answer = client.call(&request, version).await;
        assert_eq!(answer.topics[0].error_code, 0, "version {version}");
        assert_eq!(answer.topics[0].topic_id.is_nil(), version < 7);
        assert_eq!(broker.offsets(name).unwrap().len(), 2);
    }
    let none = (0, None);
    let code = |result: (i16, Option<StrBytes>)| {
        assert!(
            result.1.is_some_and(|why| !why.is_empty()),
            "no reason is given"
        );
        result.0
    };
    use ResponseError as E;
    let again = create(&mut client, creatable("a", 2)).await;
    assert_eq!(code(again), E::TopicAlreadyExists.code());
    for partitions in [0, -2, i32::MAX] {
        let refused = create(&mut client, creatable("g", partitions)).await;
        assert_eq!(code(refused), E::InvalidPartitions.code());
    }
    let refused = create(&mut client, creatable("g", 1).with_replication_factor(3)).await;
    assert_eq!(code(refused), E::InvalidReplicationFactor.code());
    let refused = create(
        &mut client,
        with_config(creatable("g", 1), "retention.ms", "5"),
    )
    .await;
    assert_eq!(code(refused), E::InvalidConfig.code());
    let refused = create(
        &mut client,
        with_config(creatable("g", 1), "retention.bytes", "x"),
    )
    .await;
    assert_eq!(code(refused), E::InvalidConfig.code());
    let refused = create(&mut client, creatable("a b", 1)).await;
    assert_eq!(code(refused), E::InvalidTopicException.code());
    assert!(broker.offsets("g").is_err());

    // The broker's own number of partitions, and any number of replicas that is one.
    let default = creatable("g", -1).with_replication_factor(-1);
    assert_eq!(create(&mut client, default).await, none);
    assert_eq!(broker.offsets("g").unwrap().len(), 3);
    let dry = CreateTopicsRequest::default()
        .with_topics(vec![creatable("h", 1)])
        .with_validate_only(true);
    assert_eq!(client.call(&dry, 5).await.topics[0].error_code, 0);
    assert!(broker.offsets("h").is_err());
    let fixed = with_config(creatable("h", 1), "cleanup.policy", "delete");
    assert_eq!(create(&mut client, fixed).await, none);

    // By hand.
    let on = |partition, node| {
        CreatableReplicaAssignment::default()
            .with_partition_index(partition)
            .with_broker_ids(vec![BrokerId(node)])
    };
    let by_hand = |assignments| {
        creatable("i", -1)
            .with_replication_factor(-1)
            .with_assignments(assignments)
    };
    for bad in [vec![on(0, 2)], vec![on(1, 1)], vec![on(0, 1), on(0, 1)]] {
        let refused = create(&mut client, by_hand(bad)).await;
        assert_eq!(code(refused), E::InvalidReplicaAssignment.code());
    }
    assert_eq!(
        create(&mut client, by_hand(vec![on(1, 1), on(0, 1)])).await,
        none
    );
    assert_eq!(broker.offsets("i").unwrap().len(), 2);
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id_and_begin_anew() {
    let (broker, mut client) = broker().await;
    for version in 1..=6 {
        broker.create_topic("orders", 1).unwrap();
        client
            .produce("orders", 0, &batch(&[b"old"]))
            .await
            .offset();
        let names = vec![topic_name("orders"), topic_name("nowhere")];
        let request = if version < 6 {
            DeleteTopicsRequest::default().with_topic_names(names)
        } else {
            let states = names
                .into_iter()
                .map(|name| DeleteTopicState::default().with_name(Some(name)));
            DeleteTopicsRequest::default().with_topics(states.collect())
        };
        let answer = client.call(&request, version).await;
        let errors: Vec<_> = answer
            .responses
            .iter()
            .map(|topic| topic.error_code)
            .collect();
        assert_eq!(errors, [0, ResponseError::UnknownTopicOrPartition.code()]);
        assert!(broker.offsets("orders").is_err());
    }
    broker.create_topic("orders", 1).unwrap();
    assert_eq!(broker.offsets("orders").unwrap()[0].end, 0);
    let metadata: MetadataResponse = client.call(&metadata_of(&["orders"]), 12).await;
    let by_id = DeleteTopicState::default()
        .with_name(None)
        .with_topic_id(metadata.topics[0].topic_id);
    let request = DeleteTopicsRequest::default().with_topics(vec![by_id]);
    let answer = client.call(&request, 6).await;
    assert_eq!(answer.responses[0].error_code, 0);
    assert_eq!(answer.responses[0].name, Some(topic_name("orders")));
    let answer = client.call(&request, 6).await;
    assert_eq!(
        answer.responses[0].error_code,
        ResponseError::UnknownTopicId.code()
    );
}

#[tokio::test]
async fn offsets_are_found_by_end_and_by_time() {
    let (broker, mut client) = broker().await;
    broker.create_topic("orders", 1).unwrap();
    for version in 1..=10 {
        assert_eq!(list_offset(&mut client, -1, version).await, (0, -1, 0));
        assert_eq!(list_offset(&mut client, -3, version).await, (-1, -1, 0));
        assert_eq!(list_offset(&mut client, 0, version).await, (-1, -1, 0));
    }
    // Stamped 1, 2, 3 and 1, 2.
    client
        .produce("orders", 0, &batch(&[b"a", b"b", b"c"]))
        .await
        .offset();
    let settings = BatchSettings::new().compression(Compression::Zstd);
    client
        .produce("orders", 0, &batch_with(&[b"a", b"b"], settings))
        .await
        .offset();
    for (timestamp, found) in [
        (-1, (5, -1, 0)),
        (-2, (0, -1, 0)),
        (-3, (2, 3, 0)),
        (-4, (0, -1, 0)),
        (-5, (-1, -1, 0)),
        (-6, (-1, -1, ResponseError::UnsupportedVersion.code())),
        (0, (0, 1, 0)),
        (2, (1, 2, 0)),
        (3, (2, 3, 0)),
        (4, (-1, -1, 0)),
    ] {
        assert_eq!(
            list_offset(&mut client, timestamp, 7).await,
            found,
            "at {timestamp}"
        );
    }
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![ListOffsetsPartition::default().with_timestamp(0); 2]);
    let twice = client
        .call(&ListOffsetsRequest::default().with_topics(vec![topic]), 7)
        .await;
    let errors = twice.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code);
    assert_eq!(
        errors.collect::<Vec<_>>(),
        [0, ResponseError::InvalidRequest.code()]
    );
    let partition = ListOffsetsPartition::default()
        .with_partition_index(9)
        .with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![partition]);
    let answer = client
        .call(&ListOffsetsRequest::default().with_topics(vec![topic]), 7)
        .await;
    let error = answer.topics[0].partitions[0].error_code;
    assert_eq!(error, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn old_batches_make_room_and_the_log_starts_later() {
    let one = batch(&[&[7; 1_000], b"second"]);
    let len = one.len() as u64;
    let broker = EmbeddedBroker::builder()
        .retention_bytes(4 * len)
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(broker.addr()).await;
    broker.create_topic("orders", 1).unwrap();
    for round in 0..10 {
        assert_eq!(client.produce("orders", 0, &one).await.offset(), 2 * round);
    }
    let offsets = broker.offsets("orders").unwrap()[0];
    assert_eq!((offsets.start, offsets.end), (12, 20));
    assert_eq!(list_offset(&mut client, -2, 7).await.0, 12);
    let below = client.fetch("orders", 0, 11).await;
    assert_eq!(below.error_code, ResponseError::OffsetOutOfRange.code());
    assert_eq!((below.log_start_offset, below.high_watermark), (12, 20));
    let kept = client.fetch("orders", 0, 12).await;
    assert_eq!(kept.records.unwrap().len() as u64, 4 * len);

    // A topic's own limit goes before.
    let own = with_config(creatable("own", 1), "retention.bytes", "1");
    assert_eq!(create(&mut client, own).await.0, 0);
    for _ in 0..3 {
        client.produce("own", 0, &one).await.offset();
    }
    assert_eq!(broker.offsets("own").unwrap()[0].start, 4);
    let small = with_config(creatable("small", 1), "max.message.bytes", "100");
    assert_eq!(create(&mut client, small).await.0, 0);
    let refused = client.produce("small", 0, &one).await;
    assert_eq!(refused.error(), ResponseError::MessageTooLarge);
}

#[tokio::test]
async fn many_partitions_together_stay_below_their_limit() {
    let one = batch(&[&[7; 1_000]]);
    let len = one.len() as u64;
    let broker = EmbeddedBroker::builder()
        .total_retention_bytes(20 * len)
        .start()
        .await
        .unwrap();
    let mut client = Client::connect(broker.addr()).await;
    broker.create_topic("orders", 10).unwrap();
    for partition in 0..10 {
        for _ in 0..=partition {
            client.produce("orders", partition, &one).await.offset();
        }
    }
    let kept: Vec<_> = broker
        .offsets("orders")
        .unwrap()
        .iter()
        .map(|p| p.end - p.start)
        .collect();
    assert!(kept.iter().sum::<i64>() <= 20, "{kept:?}");
    // The large ones paid.
    assert_eq!(kept[..2], [1, 2], "{kept:?}");
    assert!(kept.iter().all(|records| *records >= 1), "{kept:?}");
}

#[tokio::test]
async fn kafkas_tools_get_their_descriptions() {
    let (broker, mut client) = broker().await;
    broker.create_topic("a", 2).unwrap();
    broker.create_topic("b", 3).unwrap();
    for version in 0..=2 {
        let answer = client
            .call(&DescribeClusterRequest::default(), version)
            .await;
        assert_eq!(answer.error_code, 0);
        assert_eq!(answer.brokers[0].port, i32::from(broker.addr().port()));
    }
    let resource = |kind, name| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let request = DescribeConfigsRequest::default().with_resources(vec![
        resource(2, "a"),
        resource(2, "nowhere"),
        resource(4, "1"),
        resource(99, "a"),
    ]);
    for version in 1..=4 {
        let answer = client.call(&request, version).await;
        let codes: Vec<_> = answer
            .results
            .iter()
            .map(|result| result.error_code)
            .collect();
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        assert_eq!(codes, [0, unknown, 0, ResponseError::InvalidRequest.code()]);
        let retention = &answer.results[0].configs[0];
        assert_eq!(retention.name, text("retention.bytes"));
        assert_eq!(retention.value, Some(text("268435456")));
    }

    // Two partitions at a time, over the end of a topic.
    let mut request = DescribeTopicPartitionsRequest::default()
        .with_response_partition_limit(2)
        .with_cursor(None);
    let mut seen = Vec::new();
    loop {
        let answer = client.call(&request, 0).await;
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            for partition in &topic.partitions {
                seen.push((name.clone(), partition.partition_index));
            }
        }
        let Some(cursor) = answer.next_cursor else {
            break;
        };
        let next = kafka_protocol::messages::describe_topic_partitions_request::Cursor::default()
            .with_topic_name(cursor.topic_name)
            .with_partition_index(cursor.partition_index);
        request.cursor = Some(next);
        assert!(seen.len() < 10);
    }
    let expected = [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)];
    assert_eq!(seen, expected.map(|(name, index)| (name.to_owned(), index)));
}

#[tokio::test]
async fn there_is_no_coordinator() {
    let (_broker, mut client) = broker().await;
    let error = ResponseError::CoordinatorNotAvailable.code();
    for version in 0..=3 {
        let request = FindCoordinatorRequest::default().with_key(text("group"));
        assert_eq!(client.call(&request, version).await.error_code, error);
    }
    for version in 4..=6 {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
        let answer = client.call(&request, version).await;
        assert_eq!(answer.coordinators[0].error_code, error);
        assert_eq!(answer.coordinators[0].key, text("group"));
    }
}
