//! One user who produces.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use karga_core::{Action, FirstErrors, Iteration, Outcome, error_chain};

use super::{
    Plan, ProduceMetric,
    recipe::{Desk, Groups},
};
use crate::{
    backend::{
        Ack, Fault, Order, Places,
        native::{NativeProducer, is_worse, now_millis},
        tally::Tally,
    },
    client::Topic,
    error::TOO_LARGE_WAY_OUT,
    error_codes::ErrorCode,
};

/// One virtual user of a [`ProduceScenario`](crate::ProduceScenario).
#[derive(Debug)]
pub struct ProduceUser {
    plan: Arc<Plan>,
    topic: Topic,
    route: Route,
    tally: Arc<Tally>,
    firsts: Arc<FirstErrors>,
    desk: Mutex<Desk>,
}

/// What carries the requests.
#[derive(Debug)]
pub(crate) enum Route {
    Native(NativeProducer),
    #[cfg(feature = "rskafka")]
    Rskafka(crate::backend::rskafka::RskafkaProducer),
}

impl ProduceUser {
    pub(super) fn new(
        plan: Arc<Plan>,
        topic: Topic,
        route: Route,
        tally: Arc<Tally>,
        firsts: Arc<FirstErrors>,
    ) -> Self {
        Self {
            plan,
            topic,
            route,
            tally,
            firsts,
            desk: Mutex::default(),
        }
    }

    async fn produce(&self, index: u64) -> ProduceMetric {
        let recipe = &self.plan.recipe;
        let timestamp = now_millis();
        let partitions = self.topic.partitions() as u32; // a count of 32 bits on the wire
        let mut metric = ProduceMetric::new();
        let order = |partition, places| Order {
            recipe,
            desk: &self.desk,
            index,
            places,
            partition,
            timestamp,
        };
        if let Some(partition) = recipe.one_partition(index, partitions) {
            let order = order(partition, Places::All(recipe.batch));
            let sent = self.send(&order).await;
            self.settle(&mut metric, &order, sent);
        } else {
            let mut groups = Groups::default();
            {
                let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
                recipe.group(&mut desk, index, partitions, &mut groups);
            }
            let orders: Vec<_> = groups
                .iter()
                .map(|(partition, places)| order(partition, Places::Some(places)))
                .collect();
            self.send_all(&orders, &mut metric).await;
        }
        self.tally.take(&mut metric.counts);
        metric
    }

    async fn send(&self, order: &Order<'_>) -> Result<Ack, Fault> {
        match &self.route {
            Route::Native(native) => native.send(order).await,
            #[cfg(feature = "rskafka")]
            Route::Rskafka(rskafka) => rskafka.send(order).await,
        }
    }

    async fn send_all(&self, orders: &[Order<'_>], metric: &mut ProduceMetric) {
        match &self.route {
            Route::Native(native) if orders.len() > 1 => {
                for (order, sent) in orders.iter().zip(native.send_group(orders).await) {
                    self.settle(metric, order, sent);
                }
            }
            _ => {
                for order in orders {
                    let sent = self.send(order).await;
                    self.settle(metric, order, sent);
                }
            }
        }
    }

    /// Takes what became of one batch into the metric.
    fn settle(&self, metric: &mut ProduceMetric, order: &Order<'_>, sent: Result<Ack, Fault>) {
        let records = u64::from(order.places.len());
        match sent {
            Ok(ack) => {
                metric.messages += records;
                metric.bytes_sent += ack.bytes as u64;
                metric.partition = Some(order.partition);
                metric.base_offset = ack.base_offset;
            }
            Err(fault) => {
                self.firsts.note(&fault.class, || words(order, &fault));
                metric.bytes_sent += fault.bytes as u64;
                if fault.outcome == Outcome::Unknown {
                    metric.unknown_messages += records;
                }
                if is_worse(metric.outcome, fault.outcome) {
                    metric.outcome = fault.outcome;
                    metric.class = Some(fault.class);
                }
            }
        }
    }
}

/// A fault in full. Where a batch was too large, how large it was, and the way out.
fn words(order: &Order<'_>, fault: &Fault) -> String {
    let mut words = error_chain(fault.why.as_ref());
    if fault.class == ErrorCode::MESSAGE_TOO_LARGE.name() {
        if !words.contains(TOO_LARGE_WAY_OUT) {
            words = format!("{words}: {TOO_LARGE_WAY_OUT}");
        }
        let (records, bytes) = (order.places.len(), fault.bytes);
        let noun = if records == 1 { "record" } else { "records" };
        words = format!("a batch of {records} {noun} had {bytes} bytes: {words}");
    }
    words
}

impl Action for ProduceUser {
    type Metric = ProduceMetric;

    fn call(&self, iteration: Iteration) -> impl Future<Output = ProduceMetric> + Send {
        self.produce(iteration.index)
    }
}
