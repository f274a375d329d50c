//! Records acknowledged are records in the log, also when requests are lost and late.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;
mod support;

use std::time::Duration;

use common::Broker;
use karga_core::{Count, Outcome};
use karga_kafka::{
    Keys, Partitioning, ProduceMetric, ProduceScenario, ProduceScenarioBuilder,
    client::RetryPolicy,
    config::{Acks, Connections},
};
use support::{
    drive, log_len,
    proxy::{Fault, PRODUCE, Proxy},
};

/// Sums over a run.
#[derive(Debug, Default)]
struct Totals {
    acknowledged: u64,
    unknown: u64,
    failed: u64,
    reconnects: u64,
}

fn totals(metrics: &[ProduceMetric]) -> Totals {
    let mut totals = Totals::default();
    for metric in metrics {
        totals.acknowledged += metric.messages;
        totals.unknown += metric.unknown_messages;
        totals.failed += u64::from(metric.outcome == Outcome::Failure);
        totals.reconnects += sum(&metric.counts, "reconnects");
        // The three outcomes say what the numbers say.
        match metric.outcome {
            Outcome::Success => assert_eq!((metric.unknown_messages, &metric.class), (0, &None)),
            Outcome::Unknown => assert!(metric.unknown_messages > 0, "{metric:?}"),
            _ => assert!(metric.class.is_some(), "{metric:?}"),
        }
    }
    totals
}

fn sum(counts: &[Count], name: &str) -> u64 {
    let named = counts.iter().filter(|count| count.name == name);
    named.map(|count| count.count).sum()
}

/// Runs a scenario through a proxy with this plan for produce requests, and compares what it was
/// told with what the broker has.
async fn compare(
    partitions: i32,
    plan: impl Fn(u64) -> Fault + Send + Sync + 'static,
    settings: impl Fn(ProduceScenarioBuilder) -> ProduceScenarioBuilder,
) -> (Totals, u64, Vec<ProduceMetric>) {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(partitions).await;
    let proxy = Proxy::start(&broker.endpoint().to_string(), move |api, number| {
        if api == PRODUCE {
            plan(number)
        } else {
            Fault::None
        }
    })
    .await;
    let url = format!("kafka://{}/{}", proxy.addr(), topic.name());
    let scenario = settings(ProduceScenario::builder(&url).batch(10))
        .build()
        .unwrap();
    let metrics = drive(&scenario, 4, 60).await;
    assert_eq!(metrics.len(), 60);
    let totals = totals(&metrics);
    support::in_time(proxy.at_rest()).await;
    let log = log_len(&client, &topic).await;
    assert!(totals.acknowledged <= log, "{totals:?}, {log} in the log");
    assert!(
        log <= totals.acknowledged + totals.unknown,
        "{totals:?}, {log} in the log"
    );
    (totals, log, metrics)
}

/// Every tenth answer is cut off, every tenth request is, and every tenth answer comes too late.
fn troubles(number: u64) -> Fault {
    match number % 10 {
        2 => Fault::CutAnswer,
        5 => Fault::CutRequest,
        8 => Fault::Delay(Duration::from_millis(1500)),
        _ => Fault::None,
    }
}

#[tokio::test]
async fn on_a_healthy_broker_all_is_acknowledged_and_all_is_there() {
    for (acks, partitions) in [(Acks::All, 1), (Acks::Leader, 1), (Acks::All, 6)] {
        let (totals, log, _) = compare(
            partitions,
            |_| Fault::None,
            |builder| builder.acks(acks).partition(Partitioning::RoundRobin),
        )
        .await;
        assert_eq!((totals.acknowledged, totals.unknown, log), (600, 0, 600));
    }
}

#[tokio::test]
async fn lost_and_late_answers_are_unknown_and_never_counted() {
    let pool = Connections::shared(std::num::NonZeroUsize::new(2).unwrap());
    for connections in [Connections::PerWorker, pool] {
        let (totals, log, metrics) = compare(1, troubles, |builder| {
            builder
                .connections(connections)
                .request_timeout(Duration::from_millis(700))
                .connect_timeout(Duration::from_secs(20))
        })
        .await;
        assert!(totals.acknowledged > 0, "{totals:?}");
        // The plan has cut answers whose records are there, and requests whose records are not.
        assert!(totals.acknowledged < log, "{totals:?}, {log}");
        assert!(
            log < totals.acknowledged + totals.unknown,
            "{totals:?}, {log}"
        );
        assert!(totals.reconnects > 0, "{totals:?}");
        let classes: std::collections::BTreeSet<_> = metrics
            .iter()
            .filter_map(|metric| metric.class.as_deref())
            .collect();
        assert!(classes.contains("timeout"), "{classes:?}");
        assert!(classes.contains("connection closed"), "{classes:?}");
    }
}

#[tokio::test]
async fn requests_to_many_partitions_are_counted_by_partition() {
    let (totals, log, _) = compare(6, troubles, |builder| {
        builder
            .keys(Keys::sequence())
            .request_timeout(Duration::from_millis(700))
            .connect_timeout(Duration::from_secs(20))
    })
    .await;
    assert!(
        totals.acknowledged > 0 && totals.acknowledged < log,
        "{totals:?}, {log}"
    );
    assert!(
        log < totals.acknowledged + totals.unknown,
        "{totals:?}, {log}"
    );
}

#[tokio::test]
async fn retries_never_write_twice_what_was_acknowledged_once() {
    let (totals, log, metrics) = compare(1, troubles, |builder| {
        builder
            .retry(RetryPolicy::up_to(5).backoff(Duration::from_millis(1)))
            .request_timeout(Duration::from_millis(700))
            .connect_timeout(Duration::from_secs(20))
    })
    .await;
    // Answers that were lost stay unknown: sending again could write the records twice.
    assert!(
        totals.unknown > 0 && totals.acknowledged < log,
        "{totals:?}, {log}"
    );
    assert_eq!(
        metrics
            .iter()
            .map(|m| m.messages + m.unknown_messages)
            .sum::<u64>(),
        600 - 10 * totals.failed
    );
}

#[tokio::test]
async fn a_broker_that_dies_under_load_fails_every_iteration_in_time() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let proxy = Proxy::start(&broker.endpoint().to_string(), |_, _| Fault::None).await;
    let url = format!("kafka://{}/{}", proxy.addr(), topic.name());
    let scenario = ProduceScenario::builder(&url)
        .batch(10)
        .request_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    use karga_core::{Action as _, Iteration, Scenario as _};
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    let call =
        async |index| support::in_time(user.call(Iteration::new(index, 0, Duration::ZERO))).await;
    assert_eq!(call(0).await.messages, 10);
    drop(proxy); // the listener and every connection
    tokio::time::timeout(Duration::from_secs(10), async {
        for index in 1..20 {
            let metric = call(index).await;
            assert_ne!(metric.outcome, Outcome::Success, "{metric:?}");
            assert!(metric.class.is_some() && metric.messages == 0, "{metric:?}");
        }
    })
    .await
    .expect("iterations on a dead broker end at once");
    assert_eq!(log_len(&client, &topic).await, 10);
}
