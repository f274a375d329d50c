//! The published crate of the same name, over one reqwest client as its example has it.
//!
//! It wakes its workers before they listen: those that come late wait for ever, and on one core
//! nearly always all of them do. So its own log, which says when it is about to wake them, holds it
//! up for a moment here: it is measured as if it had no such fault.

use std::{
    fmt::Debug,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use karga_published::{
    Executor, Scenario,
    aggregate::BasicAggregate,
    executor::{Stage, StageExecutor},
    metric::BasicMetric,
};
use tokio::{runtime::Builder, time};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{
    bare::{Client, reqwest_client::ReqwestClient},
    load::{Done, Load},
};

pub(crate) fn run(load: &Load) -> Result<Done> {
    // With the workers on the thread that wakes them, none would listen by then.
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    tracing::subscriber::set_global_default(HeldUp)?;
    let client = ReqwestClient::new(&load.url).map_err(anyhow::Error::from_boxed)?;
    let action = move || {
        let mut client = client.clone();
        async move {
            let start = Instant::now();
            let success = matches!(client.get().await, Ok(200));
            BasicMetric {
                latency: start.elapsed(),
                success,
                bytes: 0,
            }
        }
    };
    let scenario: Scenario<BasicAggregate, _, _> =
        Scenario::builder().name("http").action(action).build();
    // It has no closed model: more tokens than its workers can ever take are the same.
    let rate = load.rate.map_or(1e9, f64::from);
    let executor = StageExecutor::builder()
        .stages(vec![
            Stage::new(Duration::ZERO, rate),
            Stage::new(load.duration(), rate),
        ])
        .workers(load.connections as usize)
        .build();
    let patience = load.duration() * 2 + HOLD_UP;
    let sums = runtime
        .block_on(async { time::timeout(patience, executor.exec(&scenario)).await })
        .context("karga 0.4 never ended")?
        .map_err(|error| anyhow!("karga 0.4: {error}"))?;
    let begun = BEGUN.get().context("karga 0.4 never said that it ran")?;
    Ok(Done {
        requests: sums.success_count as u64,
        failed: (sums.count - sums.success_count) as u64,
        seconds: begun.elapsed().as_secs_f64(),
        percentiles: None,
    })
}

/// Ample for 32 workers to come to where they listen.
const HOLD_UP: Duration = Duration::from_millis(100);

/// When its workers were woken.
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// A log that writes nothing and takes its time over one line.
struct HeldUp;

impl Subscriber for HeldUp {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("karga::executor")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line;

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" && format!("{value:?}").starts_with("Running scenario") {
            thread::sleep(HOLD_UP);
            BEGUN.get_or_init(Instant::now);
        }
    }
}
