//! CreateTopics, DeleteTopics and InitProducerId.

use bytes::BytesMut;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::{Call, RequestError, encode_cold};
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::Api;

pub(crate) struct CreateTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) replication: i16,
    pub(crate) configs: &'a [(String, String)],
    pub(crate) timeout_ms: i32,
}

pub(crate) struct DeleteTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) timeout_ms: i32,
}

pub(crate) struct InitProducerId;

/// What came of one topic, or of the producer's identity.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) throttle_ms: i32,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) message: Option<String>,
    pub(crate) value: T,
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

impl Call for CreateTopic<'_> {
    type Answer = Answer<()>;
    const API: Api = Api::CreateTopics;

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let configs = self.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(self.name))
            .with_num_partitions(self.partitions)
            .with_replication_factor(self.replication)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.timeout_ms);
        encode_cold(&request, version, out)
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Self::Answer, Malformed> {
        let throttle_ms = body.i32("throttle_time_ms")?;
        let mut found = None;
        for _ in 0..body.count("topics", 4)? {
            let name = body.text("name")?;
            if version >= 7 {
                body.u128("topic_id")?;
            }
            let error = ErrorCode::new(body.i16("error_code")?);
            let message = body.nullable_text("error_message")?;
            if version >= 5 {
                body.i32("num_partitions")?;
                body.i16("replication_factor")?;
                for _ in 0..body.nullable_count("configs", 6)?.unwrap_or(0) {
                    body.text("name")?;
                    body.nullable_text("value")?;
                    body.bool("read_only")?;
                    body.i8("config_source")?;
                    body.bool("is_sensitive")?;
                    body.skip_tags()?;
                }
            }
            body.skip_tags()?;
            found = Some((name, error, message));
        }
        body.skip_tags()?;
        let (error, message) = only(self.name, found)?;
        Ok(Answer {
            throttle_ms,
            error,
            message,
            value: (),
        })
    }
}

impl Call for DeleteTopic<'_> {
    type Answer = Answer<()>;
    const API: Api = Api::DeleteTopics;

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let mut request = DeleteTopicsRequest::default().with_timeout_ms(self.timeout_ms);
        if version >= 6 {
            let topic = DeleteTopicState::default().with_name(Some(topic_name(self.name)));
            request = request.with_topics(vec![topic]);
        } else {
            request = request.with_topic_names(vec![topic_name(self.name)]);
        }
        encode_cold(&request, version, out)
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Self::Answer, Malformed> {
        let throttle_ms = body.i32("throttle_time_ms")?;
        let mut found = None;
        for _ in 0..body.count("responses", 4)? {
            let name = body.nullable_text("name")?.unwrap_or_default();
            if version >= 6 {
                body.u128("topic_id")?;
            }
            let error = ErrorCode::new(body.i16("error_code")?);
            let message = match version {
                ..5 => None,
                _ => body.nullable_text("error_message")?,
            };
            body.skip_tags()?;
            found = Some((name, error, message));
        }
        body.skip_tags()?;
        let (error, message) = only(self.name, found)?;
        Ok(Answer {
            throttle_ms,
            error,
            message,
            value: (),
        })
    }
}

impl Call for InitProducerId {
    /// The producer's id and epoch.
    type Answer = Answer<(i64, i16)>;
    const API: Api = Api::InitProducerId;

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX);
        encode_cold(&request, version, out)
    }

    fn decode(&self, _: i16, body: &mut Cursor) -> Result<Self::Answer, Malformed> {
        let throttle_ms = body.i32("throttle_time_ms")?;
        let error = ErrorCode::new(body.i16("error_code")?);
        let value = (body.i64("producer_id")?, body.i16("producer_epoch")?);
        body.skip_tags()?;
        Ok(Answer {
            throttle_ms,
            error,
            message: None,
            value,
        })
    }
}

type Found = (String, Option<ErrorCode>, Option<String>);

/// The last topic answered, if it is the one asked about.
fn only(
    asked: &str,
    found: Option<Found>,
) -> Result<(Option<ErrorCode>, Option<String>), Malformed> {
    match found {
        Some((name, error, message)) if name == asked => Ok((error, message)),
        other => Err(Malformed::Unasked {
            got: other.map_or_else(
                || "no topic".to_owned(),
                |(name, ..)| format!("topic {name}"),
            ),
            asked: format!("topic {asked}"),
        }),
    }
}
