//! Producing to several partitions at once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::sleep;

use super::{Produced, Session, noting, throttle_time};
use crate::client::{Error, Phase, Progress, Topic};
use crate::config::Acks;
use crate::wire::message::fetch::millis;
use crate::wire::message::produce::group::ProduceGroup;
use crate::wire::versions::Api;

/// What became of one partition's batch. Partitions of one request may share its error.
pub(crate) type GroupResult = Result<Produced, Arc<Error>>;

impl Session {
    /// Appends one record batch to each of `partitions` (ascending, each once), in one request to
    /// each leader, one after the other, all under the one request deadline. The results are in the
    /// order of the partitions.
    ///
    /// `write` appends the batch of the partition it is given; it is called again when a batch has
    /// to be sent again. [`Produced::bytes_sent`] and `bytes_received` are those of the request
    /// that the partition was part of.
    pub(crate) async fn produce_group<W, E>(
        &self,
        topic: &Topic,
        partitions: &[i32],
        acks: Acks,
        write: &mut W,
    ) -> Vec<GroupResult>
    where
        W: FnMut(i32, &mut BytesMut) -> Result<(), E> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let progress = &self.client.progress(Duration::ZERO);
        let mut results: Vec<Option<GroupResult>> = partitions.iter().map(|_| None).collect();
        let ended = {
            let work = pin!(async {
                let mut retries = 0;
                loop {
                    self.attempt(topic, partitions, acks, write, &mut results, progress)
                        .await;
                    let Some(wait) = self.client.config().retry().wait_before(retries) else {
                        return Ok(());
                    };
                    if !results.iter().any(may_be_sent_again) {
                        return Ok(());
                    }
                    progress.enter(Phase::Backoff);
                    sleep(wait).await;
                    retries += 1;
                    self.client.live().retries.add(1);
                    for result in &mut results {
                        if may_be_sent_again(result) {
                            *result = None;
                        }
                    }
                }
            });
            self.client.within(Api::Produce, progress, work).await
        };
        let late = ended.err().map(Arc::new);
        let settled = |result: Option<GroupResult>| match (result, &late) {
            (Some(result), _) => result,
            (None, Some(late)) => Err(Arc::clone(late)),
            (None, None) => unreachable!("invariant: an attempt that ends settles all"),
        };
        results.into_iter().map(settled).collect()
    }

    /// Sends what has no result yet, once, and settles all of it.
    async fn attempt<W, E>(
        &self,
        topic: &Topic,
        partitions: &[i32],
        acks: Acks,
        write: &mut W,
        results: &mut [Option<GroupResult>],
        progress: &Progress,
    ) where
        W: FnMut(i32, &mut BytesMut) -> Result<(), E> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Err(error) = self.client.refresh_if_stale(topic, progress).await {
            let error = Arc::new(error);
            for result in results.iter_mut().filter(|result| result.is_none()) {
                *result = Some(Err(Arc::clone(&error)));
            }
            return;
        }
        // Each leader with the places of its partitions.
        let mut groups: Vec<(i32, Vec<usize>)> = Vec::new();
        for (place, (&partition, result)) in partitions.iter().zip(&mut *results).enumerate() {
            if result.is_some() {
                continue;
            }
            match noting(topic, topic.leader_for(Api::Produce, partition)) {
                Err(error) => *result = Some(Err(Arc::new(error))),
                Ok(leader) => match groups.iter_mut().find(|(known, _)| *known == leader) {
                    Some((_, group)) => group.push(place),
                    None => groups.push((leader, vec![place])),
                },
            }
        }
        for (leader, places) in groups {
            let group: Vec<i32> = places.iter().map(|&place| partitions[place]).collect();
            let sent = self
                .send_group(topic, leader, &group, acks, write, progress)
                .await;
            match sent {
                Ok(answers) => {
                    for (place, answer) in places.into_iter().zip(answers) {
                        results[place] = Some(answer.map_err(Arc::new));
                    }
                }
                Err(error) => {
                    let error = Arc::new(error);
                    for place in places {
                        results[place] = Some(Err(Arc::clone(&error)));
                    }
                }
            }
        }
    }

    async fn send_group<W, E>(
        &self,
        topic: &Topic,
        leader: i32,
        partitions: &[i32],
        acks: Acks,
        write: &mut W,
        progress: &Progress,
    ) -> Result<Vec<Result<Produced, Error>>, Error>
    where
        W: FnMut(i32, &mut BytesMut) -> Result<(), E> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut call = ProduceGroup {
            topic: topic.name(),
            partitions,
            acks,
            timeout_ms: millis(progress.limit()),
            write,
        };
        let answered = noting(topic, self.send(leader, &mut call, progress).await)?;
        let (answers, throttle_ms) = answered.answer;
        self.client.live().throttle(throttle_ms);
        let results = answers.into_iter().zip(partitions);
        let results = results.map(|(answer, partition)| match answer.error {
            None => Ok(Produced {
                base_offset: answer.base_offset,
                log_append_time: answer.log_append_time,
                log_start_offset: answer.log_start_offset,
                throttle_time: throttle_time(throttle_ms),
                bytes_sent: answered.bytes_sent,
                bytes_received: answered.bytes_received,
            }),
            Some(code) => {
                let error = Error::Broker {
                    request: Api::Produce,
                    target: format!("{}-{partition}", topic.name()),
                    code,
                    message: answer.message,
                };
                noting(topic, Err(error))
            }
        });
        Ok(results.collect())
    }
}

fn may_be_sent_again(result: &Option<GroupResult>) -> bool {
    matches!(result, Some(Err(error)) if error.is_passing() && !error.may_have_happened())
}
