//! Bytes from hell: the connection is closed, the broker lives on, and nothing large is allocated.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ResponseHeader};
use kafka_protocol::protocol::Decodable as _;
use karga_kafka_testbed::EmbeddedBroker;
use proptest::prelude::*;
use support::{Client, batch, raw_frame};

/// Notes the largest piece of memory that anything in this process asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; it only passes on"
)]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// More than anything here needs, and far less than what the frames claim.
const LARGE: usize = 16 * 1024 * 1024;

/// The apis that the broker answers, with their newest versions.
const APIS: [(ApiKey, i16); 12] = [
    (ApiKey::Produce, 13),
    (ApiKey::Fetch, 17),
    (ApiKey::ListOffsets, 10),
    (ApiKey::Metadata, 13),
    (ApiKey::FindCoordinator, 6),
    (ApiKey::ApiVersions, 4),
    (ApiKey::CreateTopics, 7),
    (ApiKey::DeleteTopics, 6),
    (ApiKey::InitProducerId, 5),
    (ApiKey::DescribeConfigs, 4),
    (ApiKey::DescribeCluster, 2),
    (ApiKey::DescribeTopicPartitions, 0),
];

/// Sends bytes on a connection of their own and waits until the broker has dealt with them: it
/// answers or closes once no more can come.
async fn throw(broker: &EmbeddedBroker, bytes: &[u8]) {
    let mut client = Client::connect(broker.addr()).await;
    client.raw(bytes).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await;
    while client.frame_or_garbage().await.is_some() {}
}

/// The broker does its work as ever, and has allocated nothing large.
async fn unharmed(broker: &EmbeddedBroker) {
    let mut client = Client::connect(broker.addr()).await;
    let end = broker.offsets("orders").unwrap()[0].end;
    assert_eq!(
        client.produce("orders", 0, &batch(&[b"on"])).await.offset(),
        end
    );
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < LARGE, "something allocated {largest} bytes");
}

async fn broker() -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().await.unwrap();
    broker.create_topic("orders", 1).unwrap();
    broker
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[tokio::test]
async fn a_frame_that_is_no_frame_closes_the_connection() {
    let broker = broker().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &(-1i32).to_be_bytes(),
        &i32::MIN.to_be_bytes(),
        &i32::MAX.to_be_bytes(),
        &[0, 0, 0, 0],
        &[0, 0, 0, 7, 0, 3, 0, 0, 0, 0, 0],
    ] {
        let before = broker.stats().refused_connections;
        let mut client = Client::connect(broker.addr()).await;
        client.raw(bytes).await;
        assert!(client.frame().await.is_none(), "{bytes:?}");
        // Counted before the socket is closed, and so before we have seen that.
        assert_eq!(broker.stats().refused_connections, before + 1, "{bytes:?}");
    }
    unharmed(&broker).await;
}

#[tokio::test]
async fn unsupported_requests_close_the_connection() {
    let broker = broker().await;
    for (api, version) in [
        (ApiKey::JoinGroup, 0),
        (ApiKey::SaslHandshake, 1),
        (ApiKey::Produce, 2),
        (ApiKey::Fetch, 3),
        (ApiKey::Metadata, -1),
        (ApiKey::Metadata, 100),
        (ApiKey::Metadata, i16::MIN),
    ] {
        let mut client = Client::connect(broker.addr()).await;
        let mut frame = raw_frame(api, 0, &[0; 20]);
        frame[6..8].copy_from_slice(&version.to_be_bytes());
        client.raw(&frame).await;
        assert!(client.frame().await.is_none(), "{api:?} {version}");
    }
    unharmed(&broker).await;
}

#[tokio::test]
async fn api_versions_from_the_future_are_answered_so_that_the_client_can_ask_again() {
    let broker = broker().await;
    let mut client = Client::connect(broker.addr()).await;
    let mut frame = raw_frame(ApiKey::ApiVersions, 3, b"whatever that version may have");
    frame[6..8].copy_from_slice(&99i16.to_be_bytes());
    client.raw(&frame).await;
    let mut answer = client.frame().await.unwrap();
    ResponseHeader::decode(&mut answer, 0).unwrap();
    let answer = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(answer.error_code, 35);
    let own = answer
        .api_keys
        .iter()
        .find(|api| api.api_key == ApiKey::ApiVersions as i16);
    assert_eq!(own.unwrap().max_version, 4);
    // And it can, on the same connection. Its header is version 0 in every version.
    for version in 0..=4 {
        let request = if version < 3 {
            ApiVersionsRequest::default()
        } else {
            ApiVersionsRequest::default().with_client_software_name("test".into())
        };
        let answer = client.call(&request, version).await;
        assert_eq!((answer.error_code, answer.api_keys.len()), (0, 12));
    }
}

#[tokio::test]
async fn claimed_counts_and_lengths_cost_nothing() {
    let broker = broker().await;
    let claims: [&[u8]; 8] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff],
        &[0x80, 0],
        &[0xff, 0xff, 0xff, 0x7f],
    ];
    for (api, newest) in APIS {
        for version in 0..=newest {
            for claim in claims {
                // Where a count or a length may stand; version by version, every place has its turn.
                for at in [0, 4, 8, 16].map(|at| at + usize::from(version.unsigned_abs()) % 4) {
                    let mut body = [1; 40];
                    body[at + claim.len()..].fill(0);
                    body[at..at + claim.len()].copy_from_slice(claim);
                    throw(&broker, &raw_frame(api, version, &body)).await;
                }
            }
        }
    }
    unharmed(&broker).await;
}

#[test]
fn random_and_damaged_requests_are_survived() {
    let broker = block_on(broker());
    let strategy = (
        prop::sample::select(&APIS[..]),
        any::<prop::sample::Index>(),
        prop::collection::vec(prop_oneof![Just(0u8), 0u8..8, any::<u8>()], 0..120),
        prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        prop::option::of(any::<prop::sample::Index>()),
    );
    let config = ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..Default::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |((api, newest), version, body, damage, cut)| {
            let version = version.index(usize::from(newest.unsigned_abs()) + 1);
            let mut frame = raw_frame(api, i16::try_from(version).unwrap(), &body);
            if let Some((at, byte)) = damage {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            block_on(throw(&broker, &frame));
            Ok(())
        })
        .unwrap();
    block_on(unharmed(&broker));
}

#[tokio::test]
async fn a_frame_over_the_limit_closes_the_connection_and_one_at_it_does_not() {
    let broker = EmbeddedBroker::builder()
        .max_frame_bytes(1_000)
        .start()
        .await
        .unwrap();
    broker.create_topic("orders", 1).unwrap();
    let fits = raw_frame(ApiKey::ApiVersions, 0, &vec![0; 1_000 - 14]);
    assert_eq!(fits.len(), 1_004);
    let mut client = Client::connect(broker.addr()).await;
    client.raw(&fits).await;
    assert!(client.frame().await.is_some());
    client
        .raw(&raw_frame(ApiKey::ApiVersions, 0, &vec![0; 1_000 - 13]))
        .await;
    assert!(client.frame().await.is_none());
}
