//! Whole load tests: what the summary says is what the broker has.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod common;
mod support;

use std::time::Duration;

use common::Broker;
use karga_core::{Executor as _, Report as _, schedule::Stage};
use karga_executors::StageExecutor;
use karga_kafka::{FetchScenario, Keys, Payload, ProduceScenario};
use karga_stats::{HistogramAggregate, ScenarioSummary, Summary};
use support::{
    log_len,
    proxy::{Fault, PRODUCE, Proxy},
};

fn executor(rate: f64, workers: u64) -> StageExecutor {
    let ramp = Duration::from_millis(300);
    StageExecutor::builder()
        .stages([
            Stage::new(ramp, rate),
            Stage::new(Duration::from_secs(1), rate),
            Stage::new(ramp, 0.0),
        ])
        .workers(workers)
        .graceful_stop(Duration::from_secs(30))
        .build()
        .unwrap()
}

async fn run<S>(scenario: &S, executor: &StageExecutor) -> ScenarioSummary
where
    S: karga_core::Scenario,
    StageExecutor: karga_core::Executor<S>,
{
    let aggregate = HistogramAggregate::default();
    let run = executor.execute(scenario, aggregate, &mut ()).await;
    let mut summary = Summary::derive(&run.expect("a run"));
    let one = summary.scenarios.pop().expect("a scenario");
    assert_eq!(one.planned, one.completed + one.dropped + one.interrupted);
    one
}

#[tokio::test]
async fn producers_and_consumers_side_by_side_agree_with_the_log() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(4).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let produce = ProduceScenario::builder(&url)
        .batch(10)
        .payload(Payload::random(50..=150))
        .keys(Keys::zipf(100, 1.0).unwrap())
        .build()
        .unwrap();
    let fetch = FetchScenario::builder(&url)
        .max_wait(Duration::from_millis(5))
        .build()
        .unwrap();
    let (producers, consumers) = (executor(300.0, 8), executor(100.0, 2));
    let (produced, fetched) = tokio::join!(run(&produce, &producers), run(&fetch, &consumers));
    assert!(produced.planned > 300, "{}", produced.planned);
    assert_eq!(produced.succeeded, produced.planned);
    let log = log_len(&client, &topic).await;
    assert_eq!(produced.messages, log);
    assert_eq!(produced.messages, produced.succeeded * 10);

    // What the consumers had not read when their load ended is what they lagged behind.
    assert_eq!(
        (fetched.failed, fetched.unknown),
        (0, 0),
        "{:?}",
        fetched.errors
    );
    assert!(fetched.messages > 0 && fetched.messages <= log);
    let rest = FetchScenario::builder(&url).build().unwrap();
    let rest = support::drain(&rest).await;
    assert_eq!(rest.iter().map(|metric| metric.messages).sum::<u64>(), log);
}

#[tokio::test]
async fn under_trouble_the_log_lies_between_the_known_and_the_possible() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(1).await;
    let proxy = Proxy::start(&broker.endpoint().to_string(), |api, number| {
        match (api, number % 20) {
            (PRODUCE, 3) => Fault::CutAnswer,
            (PRODUCE, 9) => Fault::CutRequest,
            (PRODUCE, 15) => Fault::Delay(Duration::from_millis(900)),
            _ => Fault::None,
        }
    })
    .await;
    let url = format!("kafka://{}/{}", proxy.addr(), topic.name());
    let produce = ProduceScenario::builder(&url)
        .batch(10)
        .connect_timeout(Duration::from_secs(20))
        .request_timeout(Duration::from_millis(400))
        .build()
        .unwrap();
    let produced = run(&produce, &executor(200.0, 16)).await;
    assert_eq!(produced.interrupted, 0);
    support::in_time(proxy.at_rest()).await;
    let log = log_len(&client, &topic).await;
    // One partition, so an iteration is one batch, wholly there or not.
    assert!(produced.messages < log, "{} {log}", produced.messages);
    assert!(
        log < produced.messages + produced.unknown * 10,
        "{log} {produced:?}"
    );
    let class = |name| produced.errors.iter().any(|error| error.class == name);
    assert!(
        class("timeout") && class("connection closed"),
        "{:?}",
        produced.errors
    );
    assert!(
        produced
            .counts
            .iter()
            .any(|count| count.name == "reconnects")
    );
}

#[tokio::test]
async fn a_payload_that_panics_fails_its_own_iteration_only() {
    let broker = Broker::start().await;
    let (client, topic) = broker.topic(2).await;
    let url = format!("kafka://{}/{}", broker.endpoint(), topic.name());
    let payload = Payload::from_fn(|seat, out| {
        assert!(
            seat.index % 3 != 2 || seat.place != 4,
            "every third iteration"
        );
        out.extend_from_slice(b"value");
    });
    let produce = ProduceScenario::builder(&url)
        .batch(10)
        .payload(payload)
        .build()
        .unwrap();
    let produced = run(&produce, &executor(200.0, 4)).await;
    assert_eq!(produced.completed, produced.planned);
    assert_eq!(produced.failed, produced.planned / 3);
    assert!(
        produced.errors.iter().all(|error| error.class == "panic"),
        "{:?}",
        produced.errors
    );
    assert_eq!(produced.messages, produced.succeeded * 10);
    assert_eq!(log_len(&client, &topic).await, produced.messages);
}
