//! karga's own scenarios at each of the benchmarks' tasks, by their public API.

use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use karga::core::{Action, Iteration, Metric, Outcome, Scenario};
use karga::kafka::{FetchScenario, Payload, ProduceScenario, ProduceUser};
use tokio::task::LocalSet;

use super::{Row, Watch};

/// How the tables call it.
pub const NAME: &str = "karga";

/// A scenario whose every request holds `count` records of `size` random bytes for partition 0:
/// kafka-producer-perf-test makes its payloads afresh as well.
fn scenario(url: &str, count: usize, size: usize) -> Result<ProduceScenario, Box<dyn Error>> {
    Ok(ProduceScenario::builder(url)
        .batch(count)
        .payload(Payload::random(size))
        .build()?)
}

/// One worker with a connection of its own.
pub struct One {
    user: ProduceUser,
    next: u64,
}

impl One {
    /// Connects.
    pub async fn connect(
        address: &str,
        topic: &str,
        count: usize,
        size: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let url = format!("kafka://{address}/{topic}");
        let user = scenario(&url, count, size)?.connect(0).await?;
        Ok(Self { user, next: 0 })
    }

    /// One request, answered.
    pub async fn produce_one(&mut self) -> Result<(), Box<dyn Error>> {
        let iteration = Iteration::new(self.next, 0, Duration::ZERO);
        self.next += 1;
        succeeded(&self.user.call(iteration).await)
    }
}

/// Sends `requests` of `count` records of `size` bytes with `in_flight` workers, each on a
/// connection of its own, as scenarios do unless told otherwise.
pub async fn produce(
    address: &str,
    topic: &str,
    bench: &'static str,
    [requests, count, size, in_flight]: [usize; 4],
) -> Result<Row, Box<dyn Error>> {
    let url = format!("kafka://{address}/{topic}");
    let scenario = scenario(&url, count, size)?;
    let mut users = Vec::new();
    for user in 0..in_flight {
        users.push(scenario.connect(user as u64).await?);
    }
    let next = Rc::new(std::cell::Cell::new(0));
    let mut watch = Watch::start(requests);
    let tasks = LocalSet::new();
    let workers: Vec<_> = users
        .into_iter()
        .map(|user| {
            let next = Rc::clone(&next);
            tasks.spawn_local(async move {
                let mut times = Vec::with_capacity(requests);
                while next.get() < requests as u64 {
                    let iteration = Iteration::new(next.get(), 0, Duration::ZERO);
                    next.set(next.get() + 1);
                    let begun = Instant::now();
                    let metric = user.call(iteration).await;
                    times.push(begun.elapsed());
                    succeeded(&metric).map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(times)
            })
        })
        .collect();
    tasks.await;
    for worker in workers {
        watch.requests(worker.await??);
    }
    Ok(watch.stop(bench, NAME, (requests * count) as u64))
}

/// Reads the topic from its beginning to its end over one connection, every record parsed and its
/// batch's checksum compared.
pub async fn fetch(
    address: &str,
    topic: &str,
    bench: &'static str,
    max_bytes: i32,
) -> Result<Row, Box<dyn Error>> {
    let url = format!("kafka://{address}/{topic}");
    let scenario = FetchScenario::builder(url.as_str())
        .max_bytes(max_bytes)
        .build()?;
    let user = scenario.connect(0).await?;
    let mut watch = Watch::start(1 << 16);
    let mut messages = 0;
    for index in 0.. {
        let begun = Instant::now();
        let metric = user.call(Iteration::new(index, 0, Duration::ZERO)).await;
        watch.request(begun);
        succeeded(&metric)?;
        messages += metric.volume().messages;
        if metric.lag() == Some(0) {
            break;
        }
    }
    Ok(watch.stop(bench, NAME, messages))
}

/// A benchmark of failures would be fast and mean nothing.
fn succeeded(metric: &impl Metric) -> Result<(), Box<dyn Error>> {
    match metric.outcome() {
        Outcome::Success => Ok(()),
        outcome => Err(format!("{outcome:?}: {:?}", metric.error_class()).into()),
    }
}
