//! When arrivals are due.

/// The arithmetic of arrivals.
#[derive(Debug, Clone)]
pub struct Schedule {}
