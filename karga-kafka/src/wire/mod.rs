//! Kafka's wire protocol over TCP: frames, version negotiation, connections.
//!
//! [`frame`] and [`cursor`] are shared with stand-ins for a broker.

pub mod cursor;
pub(crate) mod exclusive;
pub mod frame;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod open;
pub(crate) mod pipelined;
pub(crate) mod versions;

pub use link::{LinkError, Phase};
pub use message::RequestError;
pub use open::ConnectError;
pub use versions::{Api, Unsupported, VersionRange};
