//! What the tests of the scenarios share: running them without an executor, and looking at what
//! the broker then has.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its own part"
)]

pub mod proxy;

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga_core::{Action as _, Iteration, MetricOf, Scenario};
use karga_kafka::{
    FetchMetric, FetchScenario, KafkaUrl,
    client::{Client, OffsetSpec, Topic},
    config::Isolation,
};

/// What no single step of a test may take longer than.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `iterations` of a scenario on `users` users side by side, as an executor would.
pub async fn drive<S>(scenario: &S, users: u64, iterations: u64) -> Vec<MetricOf<S>>
where
    S: Scenario,
{
    scenario.setup().await.expect("setup");
    let metrics = drive_ready(scenario, users, 0..iterations).await;
    scenario.teardown().await.expect("teardown");
    metrics
}

/// As [`drive`], without setup and teardown.
pub async fn drive_ready<S: Scenario>(
    scenario: &S,
    users: u64,
    iterations: std::ops::Range<u64>,
) -> Vec<MetricOf<S>> {
    let next = Arc::new(AtomicU64::new(iterations.start));
    let metrics = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for user in 0..users {
        let action = scenario.connect(user).await.expect("connect");
        let (next, metrics) = (Arc::clone(&next), Arc::clone(&metrics));
        tasks.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= iterations.end {
                    return;
                }
                let iteration = Iteration::new(index, user, Duration::ZERO);
                let metric = in_time(action.call(iteration)).await;
                metrics.lock().unwrap().push(metric);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no iteration panics");
    }
    Arc::into_inner(metrics).unwrap().into_inner().unwrap()
}

/// A future's result, which must come.
pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("something hangs")
}

/// One record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp: i64,
}

/// What a [`recorder`] has seen so far.
pub type Seens = Arc<Mutex<Vec<Seen>>>;

/// A hook for `on_record` and where it puts what it sees.
pub fn recorder() -> (
    impl Fn(i32, &karga_kafka::records::FetchedRecord<'_>) + Send + Sync + 'static,
    Seens,
) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    let hook = move |partition: i32, record: &karga_kafka::records::FetchedRecord<'_>| {
        let headers = record.headers().map(|header| {
            let header = header.expect("a header's name is text");
            (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
        });
        into.lock().unwrap().push(Seen {
            partition,
            offset: record.offset(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: headers.collect(),
            timestamp: record.timestamp(),
        });
    };
    (hook, seen)
}

/// Fetches with one user until nothing is left to read.
pub async fn drain(scenario: &FetchScenario) -> Vec<FetchMetric> {
    scenario.setup().await.expect("setup");
    let user = scenario.connect(0).await.expect("connect");
    let metrics = in_time(async {
        let mut metrics = Vec::new();
        loop {
            let index = metrics.len() as u64;
            let metric = user.call(Iteration::new(index, 0, Duration::ZERO)).await;
            let more = metric.lag > 0;
            metrics.push(metric);
            if !more {
                return metrics;
            }
        }
    })
    .await;
    scenario.teardown().await.expect("teardown");
    metrics
}

/// All records of a topic, by partition and offset.
pub async fn read_all(url: &KafkaUrl) -> Vec<Seen> {
    let (hook, seen) = recorder();
    let scenario = FetchScenario::builder(url)
        .max_wait(Duration::from_millis(50))
        .on_record(hook)
        .build()
        .unwrap();
    for metric in drain(&scenario).await {
        assert_eq!(metric.class, None);
    }
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    seen
}

/// Records in the log by the broker's own account: end offsets less start offsets.
pub async fn log_len(client: &Client, topic: &Topic) -> u64 {
    let partitions: Vec<i32> = (0..topic.partitions() as i32).collect();
    let session = client.exclusive_session();
    let mut total = 0;
    for (spec, sign) in [(OffsetSpec::Latest, 1), (OffsetSpec::Earliest, -1)] {
        let isolation = Isolation::ReadUncommitted;
        let listed = session
            .list_offsets(topic, &partitions, spec, isolation)
            .await
            .expect("the broker lists offsets");
        total += listed.iter().map(|one| sign * one.offset).sum::<i64>();
    }
    u64::try_from(total).expect("an end is not before its start")
}
