//! Kafka's wire protocol over TCP: frames, version negotiation, connections.
//!
//! Everything here is shared by the client of this crate and by stand-ins for a broker.

pub mod frame;
