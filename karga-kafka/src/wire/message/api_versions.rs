//! ApiVersions: the first request on every connection.

use bytes::BytesMut;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

use super::{Call, RequestError, encode_cold};
use crate::error_codes::ErrorCode;
use crate::wire::cursor::{Cursor, Malformed};
use crate::wire::versions::{Api, Unsupported, Versions};

/// Asks in a version of the caller's choice, because none is negotiated yet.
pub(crate) struct AskVersions {
    pub(crate) version: i16,
}

pub(crate) struct Answer {
    pub(crate) error: Option<ErrorCode>,
    /// (key, oldest, newest).
    pub(crate) apis: Vec<(i16, i16, i16)>,
}

impl Answer {
    /// The version to ask again in, after the refusal of a newer one.
    pub(crate) fn downgrade(&self) -> i16 {
        self.apis
            .iter()
            .find(|(key, ..)| *key == Api::ApiVersions.key())
            .map_or(0, |&(_, _, newest)| {
                newest.clamp(0, Api::ApiVersions.ours().max)
            })
    }
}

impl Call for AskVersions {
    type Answer = Answer;
    const API: Api = Api::ApiVersions;

    fn version(&self, _: &Versions) -> Result<i16, Unsupported> {
        Ok(self.version)
    }

    fn encode(&mut self, version: i16, out: &mut BytesMut) -> Result<(), RequestError> {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(StrBytes::from_static_str("karga"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        }
        encode_cold(&request, version, out)
    }

    fn decode(&self, version: i16, body: &mut Cursor) -> Result<Answer, Malformed> {
        let error = ErrorCode::new(body.i16("error_code")?);
        let refused = error == Some(ErrorCode::UNSUPPORTED_VERSION);
        if refused {
            // A refused version is answered in version 0 (KIP-511).
            body.set_flexible(false);
        }
        let mut apis = Vec::new();
        for _ in 0..body.count("api_keys", 6)? {
            apis.push((
                body.i16("api_key")?,
                body.i16("min_version")?,
                body.i16("max_version")?,
            ));
            body.skip_tags()?;
        }
        if version >= 1 && !refused {
            body.i32("throttle_time_ms")?;
        }
        body.skip_tags()?;
        Ok(Answer { error, apis })
    }
}
