use std::time::Duration;

/// One planned arrival: which one it is, who runs it and when it is due.
///
/// An iteration is handed to [`Action::call`](crate::Action::call) and kept in
/// the [`Sample`](crate::Sample) of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Iteration {
    /// The number of the arrival in the whole schedule, from 0. Unique in a
    /// run, so that it can seed keys, payloads and parameters.
    pub index: u64,
    /// The virtual user that runs it, from 0.
    pub user: u64,
    /// When it is due, since the start of the run (t0). Response time counts
    /// from here, however late the iteration starts.
    pub due: Duration,
}

impl Iteration {
    /// Makes an iteration; meant for those who write executors and tests.
    pub const fn new(index: u64, user: u64, due: Duration) -> Self {
        Self { index, user, due }
    }
}
