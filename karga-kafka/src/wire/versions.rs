//! Which version of each request to speak: the newest that both sides know.

use std::fmt;

/// A kind of request that this client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Appends record batches.
    Produce,
    /// Reads record batches.
    Fetch,
    /// Finds offsets by time.
    ListOffsets,
    /// Brokers, topics and their leaders.
    Metadata,
    /// What the broker speaks.
    ApiVersions,
    /// Makes topics.
    CreateTopics,
    /// Removes topics.
    DeleteTopics,
    /// An identity for an idempotent producer.
    InitProducerId,
}

/// What the protocol fixes for a kind of request.
struct Facts {
    key: i16,
    /// The versions that this client writes and reads.
    ours: VersionRange,
    /// The first version in the flexible encoding (KIP-482).
    flexible_from: i16,
}

const fn facts(key: i16, min: i16, max: i16, flexible_from: i16) -> Facts {
    Facts {
        key,
        ours: VersionRange { min, max },
        flexible_from,
    }
}

impl Api {
    const ALL: [Self; 8] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::ApiVersions,
        Self::CreateTopics,
        Self::DeleteTopics,
        Self::InitProducerId,
    ];

    // The lower ends are the oldest versions that carry record batches of format 2 (Kafka 0.11) or
    // that Kafka 4 still speaks; the upper ends are what the messages in this crate are written for.
    const fn facts(self) -> Facts {
        match self {
            Self::Produce => facts(0, 3, 13, 9),
            Self::Fetch => facts(1, 4, 16, 12),
            Self::ListOffsets => facts(2, 1, 7, 6),
            Self::Metadata => facts(3, 4, 12, 9),
            Self::ApiVersions => facts(18, 0, 3, 3),
            Self::CreateTopics => facts(19, 2, 7, 5),
            Self::DeleteTopics => facts(20, 1, 6, 4),
            Self::InitProducerId => facts(22, 0, 4, 2),
        }
    }

    /// The number of this kind in a request's header.
    pub const fn key(self) -> i16 {
        self.facts().key
    }

    /// The versions that this client can speak.
    pub const fn ours(self) -> VersionRange {
        self.facts().ours
    }

    /// Whether `version` of this request and its answer are in the flexible encoding.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.facts().flexible_from
    }

    /// The name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Fetch => "Fetch",
            Self::ListOffsets => "ListOffsets",
            Self::Metadata => "Metadata",
            Self::ApiVersions => "ApiVersions",
            Self::CreateTopics => "CreateTopics",
            Self::DeleteTopics => "DeleteTopics",
            Self::InitProducerId => "InitProducerId",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Versions of one kind of request, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionRange {
    /// The oldest.
    pub min: i16,
    /// The newest.
    pub max: i16,
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// A kind of request of which the broker and this client have no version in common.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no version of {api} in common: this client speaks {}, the broker {}; \
     Apache Kafka 0.11 to 4.x is supported",
    .api.ours(),
    .theirs.map_or_else(|| "none".to_owned(), |range| range.to_string())
)]
#[non_exhaustive]
pub struct Unsupported {
    /// The kind of request.
    pub api: Api,
    /// What the broker speaks; `None` when it does not know the kind at all.
    pub theirs: Option<VersionRange>,
}

/// What one connection's broker speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions {
    theirs: [Option<VersionRange>; Api::ALL.len()],
}

impl Versions {
    /// From the broker's answer: (key, oldest, newest) of each kind. Others than ours are ignored.
    pub(crate) fn from_answer(entries: impl IntoIterator<Item = (i16, i16, i16)>) -> Self {
        let mut theirs = [None; Api::ALL.len()];
        for (key, min, max) in entries {
            if let Some(at) = Api::ALL.iter().position(|api| api.key() == key) {
                theirs[at] = Some(VersionRange { min, max });
            }
        }
        Self { theirs }
    }

    /// The newest version of `api` that both sides speak.
    ///
    /// # Errors
    /// [`Unsupported`] when there is none.
    pub(crate) fn newest(&self, api: Api) -> Result<i16, Unsupported> {
        self.newest_up_to(api, i16::MAX)
    }

    /// The newest version of `api` that both sides speak and that is at most `limit`.
    ///
    /// # Errors
    /// [`Unsupported`] when there is none.
    pub(crate) fn newest_up_to(&self, api: Api, limit: i16) -> Result<i16, Unsupported> {
        let theirs = self.theirs[api as usize];
        let ours = api.ours();
        theirs
            .map(|range| (range.min.max(ours.min), range.max.min(ours.max).min(limit)))
            .and_then(|(min, max)| (min <= max).then_some(max))
            .ok_or(Unsupported { api, theirs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_at_their_own_index() {
        for (at, api) in Api::ALL.into_iter().enumerate() {
            assert_eq!(api as usize, at);
        }
    }

    #[test]
    fn flexible_versions_agree_with_an_independent_table() {
        use kafka_protocol::messages::ApiKey;
        for api in Api::ALL {
            let theirs = ApiKey::try_from(api.key()).unwrap();
            assert_eq!(format!("{theirs:?}"), api.name());
            for version in api.ours().min..=api.ours().max {
                let flexible = theirs.request_header_version(version) == 2;
                assert_eq!(api.is_flexible(version), flexible, "{api} {version}");
            }
        }
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        let versions = Versions::from_answer([(1, 0, 11), (0, 3, 99), (77, 0, 1)]);
        assert_eq!(versions.newest(Api::Fetch), Ok(11));
        assert_eq!(versions.newest(Api::Produce), Ok(13));
        assert_eq!(versions.newest_up_to(Api::Produce, 12), Ok(12));
    }

    #[test]
    fn nothing_in_common_names_both_ranges() {
        let versions = Versions::from_answer([(1, 17, 20)]);
        let text = versions.newest(Api::Fetch).unwrap_err().to_string();
        assert!(
            text.contains("speaks 4 to 16, the broker 17 to 20"),
            "{text}"
        );
        let text = versions.newest(Api::Metadata).unwrap_err().to_string();
        assert!(text.contains("the broker none"), "{text}");
    }
}
