//! ApiVersions: what may be asked here.

use kafka_protocol::{
    ResponseError,
    messages::{ApiVersionsResponse, api_versions_response::ApiVersion},
};

use super::{Close, Head, SUPPORTED, respond};
use crate::output::Output;

pub(super) fn answer() -> ApiVersionsResponse {
    let keys = SUPPORTED.map(|(api, min, max)| {
        ApiVersion::default()
            .with_api_key(api as i16)
            .with_min_version(min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(keys.to_vec())
}

/// The answer to a version from the future: in version 0, which everybody can read, so that the
/// client can ask again (KIP-511).
pub(super) fn downgrade(head: Head, output: &mut Output) -> Result<(), Close> {
    let answer = answer().with_error_code(ResponseError::UnsupportedVersion.code());
    respond(Head { version: 0, ..head }, &answer, output)
}
