//! The options of a URL: one line each, from which reading, printing and the list of names follow.

use super::{
    Acks, Backend, Compression, Duration, Isolation, NonZeroU32, NonZeroUsize, Partitioning,
    UrlError, text,
};

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $parse:expr, $print:expr;)+) => {
        /// The options of a URL as they were given, `None` where one was not.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct UrlOptions {
            $($(#[$doc])* pub $name: Option<$type>,)+
        }

        impl UrlOptions {
            const NAMES: &[&str] = &[$(stringify!($name)),+];

            fn set(&mut self, name: &str, value: &str) -> Result<(), UrlError> {
                match name {
                    $(stringify!($name) => {
                        let option = stringify!($name);
                        if self.$name.is_some() {
                            return Err(UrlError::DuplicateOption { option });
                        }
                        let parse: fn(&str) -> Result<$type, String> = $parse;
                        let parsed = parse(value).map_err(|reason| UrlError::BadValue {
                            option,
                            value: value.to_owned(),
                            reason,
                        })?;
                        self.$name = Some(parsed);
                        Ok(())
                    })+
                    _ => Err(UrlError::UnknownOption { option: name.to_owned() }),
                }
            }

            /// Those that are set, as they are written.
            pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
                let mut pairs = Vec::new();
                $(if let Some(value) = &self.$name {
                    let print: fn(&$type) -> String = $print;
                    pairs.push((stringify!($name), print(value)));
                })+
                pairs
            }
        }
    };
}

options! {
    /// `acks=0|1|all`: whose word a produce request waits for.
    acks: Acks, text::word, ToString::to_string;
    /// `compression=none|gzip|snappy|lz4|zstd` of produced record batches.
    compression: Compression, text::word, ToString::to_string;
    /// `connect_timeout=5s`: the deadline for reaching one broker, above zero.
    connect_timeout: Duration, text::positive_duration, text::print_duration;
    /// `request_timeout=10s`: the deadline of one request, above zero.
    request_timeout: Duration, text::positive_duration, text::print_duration;
    /// `retries=0`: how often a request is sent again.
    retries: u32, text::number, ToString::to_string;
    /// `retry_backoff=100ms`: the wait before the first retry, doubled for each further one.
    retry_backoff: Duration, text::duration, text::print_duration;
    /// `client_id=karga`: the name that the broker logs and applies quotas to.
    client_id: String, text::client_id, ToString::to_string;
    /// `backend=native|rskafka`: which client carries the load.
    backend: Backend, text::word, ToString::to_string;
    /// `connections=2`: a shared pool of pipelined connections to each broker. Without it, each
    /// worker has its own.
    connections: NonZeroUsize, text::number_from_one, ToString::to_string;
    /// `in_flight=5`: most requests in flight on one shared connection. Needs `connections`.
    in_flight: NonZeroUsize, text::number_from_one, ToString::to_string;
    /// `batch=1`: records of one produce request.
    batch: NonZeroU32, text::number_from_one, ToString::to_string;
    /// `partition=0|round_robin|sticky|key`: which partitions records go to, or which one is read.
    partition: Partitioning, text::partitioning, text::print_partitioning;
    /// `max_wait=500ms`: how long a broker may wait for `min_bytes`, at most an hour.
    max_wait: Duration, text::wait, text::print_duration;
    /// `min_bytes=1`: bytes of records that end the wait of a fetch.
    min_bytes: i32, text::bytes::<0>, ToString::to_string;
    /// `max_bytes=4194304`: most bytes of records that one fetch brings.
    max_bytes: i32, text::bytes::<1>, ToString::to_string;
    /// `isolation=read_uncommitted|read_committed`: which records a fetch sees.
    isolation: Isolation, text::word, ToString::to_string;
}

impl UrlOptions {
    pub(super) fn parse(query: &str) -> Result<Self, UrlError> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !Self::NAMES.contains(&name) {
                let option = name.to_owned();
                return Err(UrlError::UnknownOption { option });
            }
            if value.is_empty() {
                let option = name.to_owned();
                return Err(UrlError::NoValue { option });
            }
            options.set(name, &text::unescape(value))?;
        }
        if options.in_flight.is_some() && options.connections.is_none() {
            return Err(UrlError::Needs {
                option: "in_flight",
                needs: "connections",
            });
        }
        Ok(options)
    }

    /// Every option's name, as a list for a message.
    pub(super) fn names() -> String {
        Self::NAMES.join(", ")
    }
}
