//! Bad input gives a clear error in time: never a hang, a panic or an empty success.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;
mod support;

use std::{
    error::Error,
    fmt::Write as _,
    time::{Duration, Instant},
};

use common::Broker;
use karga_core::{Metric as _, Outcome, Scenario};
use karga_kafka::{
    FetchScenario, Keys, Partitioning, Payload, ProduceScenario, StartOffset, records::Compression,
};
use support::{drive, log_len};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// What a person is shown: the error and all of its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").unwrap();
        source = cause.source();
    }
    text
}

/// The error of a scenario's setup, and that it came in time.
async fn setup_error<S: Scenario>(scenario: &S) -> String {
    let start = Instant::now();
    let error = support::in_time(scenario.setup())
        .await
        .expect_err("setup must fail");
    // The deadlines below are a second at most, several of them in a row; a busy machine adds some.
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    chain(&error)
}

/// Both scenarios' errors for a target.
async fn errors_of(target: &str) -> [String; 2] {
    let url = format!("kafka://{target}?connect_timeout=1s&request_timeout=1s");
    let produce = ProduceScenario::builder(&url).build().unwrap();
    let fetch = FetchScenario::builder(&url).build().unwrap();
    [setup_error(&produce).await, setup_error(&fetch).await]
}

#[tokio::test]
async fn an_unknown_topic_is_named_with_the_way_out_and_not_made() {
    let broker = Broker::start().await;
    let name = common::unique("missing");
    for error in errors_of(&format!("{}/{name}", broker.endpoint())).await {
        assert!(
            error.contains(&format!("\"{name}\" does not exist")),
            "{error}"
        );
        assert!(error.contains(&broker.endpoint().to_string()), "{error}");
        assert!(error.contains("create_topic"), "{error}");
    }
    assert!(
        broker.client().await.topic(&name).await.is_err(),
        "asking made the topic"
    );
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_named() {
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(2).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let produce = ProduceScenario::builder(&url).partition(Partitioning::Explicit(2));
    let fetch = FetchScenario::builder(&url).partition(7);
    let produce = setup_error(&produce.build().unwrap()).await;
    assert!(
        produce.contains("no partition 2: it has 2, counted from 0"),
        "{produce}"
    );
    let fetch = setup_error(&fetch.build().unwrap()).await;
    assert!(
        fetch.contains("no partition 7: it has 2, counted from 0"),
        "{fetch}"
    );
}

#[tokio::test]
async fn a_start_offset_that_is_not_there_is_named_with_those_that_are() {
    let broker = Broker::start().await;
    let (_client, topic) = broker.topic(1).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    drive(
        &ProduceScenario::builder(&url).batch(5).build().unwrap(),
        1,
        1,
    )
    .await;
    let beyond = FetchScenario::builder(&url)
        .start(StartOffset::Offset(6))
        .build()
        .unwrap();
    let error = setup_error(&beyond).await;
    assert!(
        error.contains("offsets 0 up to 5") && error.contains("from 6"),
        "{error}"
    );
    let at_the_end = FetchScenario::builder(&url)
        .start(StartOffset::Offset(5))
        .build()
        .unwrap();
    at_the_end.setup().await.unwrap();
}

#[tokio::test]
async fn a_record_over_the_brokers_limit_fails_by_its_name_and_is_not_written() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    // The default limit is 1 MiB and some bytes.
    let scenario = ProduceScenario::builder(&url)
        .payload(Payload::random(750_000))
        .batch(2)
        .build()
        .unwrap();
    let mut sent = 0;
    for metric in drive(&scenario, 2, 4).await {
        assert_eq!(metric.outcome, Outcome::Failure);
        assert_eq!(metric.error_class().as_deref(), Some("MESSAGE_TOO_LARGE"));
        assert_eq!(metric.volume().messages, 0);
        assert!(metric.volume().bytes_sent > 1_500_000);
        sent = metric.volume().bytes_sent;
    }
    // The run says how much that was and what to do, once and not for each record.
    let remarks = scenario.remarks();
    let [remark] = &remarks[..] else {
        panic!("{remarks:?}");
    };
    for part in [
        "first MESSAGE_TOO_LARGE: ".to_owned(),
        format!("a batch of 2 records had {sent} bytes"),
        format!("{}-0", topic.name()),
        ".batch()".to_owned(),
        ".payload()".to_owned(),
        "max.message.bytes".to_owned(),
    ] {
        assert!(remark.contains(&part), "{remark:?} lacks {part:?}");
    }
    scenario.setup().await.unwrap();
    assert!(scenario.remarks().is_empty(), "another run begins");
    assert_eq!(log_len(&client, &topic).await, 0);
}

#[tokio::test]
async fn one_partitions_refusal_leaves_the_others_acknowledged() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(2).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    // Even records, which go to partition 0, are over the limit.
    let payload = Payload::from_fn(|seat, out| {
        out.resize(if seat.number % 2 == 0 { 1_500_000 } else { 10 }, b'x');
    });
    let scenario = ProduceScenario::builder(&url)
        .batch(4)
        .payload(payload)
        .partition(Partitioning::RoundRobin)
        .build()
        .unwrap();
    for metric in drive(&scenario, 1, 3).await {
        assert_eq!(metric.outcome, Outcome::Failure);
        assert_eq!(metric.error_class().as_deref(), Some("MESSAGE_TOO_LARGE"));
        assert_eq!((metric.messages, metric.unknown_messages), (2, 0));
        assert_eq!(metric.partition, Some(1));
    }
    assert_eq!(log_len(&client, &topic).await, 6);
}

#[tokio::test]
async fn a_closure_that_writes_too_much_is_refused_before_it_is_sent() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let payload = Payload::from_fn(|seat, out| out.resize(40 * (seat.index as usize + 1), b'x'));
    let scenario = ProduceScenario::builder(&url)
        .payload(payload)
        .max_request_bytes(200)
        .build()
        .unwrap();
    let mut metrics = drive(&scenario, 1, 4).await;
    let last = metrics.pop().unwrap();
    assert_eq!(last.outcome, Outcome::Failure);
    assert_eq!(last.error_class().as_deref(), Some("request too large"));
    assert_eq!((last.messages, last.bytes_sent), (0, 0));
    let remarks = scenario.remarks().join("\n");
    assert!(
        remarks.starts_with("first request too large: ") && remarks.contains("max_request_bytes"),
        "{remarks}"
    );
    assert!(
        metrics
            .iter()
            .all(|metric| metric.outcome == Outcome::Success)
    );
    assert_eq!(log_len(&client, &topic).await, 3);
}

#[tokio::test]
async fn a_closed_port_says_who_does_not_listen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    for error in errors_of(&format!("{addr}/orders")).await {
        assert!(error.contains(&addr.to_string()), "{error}");
        // Once in the list of the URL's brokers, and once with what became of it.
        let told = error.split("no broker can be reached: ").last().unwrap();
        assert_eq!(told.matches(&addr.to_string()).count(), 1, "{error}");
        assert!(told.contains("does not take connections"), "{error}");
        assert!(told.contains("refused"), "{error}");
        assert!(error.contains("\"orders\""), "{error}");
    }
}

#[tokio::test]
async fn a_listener_that_never_answers_ends_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    for error in errors_of(&format!("{addr}/orders")).await {
        assert!(error.contains(&addr.to_string()), "{error}");
        assert!(error.contains("not connected within 1s"), "{error}");
    }
}

#[tokio::test]
async fn a_listener_that_answers_garbage_is_no_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for error in errors_of(&format!("{addr}/orders")).await {
        assert!(error.contains(&addr.to_string()), "{error}");
        assert!(
            error.contains("does not answer like a Kafka broker"),
            "{error}"
        );
    }
    server.abort();
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    // The top-level domain `invalid` never resolves (RFC 6761).
    for error in errors_of("no-such-host.invalid:9092/orders").await {
        assert!(error.contains("no-such-host.invalid"), "{error}");
    }
}

#[test]
fn what_cannot_be_right_cannot_be_built() {
    const URL: &str = "kafka://localhost/orders";
    let produce = || ProduceScenario::builder(URL);
    let fetch = || FetchScenario::builder(URL);
    let refused: Vec<(Result<(), karga_kafka::BuildError>, &[&str])> = vec![
        (
            ProduceScenario::builder("http://localhost/orders")
                .build()
                .map(drop),
            &["unknown scheme \"http\"", "write kafka://"],
        ),
        (
            FetchScenario::builder("kafka://localhost/")
                .build()
                .map(drop),
            &["topic is missing"],
        ),
        (
            ProduceScenario::builder(format!("{URL}?aks=1"))
                .build()
                .map(drop),
            &["unknown option \"aks\"", "acks"],
        ),
        (
            FetchScenario::builder(format!("{URL}?max_bytes=0"))
                .build()
                .map(drop),
            &["option max_bytes cannot be \"0\"", "use bytes from 1"],
        ),
        (
            ProduceScenario::builder(format!("{URL}?batch=0"))
                .build()
                .map(drop),
            &["option batch cannot be \"0\"", "from 1"],
        ),
        (
            produce().batch(0).build().map(drop),
            &["batch must be 1 to", "is 0"],
        ),
        (
            produce().batch(usize::MAX).build().map(drop),
            &["batch must be 1 to"],
        ),
        (
            produce()
                .partition(Partitioning::Explicit(-1))
                .build()
                .map(drop),
            &["partition must be 0 or more", "-1"],
        ),
        (
            produce().create_topic(0).build().map(drop),
            &["create_topic", "is 0"],
        ),
        (
            produce()
                .payload(Payload::random(std::ops::RangeInclusive::new(9, 3)))
                .build()
                .map(drop),
            &["from 9 to 3"],
        ),
        (
            produce()
                .payload(Payload::random(200_000_000))
                .build()
                .map(drop),
            &[
                "request of 1 records may take 2000000",
                "104792064 are allowed",
            ],
        ),
        (
            produce()
                .batch(1_000_000)
                .payload(Payload::fixed(vec![0; 1000]))
                .build()
                .map(drop),
            &["request of 1000000 records", "smaller batch"],
        ),
        (
            produce()
                .batch(1000)
                .keys(Keys::sequence())
                .header("name", vec![0; 1000])
                .max_request_bytes(1_000_000)
                .build()
                .map(drop),
            &["request of 1000 records", "1000000 are allowed"],
        ),
        (
            produce().request_timeout(Duration::ZERO).build().map(drop),
            &["request_timeout must be above zero"],
        ),
        (produce().client_id("").build().map(drop), &["client_id"]),
        (
            fetch().max_bytes(0).build().map(drop),
            &["max_bytes must be above 0"],
        ),
        (
            fetch().min_bytes(-1).build().map(drop),
            &["min_bytes must be 0 or more"],
        ),
        (
            fetch()
                .max_wait(Duration::from_secs(9999))
                .build()
                .map(drop),
            &["max_wait"],
        ),
        (
            fetch().partition(-3).build().map(drop),
            &["partition must be 0 or more", "-3"],
        ),
        (
            fetch().start(StartOffset::Offset(-2)).build().map(drop),
            &["start offset must be 0 or more", "-2"],
        ),
        (
            fetch().start(StartOffset::Timestamp(-1)).build().map(drop),
            &["start timestamp must be 0 or more"],
        ),
    ];
    for (built, parts) in refused {
        // The first line alone must do: some show no causes.
        let text = built.expect_err("it cannot be right").to_string();
        for part in parts {
            assert!(text.contains(part), "{text:?} lacks {part:?}");
        }
    }
    // And the nearest right ones can.
    produce()
        .batch(1)
        .compression(Compression::Gzip)
        .build()
        .unwrap();
    produce().payload(Payload::random(3..=3)).build().unwrap();
    fetch()
        .start(StartOffset::Offset(0))
        .partition(0)
        .build()
        .unwrap();
}

#[cfg(not(feature = "rskafka"))]
#[test]
fn a_backend_that_is_not_there_is_refused_with_the_way_out() {
    let url: karga_kafka::KafkaUrl = "kafka://localhost/orders?backend=rskafka".parse().unwrap();
    for built in [
        ProduceScenario::builder(&url).build().map(drop),
        FetchScenario::builder(&url).build().map(drop),
    ] {
        let text = chain(&built.expect_err("there is no such backend"));
        assert!(
            text.contains("enable the feature \"rskafka\" (of karga or karga-kafka)"),
            "{text}"
        );
    }
}
