//! The client against a broker: the real one that `KARGA_KAFKA` names, or an embedded one.

mod common;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use common::{Broker, batch, read, unique, write};
use karga_kafka::client::{Client, NewTopic, OffsetSpec, Position, Session, Topic};
use karga_kafka::config::{Acks, Connections, FetchSettings, Isolation};
use karga_kafka::records::{BatchSettings, Producer};
use karga_kafka::{Error, ErrorCode};

async fn produce(session: &Session, topic: &Topic, partition: i32, values: &[&str]) -> i64 {
    let write = write(batch(BatchSettings::new(), values));
    let produced = session.produce(topic, partition, Acks::All, write).await;
    produced.expect("an acknowledged batch").base_offset
}

async fn fetch(
    session: &Session,
    topic: &Topic,
    partition: i32,
    offset: i64,
) -> Vec<(i64, String)> {
    let position = Position::new(partition, offset);
    let settings = FetchSettings::default();
    let fetched = session
        .fetch(topic, &[position], &settings)
        .await
        .expect("an answer");
    assert_eq!(fetched.partitions.len(), 1);
    assert_eq!(fetched.partitions[0].error, None);
    read(&fetched.partitions[0].records)
}

fn pair(offset: i64, value: &str) -> (i64, String) {
    (offset, value.to_owned())
}

#[tokio::test]
async fn what_was_produced_is_fetched() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    let before = client.counters();
    assert_eq!(produce(&session, &topic, 0, &["a", "b"]).await, 0);
    assert_eq!(produce(&session, &topic, 0, &["c"]).await, 2);
    let all = fetch(&session, &topic, 0, 0).await;
    assert_eq!(all, [pair(0, "a"), pair(1, "b"), pair(2, "c")]);
    assert_eq!(fetch(&session, &topic, 0, 2).await, [pair(2, "c")]);
    let during = client.counters() - before;
    assert_eq!(during.reconnects + during.retries + during.timeouts, 0);
    assert_eq!(
        (during.connects, during.requests),
        (1, 1 + 4),
        "versions, then four requests"
    );
}

#[tokio::test]
async fn each_kind_of_acks_is_spoken() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    for (acks, offset, answered) in [
        (Acks::All, 0, true),
        (Acks::Leader, 1, true),
        (Acks::None, -1, false),
    ] {
        let write = write(batch(BatchSettings::new(), &["x"]));
        let produced = session.produce(&topic, 0, acks, write).await.unwrap();
        assert_eq!(produced.base_offset, offset, "{acks}");
        assert_eq!(produced.bytes_received > 0, answered, "{acks}");
        assert!(produced.bytes_sent > 70, "{acks}");
    }
    // The answer to what follows on the same connection proves that the last one was taken.
    assert_eq!(produce(&session, &topic, 0, &["y"]).await, 3);
}

#[tokio::test]
async fn a_shared_pool_loses_and_doubles_nothing() {
    let broker = Broker::start().await;
    let (_, topic) = broker.topic(1).await;
    let settings = Connections::Shared {
        connections: NonZeroUsize::new(2).unwrap(),
        in_flight: NonZeroUsize::new(3).unwrap(),
    };
    let config = broker.config().connections(settings).build().unwrap();
    let client = Client::connect(config).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (session, topic) = (client.session(), topic.clone());
        tasks.spawn(async move {
            let mut offsets = Vec::new();
            for round in 0..25 {
                let acks = if round % 5 == 4 {
                    Acks::None
                } else {
                    Acks::All
                };
                let value = format!("{worker}/{round}");
                let write = write(batch(BatchSettings::new(), &[&value]));
                let produced = session.produce(&topic, 0, acks, write).await.unwrap();
                if acks == Acks::All {
                    offsets.push((produced.base_offset, value));
                }
            }
            offsets
        });
    }
    let mut acknowledged = tasks.join_all().await.concat();
    acknowledged.sort();
    assert_eq!(acknowledged.len(), 16 * 20);
    assert_eq!(
        client.counters().connects,
        3,
        "one for the client, two for the pool"
    );
    // The last request on each connection is answered after all unanswered ones were taken.
    let session = client.session();
    let mut found = Vec::new();
    while found.len() < 16 * 25 {
        let next = found.len() as i64;
        found.extend(fetch(&session, &topic, 0, next).await);
    }
    let offsets: Vec<_> = found.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (0..16 * 25).collect::<Vec<_>>());
    for one in &acknowledged {
        assert!(found.contains(one), "{one:?}");
    }
    let mut values: Vec<_> = found.into_iter().map(|(_, value)| value).collect();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 16 * 25);
}

#[tokio::test]
async fn a_cancelled_caller_leaves_a_shared_connection_usable() {
    let broker = Broker::start().await;
    let (_, topic) = broker.topic(1).await;
    let one = NonZeroUsize::MIN;
    let config = broker
        .config()
        .connections(Connections::shared(one))
        .build()
        .unwrap();
    let client = Client::connect(config).await.unwrap();
    let session = client.session();
    produce(&session, &topic, 0, &["before"]).await;
    let before = client.counters();
    {
        // Sent at once, because the socket has room, and then dropped without its answer.
        let settings = FetchSettings::builder().max_wait(Duration::from_millis(300));
        let settings = settings.build().unwrap();
        let positions = [Position::new(0, 1)];
        let poll = session.fetch(&topic, &positions, &settings);
        let mut poll = std::pin::pin!(poll);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(poll.as_mut().poll(&mut context).is_pending());
        assert_eq!((client.counters() - before).requests, 1, "it is on its way");
    }
    assert_eq!(produce(&session, &topic, 0, &["after"]).await, 1);
    assert_eq!(fetch(&session, &topic, 0, 1).await, [pair(1, "after")]);
    assert_eq!((client.counters() - before).connects, 0);
}

#[tokio::test]
async fn a_cancelled_caller_costs_an_exclusive_session_a_reconnect() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    produce(&session, &topic, 0, &["before"]).await;
    {
        let settings = FetchSettings::default();
        let positions = [Position::new(0, 1)];
        let poll = session.fetch(&topic, &positions, &settings);
        let mut poll = std::pin::pin!(poll);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(poll.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(produce(&session, &topic, 0, &["after"]).await, 1);
    assert_eq!(client.counters().reconnects, 1);
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(3).await;
    let session = client.session();
    produce(&session, &topic, 1, &["at 1000", "at 1001", "at 1002"]).await;
    let list = async |partitions: &[i32], spec| {
        let isolation = Isolation::ReadUncommitted;
        let listed = session
            .list_offsets(&topic, partitions, spec, isolation)
            .await;
        let listed = listed.expect("offsets");
        listed
            .iter()
            .map(|one| (one.partition, one.offset))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(&[0, 1, 2], OffsetSpec::Earliest).await,
        [(0, 0), (1, 0), (2, 0)]
    );
    assert_eq!(list(&[2, 1], OffsetSpec::Latest).await, [(2, 0), (1, 3)]);
    assert_eq!(list(&[1], OffsetSpec::Timestamp(1001)).await, [(1, 1)]);
    assert_eq!(
        list(&[1], OffsetSpec::Timestamp(5000)).await,
        [(1, -1)],
        "none so young"
    );
    let bad = session
        .list_offsets(
            &topic,
            &[0],
            OffsetSpec::Timestamp(-7),
            Isolation::ReadUncommitted,
        )
        .await;
    let error = bad.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("-7"), "{cause}");
}

#[tokio::test]
async fn one_fetch_reads_many_partitions() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(4).await;
    let session = client.session();
    for partition in 0..4 {
        produce(&session, &topic, partition, &[&format!("p{partition}")]).await;
    }
    let groups = topic.by_leader();
    assert_eq!(
        groups.iter().map(|(_, group)| group.len()).sum::<usize>(),
        4
    );
    for (_, group) in groups {
        let positions: Vec<_> = group.iter().map(|&index| Position::new(index, 0)).collect();
        let settings = FetchSettings::default();
        let fetched = session.fetch(&topic, &positions, &settings).await.unwrap();
        for partition in &fetched.partitions {
            let expected = [pair(0, &format!("p{}", partition.index))];
            assert_eq!(read(&partition.records), expected);
            assert_eq!(
                (partition.high_watermark, partition.log_start_offset),
                (1, 0)
            );
        }
        assert_eq!(fetched.partitions.len(), group.len());
    }
}

#[tokio::test]
async fn a_long_poll_waits_no_less_than_it_was_told_to() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    let wait = Duration::from_millis(150);
    let settings = FetchSettings::builder().max_wait(wait).build().unwrap();
    let start = Instant::now();
    let fetched = session
        .fetch(&topic, &[Position::new(0, 0)], &settings)
        .await
        .unwrap();
    assert!(start.elapsed() >= wait, "{:?}", start.elapsed());
    assert!(fetched.partitions[0].records.is_empty());
}

#[tokio::test]
async fn an_offset_that_is_not_there_is_an_error_by_name() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    let settings = FetchSettings::default();
    let fetched = session
        .fetch(&topic, &[Position::new(0, 7)], &settings)
        .await;
    let error = fetched.unwrap_err();
    assert_eq!(error.class(), "OFFSET_OUT_OF_RANGE");
    assert!(!error.may_have_happened());
}

#[tokio::test]
async fn an_unknown_topic_says_what_to_do() {
    let broker = Broker::start().await;
    let client = broker.client().await;
    let name = unique("nobody-made-this");
    let error = client.topic(&name).await.unwrap_err();
    assert_eq!(error.class(), "UNKNOWN_TOPIC_OR_PARTITION");
    let text = error.to_string();
    assert!(
        text.contains(&name) && text.contains("create it first"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_partition_says_how_many_there_are() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(2).await;
    for partition in [2, -1] {
        let write = write(batch(BatchSettings::new(), &["x"]));
        let produced = client
            .session()
            .produce(&topic, partition, Acks::All, write)
            .await;
        let error = produced.unwrap_err();
        assert!(!error.may_have_happened());
        let text = error.to_string();
        let part = format!("no partition {partition}: it has 2");
        assert!(text.contains(&part), "{text}");
    }
}

#[tokio::test]
async fn a_batch_over_the_limit_is_an_error_by_name() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    let large = "x".repeat(1_200_000); // over message.max.bytes, 1 MiB by default
    let write = write(batch(BatchSettings::new(), &[&large]));
    let error = session
        .produce(&topic, 0, Acks::All, write)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    let text = error.to_string();
    assert!(
        text.contains("MESSAGE_TOO_LARGE") && text.contains("smaller records"),
        "{text}"
    );
    assert!(!error.may_have_happened());
    assert_eq!(
        produce(&session, &topic, 0, &["small"]).await,
        0,
        "nothing was appended"
    );
    assert_eq!(client.counters().reconnects, 0);
}

#[tokio::test]
async fn a_writer_that_fails_sends_nothing() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    produce(&session, &topic, 0, &["before"]).await;
    let fail = |_: &mut bytes::BytesMut| Err("no more lines");
    let error = session
        .produce(&topic, 0, Acks::All, fail)
        .await
        .unwrap_err();
    assert_eq!(error.class(), "bad request");
    assert!(!error.may_have_happened());
    let shrink = |out: &mut bytes::BytesMut| {
        out.clear();
        Ok::<_, std::convert::Infallible>(())
    };
    let error = session
        .produce(&topic, 0, Acks::All, shrink)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Request { .. }), "{error}");
    assert_eq!(produce(&session, &topic, 0, &["after"]).await, 1);
    assert_eq!(client.counters().reconnects, 0);
}

#[tokio::test]
async fn topics_are_made_once_and_removed_once() {
    let broker = Broker::start().await;
    let client = broker.client().await;
    let new = NewTopic::new(unique("once")).partitions(3);
    let topic = client.create_topic(&new).await.unwrap();
    assert_eq!(topic.partitions(), 3);
    let error = client.create_topic(&new).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
    client.delete_topic(topic.name()).await.unwrap();
    let error = client.delete_topic(topic.name()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[tokio::test]
async fn impossible_topics_are_refused_by_name() {
    let broker = Broker::start().await;
    let client = broker.client().await;
    let none = NewTopic::new(unique("none")).partitions(0);
    let error = client.create_topic(&none).await.unwrap_err();
    assert_eq!(error.class(), "INVALID_PARTITIONS");
    let error = client
        .create_topic(&NewTopic::new("not a name"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), "INVALID_TOPIC_EXCEPTION");
}

#[tokio::test]
async fn a_topic_that_went_away_fails_and_one_that_came_back_is_found() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    produce(&session, &topic, 0, &["old"]).await;
    client.delete_topic(topic.name()).await.unwrap();
    let write_one = || write(batch(BatchSettings::new(), &["lost"]));
    let error = session
        .produce(&topic, 0, Acks::All, write_one())
        .await
        .unwrap_err();
    let code = error.code().expect("a broker's error");
    assert!(code.is_leadership(), "{code}");
    client
        .create_topic(&NewTopic::new(topic.name()))
        .await
        .unwrap();
    // The first requests may still be answered from what was known before.
    let mut offset = None;
    for _ in 0..200 {
        match session.produce(&topic, 0, Acks::All, write_one()).await {
            Ok(produced) => {
                offset = Some(produced.base_offset);
                break;
            }
            Err(error) => assert!(
                error.code().is_some_and(ErrorCode::is_leadership),
                "{error}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(offset, Some(0));
    assert!(client.counters().metadata_refreshes > 0);
}

#[tokio::test]
async fn an_idempotent_batch_that_is_sent_twice_is_there_once() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    let producer = client.init_producer_id().await.unwrap();
    let other = client.init_producer_id().await.unwrap();
    assert!(producer.id >= 0 && producer.id != other.id);
    let settings = BatchSettings::new().producer(Producer {
        id: producer.id,
        epoch: producer.epoch,
        base_sequence: 0,
    });
    for attempt in 0..2 {
        let write = write(batch(settings, &["once"]));
        let produced = session.produce(&topic, 0, Acks::All, write).await.unwrap();
        assert_eq!(produced.base_offset, 0, "attempt {attempt}");
    }
    assert_eq!(fetch(&session, &topic, 0, 0).await, [pair(0, "once")]);
}

#[tokio::test]
async fn warming_up_connects_before_the_first_request() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let session = client.session();
    session.warm_up(&topic).await.unwrap();
    let before = client.counters();
    produce(&session, &topic, 0, &["x"]).await;
    let during = client.counters() - before;
    assert_eq!((during.connects, during.requests), (0, 1));
}
