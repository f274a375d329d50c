//! InitProducerId: an id for an idempotent producer.

use kafka_protocol::{
    ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};

use crate::state::Shared;

pub(super) fn handle(shared: &Shared, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    if request.transactional_id.is_some() {
        // There is no code for "no transactions here"; this one is final for every client.
        return InitProducerIdResponse::default()
            .with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
    }
    // Without a transaction, each call gives a new id; an old one is never continued.
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(shared.lock().new_producer_id()))
        .with_producer_epoch(0)
}
