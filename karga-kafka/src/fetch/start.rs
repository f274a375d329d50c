//! Where each partition is read from at the start.

use super::{StartOffset, shares::Slot};
use crate::{
    backend::{
        error::SetupError,
        native::{Cluster, Place},
    },
    client::{ListedOffset, OffsetSpec},
    config::Isolation,
};

/// The partitions at their start.
pub(super) async fn slots(
    cluster: &Cluster,
    place: &Place,
    partitions: &[i32],
    start: StartOffset,
    isolation: Isolation,
) -> Result<Vec<Slot>, SetupError> {
    let session = cluster.client.exclusive_session();
    let list = async |spec| {
        session
            .list_offsets(&cluster.topic, partitions, spec, isolation)
            .await
            .map_err(|error| place.failed(error))
    };
    let latest = list(OffsetSpec::Latest).await?;
    let from: Vec<i64> = match start {
        StartOffset::Latest => offsets(&latest),
        StartOffset::Earliest => offsets(&list(OffsetSpec::Earliest).await?),
        StartOffset::Timestamp(at) => {
            let found = list(OffsetSpec::Timestamp(at)).await?;
            // -1 stands for no such record.
            let or_latest = |(found, latest): (&ListedOffset, &ListedOffset)| {
                if found.offset < 0 {
                    latest.offset
                } else {
                    found.offset
                }
            };
            found.iter().zip(&latest).map(or_latest).collect()
        }
        StartOffset::Offset(offset) => {
            let earliest = list(OffsetSpec::Earliest).await?;
            for (earliest, latest) in earliest.iter().zip(&latest) {
                if !(earliest.offset..=latest.offset).contains(&offset) {
                    return Err(SetupError::StartOffset {
                        topic: place.topic.clone(),
                        partition: latest.partition,
                        offset,
                        earliest: earliest.offset,
                        latest: latest.offset,
                    });
                }
            }
            vec![offset; partitions.len()]
        }
    };
    let slot = |(latest, position): (&ListedOffset, i64)| Slot {
        partition: latest.partition,
        position,
        high_watermark: latest.offset,
    };
    Ok(latest.iter().zip(from).map(slot).collect())
}

fn offsets(listed: &[ListedOffset]) -> Vec<i64> {
    listed.iter().map(|one| one.offset).collect()
}
