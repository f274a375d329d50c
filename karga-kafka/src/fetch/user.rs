//! One user who fetches.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use karga_core::{Action, FirstErrors, Iteration, Outcome, error_chain};

use super::{
    FetchMetric, Plan,
    reading::Reader,
    shares::{Claim, Shares},
};
use crate::{
    Error, ErrorCode,
    backend::tally::Tally,
    client::{FetchedPartition, ListedOffset, OffsetSpec, Position, Session, Topic},
    config::Isolation,
    records::Decompressor,
    wire::versions::Api,
};

/// One virtual user of a [`FetchScenario`](crate::FetchScenario).
pub struct FetchUser {
    plan: Arc<Plan>,
    topic: Topic,
    session: Session,
    route: Route,
    tally: Arc<Tally>,
    firsts: Arc<FirstErrors>,
    shares: Arc<Shares>,
    /// How many users there are.
    users: Arc<AtomicUsize>,
    decompressor: Mutex<Decompressor>,
}

/// What carries the fetches.
#[derive(Debug)]
pub(crate) enum Route {
    Native,
    #[cfg(feature = "rskafka")]
    Rskafka(crate::backend::rskafka::RskafkaFetcher),
}

impl FetchUser {
    pub(super) fn new(
        plan: Arc<Plan>,
        topic: Topic,
        session: Session,
        route: Route,
        tally: Arc<Tally>,
        firsts: Arc<FirstErrors>,
        (shares, users): (Arc<Shares>, Arc<AtomicUsize>),
    ) -> Self {
        Self {
            plan,
            topic,
            session,
            route,
            tally,
            firsts,
            shares,
            users,
            decompressor: Mutex::default(),
        }
    }

    async fn fetch(&self) -> FetchMetric {
        let mut metric = FetchMetric::new();
        let share = self.shares.len().div_ceil(self.users.load(Relaxed).max(1));
        let share = match &self.route {
            Route::Native => share,
            #[cfg(feature = "rskafka")]
            Route::Rskafka(_) => 1, // it has no fetch of several partitions
        };
        let leader = |partition| self.topic.leader(partition);
        let mut claim = self.shares.claim(share, leader).await;
        match &self.route {
            Route::Native => self.fetch_claimed(&mut claim, &mut metric).await,
            #[cfg(feature = "rskafka")]
            Route::Rskafka(rskafka) => {
                self.fetch_by_rskafka(rskafka, &mut claim, &mut metric)
                    .await;
            }
        }
        drop(claim);
        metric.lag = self.shares.lag();
        self.tally.take(&mut metric.counts);
        metric
    }

    async fn fetch_claimed(&self, claim: &mut Claim<'_>, metric: &mut FetchMetric) {
        let positions: Vec<Position> = claim
            .slots()
            .map(|slot| Position::new(slot.partition, slot.position))
            .collect();
        let settings = &self.plan.settings;
        match self.session.fetch(&self.topic, &positions, settings).await {
            Ok(fetched) => {
                for one in &fetched.partitions {
                    match one.error {
                        None => self.read(one, claim, metric),
                        Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                            self.reset(&[one.index], claim, metric).await;
                        }
                        Some(code) => self.fault(
                            metric,
                            &Error::Broker {
                                request: Api::Fetch,
                                target: format!("{}-{}", self.topic.name(), one.index),
                                code,
                                message: None,
                            },
                        ),
                    }
                }
            }
            // All of them have an error, and the first one's is this.
            Err(error) if error.code() == Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                let all: Vec<i32> = positions.iter().map(|one| one.partition).collect();
                self.reset(&all, claim, metric).await;
            }
            Err(error) => self.fault(metric, &error),
        }
    }

    #[cfg(feature = "rskafka")]
    async fn fetch_by_rskafka(
        &self,
        rskafka: &crate::backend::rskafka::RskafkaFetcher,
        claim: &mut Claim<'_>,
        metric: &mut FetchMetric,
    ) {
        let slots: Vec<_> = claim.slots().collect();
        for slot in slots {
            let settings = &self.plan.settings;
            let fetched = rskafka.fetch(slot.partition, slot.position, settings).await;
            match fetched {
                Ok((records, high_watermark)) => {
                    metric.messages += records.len() as u64;
                    let sizes = records.iter().map(|one| one.record.approximate_size());
                    metric.bytes_received += sizes.sum::<usize>() as u64;
                    let next = records.last().map_or(slot.position, |last| last.offset + 1);
                    claim.update(slot.partition, |slot| {
                        slot.position = next;
                        slot.high_watermark = high_watermark.max(next);
                    });
                }
                Err(fault) if fault.class == ErrorCode::OFFSET_OUT_OF_RANGE.name() => {
                    self.reset(&[slot.partition], claim, metric).await;
                }
                Err(fault) => {
                    self.firsts
                        .note(&fault.class, || error_chain(fault.why.as_ref()));
                    metric.fault(fault.outcome, fault.class);
                }
            }
        }
    }

    /// Reads what came of one partition and moves its position on.
    fn read(&self, one: &FetchedPartition, claim: &mut Claim<'_>, metric: &mut FetchMetric) {
        metric.bytes_received += one.records.len() as u64;
        let Some(slot) = claim.slots().find(|slot| slot.partition == one.index) else {
            return; // not asked for: the client refuses such an answer
        };
        // A panic in a user's hook leaves nothing half done that is not begun anew.
        let mut decompressor = self
            .decompressor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let aborted = match self.plan.settings.isolation() {
            Isolation::ReadCommitted => &one.aborted[..],
            Isolation::ReadUncommitted => &[],
        };
        let reading = Reader {
            partition: one.index,
            position: slot.position,
            aborted,
            decompressor: &mut decompressor,
            on_record: self.plan.on_record.as_deref(),
        }
        .read(&one.records);
        metric.messages += reading.messages;
        let newest = match self.plan.settings.isolation() {
            Isolation::ReadCommitted if one.last_stable_offset >= 0 => one.last_stable_offset,
            _ => one.high_watermark,
        };
        claim.update(one.index, |slot| {
            slot.position = reading.next;
            slot.high_watermark = newest.max(reading.next);
        });
        if let Some(fault) = reading.fault {
            self.firsts.note(fault.class(), || {
                let (topic, partition) = (self.topic.name(), one.index);
                let next = reading.next;
                let why = error_chain(&fault);
                format!("{topic}-{partition} cannot be read from offset {next} on: {why}")
            });
            metric.fault(Outcome::Failure, fault.class().into());
        }
    }

    /// Moves positions that their partitions do not hold to the first record that is there.
    async fn reset(&self, partitions: &[i32], claim: &mut Claim<'_>, metric: &mut FetchMetric) {
        let (earliest, latest) = match self.range(partitions).await {
            Ok(range) => range,
            Err(error) => return self.fault(metric, &error),
        };
        for (earliest, latest) in earliest.iter().zip(&latest) {
            let Some(slot) = claim
                .slots()
                .find(|slot| slot.partition == earliest.partition)
            else {
                continue;
            };
            if (earliest.offset..=latest.offset).contains(&slot.position) {
                continue; // another one's error
            }
            let skipped = earliest.offset.saturating_sub(slot.position);
            metric.count("offset_resets", 1);
            metric.count("records_skipped", u64::try_from(skipped).unwrap_or(0));
            claim.update(slot.partition, |slot| {
                slot.position = earliest.offset;
                slot.high_watermark = latest.offset;
            });
        }
    }

    /// The first offset and the next one to be written of each partition.
    async fn range(
        &self,
        partitions: &[i32],
    ) -> Result<(Vec<ListedOffset>, Vec<ListedOffset>), Error> {
        let isolation = self.plan.settings.isolation();
        let list = |spec| {
            self.session
                .list_offsets(&self.topic, partitions, spec, isolation)
        };
        let earliest = list(OffsetSpec::Earliest).await?;
        Ok((earliest, list(OffsetSpec::Latest).await?))
    }

    /// Takes what went wrong with a request, or with one partition of it, into the metric.
    fn fault(&self, metric: &mut FetchMetric, error: &Error) {
        self.firsts.note(&error.class(), || error_chain(error));
        metric.fault(error.outcome(), error.class());
    }
}

impl Action for FetchUser {
    type Metric = FetchMetric;

    fn call(&self, _iteration: Iteration) -> impl Future<Output = FetchMetric> + Send {
        self.fetch()
    }
}

impl std::fmt::Debug for FetchUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchUser")
            .field("topic", &self.topic.name())
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
