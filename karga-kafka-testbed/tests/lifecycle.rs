//! Starting, refusing to start, and being gone afterwards.

mod support;

use std::{error::Error as _, io, net::TcpListener};

use karga_kafka_testbed::{BrokerError, EmbeddedBroker};
use support::{Client, batch, fetch_request};

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_dropped_broker_closes_its_connections_and_its_port() {
    let broker = assert_send(assert_send(EmbeddedBroker::start()).await.unwrap());
    broker.create_topic("orders", 1).unwrap();
    let address = broker.addr();
    let mut idle = Client::connect(address).await;
    let mut waiting = Client::connect(address).await;
    let mut patient = fetch_request("orders", 0, 0);
    patient.max_wait_ms = i32::MAX;
    patient.min_bytes = 1;
    waiting.send(&patient, 12).await;
    // Both are connected for certain once a third is served.
    let mut third = Client::connect(address).await;
    third.produce("nowhere", 0, &batch(&[b"a"])).await;

    drop(broker);
    assert!(idle.frame().await.is_none());
    assert!(waiting.frame().await.is_none());
    assert!(third.frame().await.is_none());
    // Nobody listens any more: the port can be taken at once.
    TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let broker = EmbeddedBroker::start().await.unwrap();
    let mut first = Client::connect(broker.addr()).await;
    first.produce("nowhere", 0, &batch(&[b"a"])).await;
    let stats = broker.stats();
    assert_eq!(
        (stats.connections, stats.open_connections, stats.requests),
        (1, 1, 1)
    );
    drop(first);
    let mut second = Client::connect(broker.addr()).await;
    loop {
        second.produce("nowhere", 0, &batch(&[b"a"])).await;
        let stats = broker.stats();
        assert_eq!(stats.connections, 2);
        if stats.open_connections == 1 {
            break;
        }
    }
}

#[tokio::test]
async fn two_brokers_know_nothing_of_each_other() {
    let (one, two) = (
        EmbeddedBroker::start().await.unwrap(),
        EmbeddedBroker::start().await.unwrap(),
    );
    one.create_topic("orders", 1).unwrap();
    assert_ne!(one.addr(), two.addr());
    assert!(two.offsets("orders").is_err());
    let port = one.addr().port();
    assert_eq!(
        one.url("orders"),
        format!("kafka://127.0.0.1:{port}/orders")
    );
    assert_eq!(one.bootstrap(), format!("127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = EmbeddedBroker::builder()
        .port(port)
        .start()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
    let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_host_that_is_none_is_named() {
    let error = EmbeddedBroker::builder()
        .host("not a host")
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, BrokerError::Listen { .. }));
    assert!(error.to_string().contains("not a host:0"), "{error}");
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_by_name() {
    let builders = [
        (EmbeddedBroker::builder().partitions(0), "partitions"),
        (EmbeddedBroker::builder().partitions(-1), "partitions"),
        (
            EmbeddedBroker::builder().max_message_bytes(0),
            "max_message_bytes",
        ),
        (
            EmbeddedBroker::builder().max_frame_bytes(0),
            "max_frame_bytes",
        ),
    ];
    for (builder, setting) in builders {
        let error = builder.start().await.unwrap_err();
        assert!(error.to_string().contains(setting), "{error}");
    }
}

#[tokio::test]
async fn topics_that_cannot_be_are_refused_with_a_reason() {
    let broker = EmbeddedBroker::start().await.unwrap();
    broker.create_topic("orders", 1).unwrap();
    for (name, partitions, why) in [
        ("orders", 1, "exists already"),
        ("", 1, "empty"),
        ("a b", 1, "\"a b\""),
        ("zero", 0, "at least 1"),
        ("many", i32::MAX, "2147483647"),
    ] {
        let error = broker.create_topic(name, partitions).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let error = broker.offsets("nowhere").unwrap_err();
    assert!(error.to_string().contains("\"nowhere\""), "{error}");
}
