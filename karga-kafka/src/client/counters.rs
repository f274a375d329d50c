//! What a client did besides answering: every retry, reconnect, throttle and leader change.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A client's counts since it was made, read at one moment.
        ///
        /// ```
        /// # use karga_kafka::client::Counters;
        /// # let (before, after) = (Counters::default(), Counters::default());
        /// let during = after - before; // both from `Client::counters`
        /// assert_eq!(during.retries, 0);
        /// ```
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)+
            /// The time by which brokers said that they delayed answers (their quotas), summed.
            pub throttle_time: Duration,
        }

        /// The counts as they grow. Each is exact; together they are not of one moment.
        #[derive(Debug, Default)]
        pub(crate) struct LiveCounters {
            $(pub(crate) $name: Count,)+
            throttle_ms: AtomicU64,
        }

        impl LiveCounters {
            pub(crate) fn read(&self) -> Counters {
                Counters {
                    $($name: self.$name.0.load(Relaxed),)+
                    throttle_time: Duration::from_millis(self.throttle_ms.load(Relaxed)),
                }
            }
        }

        impl Sub for Counters {
            type Output = Self;

            /// What was counted between `earlier` and `self`.
            fn sub(self, earlier: Self) -> Self {
                Self {
                    $($name: self.$name.saturating_sub(earlier.$name),)+
                    throttle_time: self.throttle_time.saturating_sub(earlier.throttle_time),
                }
            }
        }
    };
}

counters! {
    /// Requests written to a connection, retries and the client's own (versions, metadata)
    /// included.
    requests,
    /// Requests that were sent again.
    retries,
    /// Connections opened.
    connects,
    /// Those of them that replaced one that broke or was given up.
    reconnects,
    /// Answers that carried a throttle time. They are answers all the same.
    throttles,
    /// Partitions whose leader was found to have changed.
    leader_changes,
    /// Times that metadata was asked for again.
    metadata_refreshes,
    /// Requests that met their deadline.
    timeouts,
}

impl LiveCounters {
    /// Notes the throttle time of an answer, if it has one.
    pub(crate) fn throttle(&self, throttle_ms: i32) {
        if let Ok(ms @ 1..) = u64::try_from(throttle_ms) {
            self.throttles.add(1);
            self.throttle_ms.fetch_add(ms, Relaxed);
        }
    }
}

/// One count.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_throttle_time_counts() {
        let live = LiveCounters::default();
        for ms in [0, -5, 20, 30] {
            live.throttle(ms);
        }
        let read = live.read();
        assert_eq!(read.throttles, 2);
        assert_eq!(read.throttle_time, Duration::from_millis(50));
    }

    #[test]
    fn a_difference_is_what_came_between() {
        let live = LiveCounters::default();
        live.requests.add(3);
        let before = live.read();
        live.requests.add(2);
        live.reconnects.add(1);
        let during = live.read() - before;
        assert_eq!((during.requests, during.reconnects), (2, 1));
    }
}
