//! What carries load: produce, fetch, and looking up offsets.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::pool::Pool;
use super::{Client, Error, FetchedPartition, Phase, Position, Progress, Topic, failed};
use super::{ListedOffset, OffsetSpec};
use crate::config::{Acks, FetchSettings, Isolation};
use crate::error_codes::ErrorCode;
use crate::wire::exclusive::Exclusive;
use crate::wire::link::{Answered, CallError};
use crate::wire::message::fetch::{Fetch, millis};
use crate::wire::message::list_offsets::ListOffsets;
use crate::wire::message::produce::{Produce, Records};
use crate::wire::message::{Call, RequestError};
use crate::wire::versions::Api;

mod group;

/// A way to the leaders of partitions; see [`Client::session`].
///
/// With connections of its own, its requests take turns; a request that is cancelled or late takes
/// its connection with it, and the next one opens another, which is counted.
#[derive(Debug)]
pub struct Session {
    client: Client,
    route: Route,
}

#[derive(Debug)]
enum Route {
    Own(Mutex<Vec<Seat>>),
    Pool(Arc<Pool>),
}

/// A session's own connection to one broker.
#[derive(Debug)]
struct Seat {
    broker: i32,
    connection: Option<Box<Exclusive>>,
    opened_before: bool,
}

/// What a broker says to a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Produced {
    /// The offset of the batch's first record; -1 when the broker does not say (acks=0, or a
    /// duplicate of an idempotent batch from long ago).
    pub base_offset: i64,
    /// The broker's own timestamp of the batch, in milliseconds since the Unix epoch, where the
    /// topic uses the time of appending; else -1.
    pub log_append_time: i64,
    /// The first offset that is still in the partition; -1 when the broker does not say.
    pub log_start_offset: i64,
    /// By how long the broker says that it delayed the answer.
    pub throttle_time: Duration,
    /// Bytes of the request's frame.
    pub bytes_sent: usize,
    /// Bytes of the answer's frame; 0 with acks=0.
    pub bytes_received: usize,
}

/// What a broker says to a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Of those asked for, the partitions that the broker says something about. One may have an
    /// error of its own, as long as not all have.
    pub partitions: Vec<FetchedPartition>,
    /// By how long the broker says that it delayed the answer.
    pub throttle_time: Duration,
    /// Bytes of the request's frame.
    pub bytes_sent: usize,
    /// Bytes of the answer's frame.
    pub bytes_received: usize,
}

impl Session {
    pub(super) fn new(client: Client, pool: Option<Arc<Pool>>) -> Self {
        let route = match pool {
            Some(pool) => Route::Pool(pool),
            None => Route::Own(Mutex::default()),
        };
        Self { client, route }
    }

    /// The client that it belongs to.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Connects to the leader of each of the topic's partitions that has one, so that the first
    /// requests need not.
    ///
    /// # Errors
    /// A leader that cannot be reached, within the request deadline.
    pub async fn warm_up(&self, topic: &Topic) -> Result<(), Error> {
        let progress = &self.client.progress(Duration::ZERO);
        let work = pin!(async {
            for (leader, _) in topic.by_leader() {
                match &self.route {
                    Route::Own(seats) => {
                        let mut seats = seats.lock().await;
                        let seat = seat(&mut seats, leader);
                        if seat.connection.is_none() {
                            seat.connection = Some(self.open(seat, progress).await?);
                        }
                    }
                    Route::Pool(pool) => {
                        pool.connection(&self.client, leader, progress).await?;
                    }
                }
            }
            Ok(())
        });
        self.client.within(Api::ApiVersions, progress, work).await
    }

    /// Appends one record batch to a partition.
    ///
    /// `write` appends the encoded batch to the request's own buffer: it is written once, and not
    /// copied unless it may have to be sent again. It must not touch what is in the buffer. With
    /// [`Acks::None`] the request is done when it is written to the connection.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::may_have_happened`] says whether the records may be in the log. An
    /// error of `write` itself is the source of an [`Error::Request`], and nothing is sent.
    pub async fn produce<W, E>(
        &self,
        topic: &Topic,
        partition: i32,
        acks: Acks,
        write: W,
    ) -> Result<Produced, Error>
    where
        W: FnOnce(&mut BytesMut) -> Result<(), E> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let progress = &self.client.progress(Duration::ZERO);
        let mut call = Produce {
            topic: topic.name(),
            topic_id: 0,
            partition,
            acks,
            timeout_ms: millis(progress.limit()),
            records: Records::Writer(write),
            keep: self.client.config().retry().retries() > 0,
        };
        let work = pin!(async {
            let mut retries = 0;
            loop {
                let result = self.produce_once(topic, &mut call, progress).await;
                match result {
                    Err(error) if !error.may_have_happened() => {
                        self.retry(error, &mut retries, progress).await?;
                    }
                    result => return result,
                }
            }
        });
        noting(
            topic,
            self.client.within(Api::Produce, progress, work).await,
        )
    }

    async fn produce_once<W, E>(
        &self,
        topic: &Topic,
        call: &mut Produce<'_, W>,
        progress: &Progress,
    ) -> Result<Produced, Error>
    where
        W: FnOnce(&mut BytesMut) -> Result<(), E> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.client.refresh_if_stale(topic, progress).await?;
        let leader = topic.leader_for(Api::Produce, call.partition);
        let leader = noting(topic, leader)?;
        call.topic_id = topic.id();
        let answered = self.send(leader, call, progress).await;
        let Answered {
            answer,
            bytes_sent,
            bytes_received,
        } = noting(topic, answered)?;
        self.client.live().throttle(answer.throttle_ms);
        if let Some(code) = answer.error {
            return noting(
                topic,
                Err(Error::Broker {
                    request: Api::Produce,
                    target: format!("{}-{}", topic.name(), call.partition),
                    code,
                    message: answer.message,
                }),
            );
        }
        Ok(Produced {
            base_offset: answer.base_offset,
            log_append_time: answer.log_append_time,
            log_start_offset: answer.log_start_offset,
            throttle_time: throttle_time(answer.throttle_ms),
            bytes_sent,
            bytes_received,
        })
    }

    /// Asks the leader of the first of `positions` for the records of all of them: a long poll that
    /// the broker answers when it has enough, or when `settings.max_wait()` is over. Partitions of
    /// other leaders answer with an error; see [`Topic::by_leader`].
    ///
    /// The deadline is the request deadline, and `max_wait` on top.
    ///
    /// # Errors
    /// Any [`Error`]; also when every partition asked for has one, the first of them.
    pub async fn fetch(
        &self,
        topic: &Topic,
        positions: &[Position],
        settings: &FetchSettings,
    ) -> Result<Fetched, Error> {
        let progress = &self.client.progress(settings.max_wait());
        let work = pin!(async {
            let mut retries = 0;
            loop {
                match self.fetch_once(topic, positions, settings, progress).await {
                    Err(error) => self.retry(error, &mut retries, progress).await?,
                    result => return result,
                }
            }
        });
        noting(topic, self.client.within(Api::Fetch, progress, work).await)
    }

    async fn fetch_once(
        &self,
        topic: &Topic,
        positions: &[Position],
        settings: &FetchSettings,
        progress: &Progress,
    ) -> Result<Fetched, Error> {
        self.client.refresh_if_stale(topic, progress).await?;
        let first = positions.first().ok_or_else(|| Error::Request {
            request: Api::Fetch,
            source: RequestError::Value("a fetch of no partition at all".to_owned()),
        })?;
        let leader = noting(topic, topic.leader_for(Api::Fetch, first.partition))?;
        let mut call = Fetch {
            topic: topic.name(),
            topic_id: topic.id(),
            positions,
            settings,
        };
        let answered = self.send(leader, &mut call, progress).await;
        let Answered {
            answer,
            bytes_sent,
            bytes_received,
        } = noting(topic, answered)?;
        self.client.live().throttle(answer.throttle_ms);
        let broker = |target: String, code: ErrorCode| Error::Broker {
            request: Api::Fetch,
            target,
            code,
            message: None,
        };
        if let Some(code) = answer.error {
            return noting(topic, Err(broker(format!("topic {}", topic.name()), code)));
        }
        let errors = answer.partitions.iter().filter_map(|one| one.error);
        if errors.clone().any(ErrorCode::is_leadership) {
            topic.mark_stale();
        }
        if errors.count() == answer.partitions.len()
            && let Some(one) = answer.partitions.first()
            && let Some(code) = one.error
        {
            return Err(broker(format!("{}-{}", topic.name(), one.index), code));
        }
        Ok(Fetched {
            partitions: answer.partitions,
            throttle_time: throttle_time(answer.throttle_ms),
            bytes_sent,
            bytes_received,
        })
    }

    /// Looks up one offset in each of `partitions`, whoever leads them; in the order asked.
    ///
    /// # Errors
    /// Any [`Error`]; also when one of the partitions answers with one.
    pub async fn list_offsets(
        &self,
        topic: &Topic,
        partitions: &[i32],
        spec: OffsetSpec,
        isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, Error> {
        let progress = &self.client.progress(Duration::ZERO);
        let work = pin!(async {
            let mut retries = 0;
            loop {
                let listed = self.list_once(topic, partitions, spec, isolation, progress);
                match listed.await {
                    Err(error) => self.retry(error, &mut retries, progress).await?,
                    result => return result,
                }
            }
        });
        let listed = self.client.within(Api::ListOffsets, progress, work).await;
        noting(topic, listed)
    }

    async fn list_once(
        &self,
        topic: &Topic,
        partitions: &[i32],
        spec: OffsetSpec,
        isolation: Isolation,
        progress: &Progress,
    ) -> Result<Vec<ListedOffset>, Error> {
        self.client.refresh_if_stale(topic, progress).await?;
        let mut groups: Vec<(i32, Vec<i32>)> = Vec::new();
        for &partition in partitions {
            let leader = noting(topic, topic.leader_for(Api::ListOffsets, partition))?;
            match groups.iter_mut().find(|(known, _)| *known == leader) {
                Some((_, group)) => group.push(partition),
                None => groups.push((leader, vec![partition])),
            }
        }
        let mut listed = Vec::with_capacity(partitions.len());
        for (leader, group) in groups {
            let mut call = ListOffsets {
                topic: topic.name(),
                partitions: &group,
                spec,
                isolation,
            };
            let answered = self.send(leader, &mut call, progress).await;
            let answer = noting(topic, answered)?.answer;
            self.client.live().throttle(answer.throttle_ms);
            for (one, error) in answer.partitions {
                if let Some(code) = error {
                    let target = format!("{}-{}", topic.name(), one.partition);
                    let error = Error::Broker {
                        request: Api::ListOffsets,
                        target,
                        code,
                        message: None,
                    };
                    return noting(topic, Err(error));
                }
                listed.push(one);
            }
        }
        let place =
            |one: &ListedOffset| partitions.iter().position(|asked| *asked == one.partition);
        listed.sort_by_key(place);
        Ok(listed)
    }

    /// Waits before the next attempt, or hands the error back when there is none.
    async fn retry(
        &self,
        error: Error,
        retries: &mut u32,
        progress: &Progress,
    ) -> Result<(), Error> {
        let wait = self.client.config().retry().wait_before(*retries);
        let Some(wait) = wait.filter(|_| error.is_passing()) else {
            return Err(error);
        };
        progress.enter(Phase::Backoff);
        sleep(wait).await;
        *retries += 1;
        self.client.live().retries.add(1);
        Ok(())
    }

    /// Sends one request to one broker, once.
    async fn send<C: Call>(
        &self,
        leader: i32,
        call: &mut C,
        progress: &Progress,
    ) -> Result<Answered<C::Answer>, Error> {
        match &self.route {
            Route::Own(seats) => {
                let mut seats = match seats.try_lock() {
                    Ok(seats) => seats,
                    Err(_) => {
                        progress.enter(Phase::Queued);
                        seats.lock().await
                    }
                };
                let seat = seat(&mut seats, leader);
                // Taken out, so that a cancelled call leaves no connection with an answer under way.
                let mut connection = match seat.connection.take() {
                    Some(connection) if !connection.is_stale() => connection,
                    _ => self.open(seat, progress).await?,
                };
                let result = connection.call(call, progress).await;
                let lost = matches!(result, Err(CallError::Link { .. }));
                let result = result.map_err(|error| failed(C::API, connection.endpoint(), error));
                if !lost {
                    seat.connection = Some(connection);
                }
                result
            }
            Route::Pool(pool) => {
                let connection = pool.connection(&self.client, leader, progress).await?;
                let result = connection.call(call, progress).await;
                result.map_err(|error| failed(C::API, connection.endpoint(), error))
            }
        }
    }

    async fn open(&self, seat: &mut Seat, progress: &Progress) -> Result<Box<Exclusive>, Error> {
        let connection = self
            .client
            .open_broker(seat.broker, seat.opened_before, progress)
            .await?;
        seat.opened_before = true;
        Ok(connection)
    }
}

/// The broker's place among a session's few; made if it is new.
fn seat(seats: &mut Vec<Seat>, broker: i32) -> &mut Seat {
    let at = match seats.iter().position(|seat| seat.broker == broker) {
        Some(at) => at,
        None => {
            seats.push(Seat {
                broker,
                connection: None,
                opened_before: false,
            });
            seats.len() - 1
        }
    };
    &mut seats[at]
}

/// Passes a result on, and if it says that leaders may have changed, notes that.
fn noting<T>(topic: &Topic, result: Result<T, Error>) -> Result<T, Error> {
    if result.as_ref().is_err_and(Error::is_leadership) {
        topic.mark_stale();
    }
    result
}

fn throttle_time(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
