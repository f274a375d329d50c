//! Answers to what clients ask for before they would use what is not here.

use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
        find_coordinator_response::Coordinator,
    },
};

use super::text;

const WHY: &str = "this broker has no consumer groups and no transactions";

/// There is no coordinator: for groups, nor for transactions.
pub(super) fn find_coordinator(
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let error = ResponseError::CoordinatorNotAvailable.code();
    if version < 4 {
        let answer = FindCoordinatorResponse::default()
            .with_error_code(error)
            .with_node_id(BrokerId(-1))
            .with_port(-1);
        return if version >= 1 {
            answer.with_error_message(text(WHY))
        } else {
            answer
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(error)
            .with_error_message(text(WHY))
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
