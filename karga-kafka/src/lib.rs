//! Kafka load scenarios for karga on a thin, pipelined wire client whose every retry is counted.

pub mod wire;
