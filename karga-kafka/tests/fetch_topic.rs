//! Reading a topic: every record once, from where it was asked, with the lag told.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;
mod support;

use std::time::Duration;

use common::Broker;
use karga_core::{Action as _, Count, Iteration, Metric as _, Outcome, Scenario as _};
use karga_kafka::{
    FetchMetric, FetchScenario, FetchUser, KafkaUrl, Keys, Partitioning, Payload, ProduceScenario,
    StartOffset,
    client::{NewTopic, RetryPolicy},
};
use karga_kafka_testbed::EmbeddedBroker;
use support::{
    drain, drive, drive_ready, in_time,
    proxy::{FETCH, Fault, Proxy},
    recorder,
};

const WAIT: Duration = Duration::from_millis(20);

async fn topic(partitions: i32) -> (Broker, KafkaUrl) {
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(partitions).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    (broker, url.parse().unwrap())
}

/// Writes `iterations` requests of `batch` records, spread over all partitions.
async fn produce(url: &KafkaUrl, iterations: u64, batch: usize) {
    let scenario = ProduceScenario::builder(url)
        .batch(batch)
        .partition(Partitioning::RoundRobin)
        .keys(Keys::sequence())
        .payload(Payload::from_fn(|seat, out| {
            out.extend(seat.number.to_le_bytes())
        }))
        .build()
        .unwrap();
    for metric in drive(&scenario, 2, iterations).await {
        assert_eq!(metric.outcome, Outcome::Success, "{metric:?}");
    }
}

async fn call(user: &FetchUser, index: u64) -> FetchMetric {
    in_time(user.call(Iteration::new(index, 0, Duration::ZERO))).await
}

fn messages(metrics: &[FetchMetric]) -> u64 {
    metrics.iter().map(|metric| metric.messages).sum()
}

#[tokio::test]
async fn many_users_read_every_record_once() {
    // Fewer, as many and more users than partitions; small answers, so that there are many.
    for users in [1, 3, 4, 9] {
        let (_broker, url) = topic(4).await;
        produce(&url, 100, 20).await;
        let (hook, seen) = recorder();
        let scenario = FetchScenario::builder(&url)
            .max_wait(WAIT)
            .max_bytes(4096)
            .on_record(hook)
            .build()
            .unwrap();
        scenario.setup().await.unwrap();
        let mut metrics = Vec::new();
        let mut index = 0;
        in_time(async {
            while messages(&metrics) < 2000 {
                metrics.extend(drive_ready(&scenario, users, index..index + 20).await);
                index += 20;
            }
        })
        .await;
        assert_eq!(messages(&metrics), 2000);
        for metric in &metrics {
            assert_eq!((metric.outcome, &metric.class), (Outcome::Success, &None));
        }
        let mut seen = seen.lock().unwrap().clone();
        seen.sort();
        let places: Vec<_> = seen.iter().map(|one| (one.partition, one.offset)).collect();
        let all = (0..4).flat_map(|partition| (0..500).map(move |offset| (partition, offset)));
        assert_eq!(places, all.collect::<Vec<_>>());
        // And nothing is left to read.
        let rest = drive_ready(&scenario, users, 0..users).await;
        assert_eq!((messages(&rest), rest[0].lag()), (0, Some(0)));
    }
}

#[tokio::test]
async fn the_lag_is_that_of_the_whole_topic_and_falls_to_zero() {
    let (_broker, url) = topic(2).await;
    produce(&url, 10, 20).await;
    let scenario = FetchScenario::builder(&url)
        .max_wait(WAIT)
        .max_bytes(1)
        .build()
        .unwrap();
    let metrics = drain(&scenario).await;
    // At most a byte, but whole batches: one of 10 records at a time, of one partition or both.
    let mut left = 200;
    for metric in &metrics {
        assert!(
            metric.messages > 0 && metric.messages % 10 == 0,
            "{metric:?}"
        );
        assert!(
            metric.volume().bytes_received > metric.messages * 15,
            "{metric:?}"
        );
        left -= metric.messages;
        assert_eq!(metric.lag(), Some(left));
    }
    assert_eq!(left, 0);
    assert!(metrics.len() >= 10, "{}", metrics.len());
}

#[tokio::test]
async fn a_run_starts_where_it_was_asked_to() {
    let (_broker, url) = topic(1).await;
    produce(&url, 3, 10).await;
    let from = |start| FetchScenario::builder(&url).max_wait(WAIT).start(start);
    for (start, expected) in [
        (StartOffset::Earliest, 30),
        (StartOffset::Offset(0), 30),
        (StartOffset::Offset(13), 17),
        (StartOffset::Offset(30), 0),
        (StartOffset::Latest, 0),
        (StartOffset::Timestamp(0), 30),
        // A year of milliseconds ahead: nothing is that new.
        (
            StartOffset::time(std::time::SystemTime::now() + Duration::from_secs(31_536_000)),
            0,
        ),
    ] {
        let metrics = drain(&from(start).build().unwrap()).await;
        assert_eq!(messages(&metrics), expected, "{start:?}");
    }
    // From the latest, what comes after is read.
    let latest = from(StartOffset::Latest).build().unwrap();
    latest.setup().await.unwrap();
    produce(&url, 1, 10).await;
    let user = latest.connect(0).await.unwrap();
    assert_eq!(call(&user, 0).await.messages, 10);
}

#[tokio::test]
async fn a_timestamp_finds_the_first_record_of_that_time() {
    let (_broker, url) = topic(1).await;
    produce(&url, 1, 5).await;
    let (hook, seen) = recorder();
    let all = FetchScenario::builder(&url)
        .on_record(hook)
        .build()
        .unwrap();
    drain(&all).await;
    let first = seen.lock().unwrap()[0].timestamp;
    // The next request has a later timestamp, which takes a tick of the clock.
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    while now() <= first {
        tokio::task::yield_now().await;
    }
    produce(&url, 1, 5).await;
    let later = FetchScenario::builder(&url)
        .start(StartOffset::Timestamp(first + 1))
        .build()
        .unwrap();
    assert_eq!(messages(&drain(&later).await), 5);
}

#[tokio::test]
async fn one_partition_can_be_read_alone() {
    let (_broker, url) = topic(3).await;
    produce(&url, 3, 10).await;
    let (hook, seen) = recorder();
    let scenario = FetchScenario::builder(&url)
        .partition(2)
        .max_wait(WAIT)
        .on_record(hook)
        .build()
        .unwrap();
    assert_eq!(messages(&drain(&scenario).await), 10);
    assert!(seen.lock().unwrap().iter().all(|one| one.partition == 2));
}

#[tokio::test]
async fn waiting_for_nothing_is_a_success_of_no_messages() {
    let (_broker, url) = topic(1).await;
    let scenario = FetchScenario::builder(&url).max_wait(WAIT).build().unwrap();
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    let start = std::time::Instant::now();
    let metric = call(&user, 0).await;
    assert!(
        start.elapsed() >= WAIT,
        "the broker did not wait: {:?}",
        start.elapsed()
    );
    assert_eq!(
        (metric.outcome, metric.messages, metric.lag),
        (Outcome::Success, 0, 0)
    );
}

#[tokio::test]
async fn lost_answers_are_read_again_and_nothing_twice() {
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(3).await;
    let direct = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let direct: KafkaUrl = direct.parse().unwrap();
    produce(&direct, 50, 12).await;
    for retries in [0, 3] {
        let proxy = Proxy::start(&broker.endpoint().to_string(), |api, number| {
            match (api, number % 5) {
                (FETCH, 1) => Fault::CutAnswer,
                (FETCH, 3) => Fault::CutRequest,
                _ => Fault::None,
            }
        })
        .await;
        let url = format!("kafka://{}/{}", proxy.addr(), topic.name());
        let (hook, seen) = recorder();
        let scenario = FetchScenario::builder(&url)
            .max_wait(WAIT)
            .max_bytes(2000)
            .retry(RetryPolicy::up_to(retries).backoff(Duration::from_millis(1)))
            .on_record(hook)
            .build()
            .unwrap();
        let metrics = drain(&scenario).await;
        assert_eq!(messages(&metrics), 600);
        let mut places: Vec<_> = seen
            .lock()
            .unwrap()
            .iter()
            .map(|one| (one.partition, one.offset))
            .collect();
        places.sort_unstable();
        let all = (0..3).flat_map(|partition| (0..200).map(move |offset| (partition, offset)));
        assert_eq!(places, all.collect::<Vec<_>>());

        let sum = |name| -> u64 {
            let counts = metrics.iter().flat_map(|metric| &metric.counts);
            counts
                .filter(|count| count.name == name)
                .map(|count| count.count)
                .sum()
        };
        assert!(sum("reconnects") > 0);
        if retries == 0 {
            let lost = metrics
                .iter()
                .filter(|metric| metric.outcome == Outcome::Unknown);
            assert!(lost.count() > 0);
            assert_eq!(sum("retries"), 0);
            let remarks = scenario.remarks();
            let closed = "first connection closed: Fetch lost its connection to ";
            assert!(
                remarks.len() == 1 && remarks[0].starts_with(closed),
                "{remarks:?}"
            );
        } else {
            assert!(
                metrics
                    .iter()
                    .all(|metric| metric.outcome == Outcome::Success)
            );
            assert!(sum("retries") > 0);
            assert!(scenario.remarks().is_empty());
        }
    }
}

#[tokio::test]
async fn records_that_retention_removed_are_skipped_and_counted() {
    let broker = EmbeddedBroker::builder()
        .retention_bytes(20_000)
        .start()
        .await
        .unwrap();
    broker.create_topic("short", 1).unwrap();
    let url: KafkaUrl = broker.url("short").parse().unwrap();
    produce(&url, 1, 10).await;
    let scenario = FetchScenario::builder(&url).max_wait(WAIT).build().unwrap();
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    assert_eq!(call(&user, 0).await.messages, 10);
    produce(&url, 100, 100).await;
    let offsets = broker.offsets("short").unwrap()[0];
    assert!(offsets.start > 10, "nothing was removed: {offsets:?}");

    let reset = call(&user, 1).await;
    assert_eq!(
        (reset.outcome, reset.messages),
        (Outcome::Success, 0),
        "{reset:?}"
    );
    let skipped = u64::try_from(offsets.start).unwrap() - 10;
    let expected = [
        Count::new("offset_resets", 1),
        Count::new("records_skipped", skipped),
    ];
    assert_eq!(reset.counts, expected);
    let left = u64::try_from(offsets.end - offsets.start).unwrap();
    assert_eq!(reset.lag, left);
    let mut read = 0;
    while read < left {
        let metric = call(&user, 2).await;
        assert_eq!(
            (metric.outcome, &metric.counts[..]),
            (Outcome::Success, &[][..])
        );
        read += metric.messages;
    }
    assert_eq!(read, left);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_read_from_its_start() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let url: KafkaUrl = url.parse().unwrap();
    produce(&url, 1, 50).await;
    let scenario = FetchScenario::builder(&url).max_wait(WAIT).build().unwrap();
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    assert_eq!(call(&user, 0).await.messages, 50);
    client.delete_topic(topic.name()).await.unwrap();
    client
        .create_topic(&NewTopic::new(topic.name()))
        .await
        .unwrap();
    produce(&url, 1, 7).await;
    let mut resets = 0;
    let mut read = 0;
    in_time(async {
        let mut index = 1;
        while read < 7 {
            let metric = call(&user, index).await;
            let is_reset = |count: &&Count| count.name == "offset_resets";
            resets += metric.counts.iter().filter(is_reset).count();
            read += metric.messages;
            index += 1;
        }
    })
    .await;
    assert_eq!((read, resets), (7, 1));
}

#[tokio::test]
async fn a_cancelled_fetch_leaves_its_partitions_to_the_others() {
    let (_broker, url) = topic(1).await;
    let scenario = FetchScenario::builder(&url)
        .start(StartOffset::Earliest)
        .max_wait(Duration::from_secs(30))
        .build()
        .unwrap();
    scenario.setup().await.unwrap();
    let first = scenario.connect(0).await.unwrap();
    let second = scenario.connect(1).await.unwrap();
    {
        // Polled until it waits at the broker for a record that does not come.
        let waiting = first.call(Iteration::new(0, 0, Duration::ZERO));
        let late = tokio::time::timeout(Duration::from_millis(50), waiting).await;
        assert!(late.is_err());
    }
    produce(&url, 1, 10).await;
    assert_eq!(call(&second, 1).await.messages, 10);
    assert_eq!(
        call_soon(&first).await,
        None,
        "there is nothing more to read"
    );
}

/// Messages of a fetch, if there are any soon.
async fn call_soon(user: &FetchUser) -> Option<u64> {
    let fetch = user.call(Iteration::new(2, 0, Duration::ZERO));
    let soon = tokio::time::timeout(Duration::from_millis(50), fetch).await;
    soon.ok().map(|metric| metric.messages)
}
