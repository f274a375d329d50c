//! What is sent again, and when.

use std::time::Duration;

/// How often a request that failed is sent again, and after which wait.
///
/// Under load the honest answer is never: a retry hides a failure behind a longer response. So
/// the default is [`none`](Self::none), and every retry is counted.
///
/// Only what surely did not take effect is sent again: an error that the protocol calls retriable,
/// or a connection that broke before the request was written. Reads (fetch, offsets, metadata) take
/// no effect, so they are also sent again when the answer was lost. A produce request whose answer
/// was lost is never sent again, because its records could then be there twice; and an answer
/// that asks to slow down is an answer, never a reason to retry. All attempts share the request's
/// one deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    retries: u32,
    backoff: Duration,
}

impl RetryPolicy {
    const DEFAULT_BACKOFF: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Nothing is sent again.
    pub const fn none() -> Self {
        Self::up_to(0)
    }

    /// A request is sent again at most `retries` times; 100 ms before the first.
    pub const fn up_to(retries: u32) -> Self {
        Self {
            retries,
            backoff: Self::DEFAULT_BACKOFF,
        }
    }

    /// The wait before the first retry. It doubles with each further one, up to 1 s or to itself
    /// if it is longer.
    #[must_use]
    pub const fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Most retries of one request.
    pub const fn retries(&self) -> u32 {
        self.retries
    }

    /// The wait before retry number `retry` (from 0), or `None` when there may be no such.
    pub fn wait_before(&self, retry: u32) -> Option<Duration> {
        if retry >= self.retries {
            return None;
        }
        let grown = self.backoff.saturating_mul(1 << retry.min(20));
        Some(grown.min(self.backoff.max(Self::LONGEST)))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_nothing_is_sent_again() {
        assert_eq!(RetryPolicy::default().wait_before(0), None);
    }

    #[test]
    fn waits_double_up_to_a_second() {
        let waits: Vec<_> = (0..6)
            .map(|retry| RetryPolicy::up_to(5).wait_before(retry))
            .map(|wait| wait.map(|wait| wait.as_millis()))
            .collect();
        let expected = [Some(100), Some(200), Some(400), Some(800), Some(1000), None];
        assert_eq!(waits, expected);
    }

    #[test]
    fn a_long_backoff_stays_as_it_is() {
        let policy = RetryPolicy::up_to(u32::MAX).backoff(Duration::from_secs(7));
        assert_eq!(policy.wait_before(40), Some(Duration::from_secs(7)));
    }
}
