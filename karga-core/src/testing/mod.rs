//! Conformance kits.
mod clock;
mod executor;
mod violation;

pub use clock::Clock;
pub use executor::{ExecutorKit, ExecutorRule, Probe, ProbeError, ProbeUser, Reading, executor};
pub use violation::{Rule, Violation, Violations};
