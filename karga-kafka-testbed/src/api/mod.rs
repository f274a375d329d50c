//! From a request's bytes to its answer.

pub(crate) mod fetch;

mod api_versions;
mod describe;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod produce;
mod topics;
mod unsupported;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Buf as _, Bytes};
use kafka_protocol::{
    ResponseError,
    messages::{ApiKey, BrokerId, ResponseHeader},
    protocol::{Decodable, Encodable, HeaderVersion, StrBytes},
};
use karga_kafka::wire::frame;

use crate::{
    connection::Peer,
    guard::{self, Refused},
    output::Output,
    state::Shared,
};
use fetch::PendingFetch;

/// The id of the one broker, which is also the controller.
pub(crate) const NODE_ID: BrokerId = BrokerId(1);

/// The requests that are answered, with their first and last version.
///
/// Produce is offered from 0 on, as Kafka 4 does: librdkafka compresses only for a broker that
/// does (KAFKA-18659). It does not use what is below 3.
pub(crate) const SUPPORTED: [(ApiKey, i16, i16); 12] = [
    (ApiKey::Produce, 0, 13),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeTopicPartitions, 0, 0),
];

/// What comes after a request.
pub(crate) enum Next {
    /// The next one: this one's answer, if it gets one, is on its way.
    Read,
    /// First wait for records.
    Wait(PendingFetch),
}

/// Why a request's connection is closed instead of answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Close {
    #[error("a request header is cut off")]
    Header,
    #[error("request {api} version {version} is not supported")]
    Unsupported { api: i16, version: i16 },
    #[error("a request was refused before decoding")]
    Refused(#[from] Refused),
    #[error("a request could not be decoded: {0}")]
    Undecodable(String),
    #[error("an answer could not be encoded: {0}")]
    Unencodable(String),
    #[error("a produce request with acks=0 failed, and closing is the only answer there is")]
    AcksZero,
    #[error("handling a request panicked")]
    Panicked,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

/// Handles one request frame.
pub(crate) fn handle(
    shared: &Shared,
    peer: &Peer,
    request: Bytes,
    output: &mut Output,
) -> Result<Next, Close> {
    shared.lock().stats.requests += 1;
    // What is hostile is refused before it reaches code that could panic; this is the last line,
    // for what nobody has thought of.
    catch_unwind(AssertUnwindSafe(|| dispatch(shared, peer, request, output)))
        .unwrap_or(Err(Close::Panicked))
}

fn dispatch(
    shared: &Shared,
    peer: &Peer,
    mut request: Bytes,
    output: &mut Output,
) -> Result<Next, Close> {
    if request.len() < 8 {
        return Err(Close::Header);
    }
    let (key, version) = (request.get_i16(), request.get_i16());
    let head = Head {
        version,
        correlation_id: request.get_i32(),
    };
    let unsupported = Close::Unsupported { api: key, version };
    let Some((api, min, max)) = SUPPORTED.into_iter().find(|(api, ..)| *api as i16 == key) else {
        return Err(unsupported);
    };
    if !(min..=max).contains(&version) {
        if api == ApiKey::ApiVersions {
            api_versions::downgrade(head, output)?;
            return Ok(Next::Read);
        }
        return Err(unsupported);
    }
    let schema = guard::schema(api).ok_or(unsupported)?;
    let mut body = after_header(request, version >= schema.flexible_since)?;
    schema.check(version, &body)?;

    match api {
        ApiKey::Produce if version < 3 => {
            return Err(Close::Unsupported { api: key, version });
        }
        ApiKey::Produce => {
            let answer = produce::handle(shared, decode(&mut body, version)?, version)?;
            if let Some(answer) = answer {
                respond(head, &answer, output)?;
            }
        }
        ApiKey::Fetch => return fetch::handle(shared, head, decode(&mut body, version)?, output),
        ApiKey::ListOffsets => {
            let answer = list_offsets::handle(shared, decode(&mut body, version)?, version);
            respond(head, &answer, output)?;
        }
        ApiKey::Metadata => {
            let answer = metadata::handle(shared, peer, decode(&mut body, version)?, version);
            respond(head, &answer, output)?;
        }
        ApiKey::FindCoordinator => {
            let answer = unsupported::find_coordinator(decode(&mut body, version)?, version);
            respond(head, &answer, output)?;
        }
        ApiKey::ApiVersions => respond(head, &api_versions::answer(), output)?,
        ApiKey::CreateTopics => {
            let answer = topics::create(shared, decode(&mut body, version)?);
            respond(head, &answer, output)?;
        }
        ApiKey::DeleteTopics => {
            let answer = topics::delete(shared, decode(&mut body, version)?, version);
            respond(head, &answer, output)?;
        }
        ApiKey::InitProducerId => {
            let answer = init_producer_id::handle(shared, &decode(&mut body, version)?);
            respond(head, &answer, output)?;
        }
        ApiKey::DescribeConfigs => {
            let answer = describe::configs(shared, decode(&mut body, version)?);
            respond(head, &answer, output)?;
        }
        ApiKey::DescribeCluster => {
            let answer = describe::cluster(shared, peer, &decode(&mut body, version)?);
            respond(head, &answer, output)?;
        }
        ApiKey::DescribeTopicPartitions => {
            let answer = describe::topic_partitions(shared, decode(&mut body, version)?);
            respond(head, &answer, output)?;
        }
        _ => return Err(Close::Unsupported { api: key, version }),
    }
    Ok(Next::Read)
}

/// Skips the rest of the header: the client's id, which always has the old length, and tags.
fn after_header(mut request: Bytes, flexible: bool) -> Result<Bytes, Close> {
    let len = request.try_get_i16().map_err(|_| Close::Header)?;
    if let Ok(len) = usize::try_from(len) {
        if len > request.len() {
            return Err(Close::Header);
        }
        request.advance(len);
    } else if len != -1 {
        return Err(Close::Header);
    }
    if flexible {
        let rest = guard::skip_header_tags(&request)?.len();
        request.advance(request.len() - rest);
    }
    Ok(request)
}

fn decode<R: Decodable>(body: &mut Bytes, version: i16) -> Result<R, Close> {
    R::decode(body, version).map_err(|error| Close::Undecodable(format!("{error:#}")))
}

/// Appends a whole answer to the output.
fn respond<R>(head: Head, answer: &R, output: &mut Output) -> Result<(), Close>
where
    R: Encodable + HeaderVersion,
{
    let out = &mut output.tail;
    let start = frame::begin(out);
    let header = ResponseHeader::default().with_correlation_id(head.correlation_id);
    let encoded = header
        .encode(out, R::header_version(head.version))
        .and_then(|()| answer.encode(out, head.version))
        .map_err(|error| Close::Unencodable(format!("{error:#}")))
        .and_then(|()| {
            frame::finish(out, start).map_err(|error| Close::Unencodable(error.to_string()))
        });
    if encoded.is_err() {
        out.truncate(start);
    }
    encoded
}

/// A message for people, beside an error's code.
fn text(message: impl Into<String>) -> Option<StrBytes> {
    Some(StrBytes::from_string(message.into()))
}

/// Checks the leader epoch that a client believes in; -1 is none.
fn check_epoch(epoch: i32) -> Result<(), ResponseError> {
    match epoch {
        -1 | crate::log::LEADER_EPOCH => Ok(()),
        newer if newer > crate::log::LEADER_EPOCH => Err(ResponseError::UnknownLeaderEpoch),
        _ => Err(ResponseError::FencedLeaderEpoch),
    }
}

/// The address that clients are told.
fn advertised(shared: &Shared, peer: &Peer) -> (StrBytes, i32) {
    let (host, port) = match &shared.settings.advertise {
        Some((host, port)) => (host.clone(), *port),
        None => (peer.local.ip().to_string(), peer.local.port()),
    };
    (StrBytes::from_string(host), i32::from(port))
}
