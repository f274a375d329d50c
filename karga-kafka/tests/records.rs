//! The record batch codec from outside: round trips, an independent witness, hostile bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    protocol::StrBytes,
    records as witness,
    records::{RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use karga_kafka::records::{
    BatchEncoder, BatchError, BatchHeader, BatchSettings, Batches, Compression, Decompressor,
    Header, Producer, Record,
};
use proptest::{collection::vec, option, prelude::*};

type OwnedHeader = (String, Option<Vec<u8>>);

#[derive(Clone, Debug, PartialEq)]
struct Owned {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<OwnedHeader>,
    timestamp: i64,
}

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    // Few names, so that keys repeat.
    let headers = vec(("[ab]{0,2}", option::of(vec(any::<u8>(), 0..20))), 0..4);
    let timestamp = prop_oneof![0..2_000_000_000_000i64, any::<i64>()];
    (bytes(), bytes(), headers, timestamp).prop_map(|(key, value, headers, timestamp)| Owned {
        key,
        value,
        headers,
        timestamp,
    })
}

fn compression() -> impl Strategy<Value = Compression> {
    prop::sample::select(&Compression::ALL[..])
}

fn encode(records: &[Owned], settings: BatchSettings, out: &mut BytesMut) {
    let mut encoder = BatchEncoder::new();
    let mut batch = encoder.begin(out, settings);
    for record in records {
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let mut view = Record::null().headers(&headers).timestamp(record.timestamp);
        view.key = record.key.as_deref();
        view.value = record.value.as_deref();
        batch.push(&view).unwrap();
    }
    batch.finish().unwrap();
}

/// Everything that the reader says of one batch, or its first error.
fn decode(bytes: &[u8]) -> Result<(BatchHeader, Vec<(i64, Owned)>), BatchError> {
    let batch = Batches::new(bytes).next().expect("a whole batch")?;
    batch.verify_crc()?;
    let mut decompressor = Decompressor::new();
    let records = batch
        .records(&mut decompressor)?
        .map(|record| {
            let record = record?;
            let headers = record.headers().map(|header| {
                let header = header.expect("UTF-8");
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            });
            let owned = Owned {
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: headers.collect(),
                timestamp: record.timestamp(),
            };
            Ok((record.offset(), owned))
        })
        .collect::<Result<_, BatchError>>()?;
    Ok((*batch.header(), records))
}

/// Touches whatever there is to touch: must neither panic nor take memory by a claim.
fn walk(bytes: &[u8]) -> usize {
    let mut decompressor = Decompressor::with_limit(1 << 20);
    let mut batches = Batches::new(bytes);
    let mut seen = 0;
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        let _ = batch.verify_crc();
        if let Ok(records) = batch.records(&mut decompressor) {
            for record in records {
                let Ok(record) = record else { break };
                seen += 1 + record.headers().map(usize::from_header).sum::<usize>();
            }
        }
    }
    let _ = batches.partial();
    seen
}

trait FromHeader {
    fn from_header(header: Result<Header<'_>, (&[u8], Option<&[u8]>)>) -> usize;
}

impl FromHeader for usize {
    fn from_header(header: Result<Header<'_>, (&[u8], Option<&[u8]>)>) -> usize {
        header.map_or_else(|(key, _)| key.len(), |header| header.key.len())
    }
}

/// The same records by another's encoder, which knows no repeated header keys.
fn by_witness(records: &[Owned], compression: Compression) -> BytesMut {
    let records: Vec<_> = records
        .iter()
        .enumerate()
        .map(|(i, record)| witness::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 3,
            producer_id: 9,
            producer_epoch: 1,
            timestamp_type: TimestampType::Creation,
            offset: 100 + i as i64,
            sequence: i32::try_from(i).unwrap(),
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers: record
                .headers
                .iter()
                .map(|(key, value)| {
                    (
                        StrBytes::from_string(key.clone()),
                        value.clone().map(Bytes::from),
                    )
                })
                .collect::<IndexMap<_, _>>(),
        })
        .collect();
    let options = RecordEncodeOptions {
        version: 2,
        compression: match compression {
            Compression::None => witness::Compression::None,
            Compression::Gzip => witness::Compression::Gzip,
            Compression::Snappy => witness::Compression::Snappy,
            Compression::Lz4 => witness::Compression::Lz4,
            Compression::Zstd => witness::Compression::Zstd,
        },
    };
    let mut out = BytesMut::new();
    let compressor = |input: &mut BytesMut, out: &mut BytesMut, _| {
        let compressed = match compression {
            Compression::None => input.to_vec(),
            Compression::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(input)?;
                encoder.finish()?
            }
            // A bare block, as librdkafka writes it.
            Compression::Snappy => snap::raw::Encoder::new().compress_vec(input)?,
            Compression::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(input)?;
                encoder.finish()?
            }
            Compression::Zstd => zstd::stream::encode_all(&input[..], 1)?,
        };
        out.extend_from_slice(&compressed);
        Ok(())
    };
    RecordBatchEncoder::encode_with_custom_compression(
        &mut out,
        records.iter(),
        &options,
        Some(compressor),
    )
    .unwrap();
    out
}

/// What another's decoder reads.
fn read_by_witness(bytes: &BytesMut) -> Vec<witness::Record> {
    let decompressor = |input: &mut Bytes, compression| {
        let mut out = Vec::new();
        match compression {
            witness::Compression::None => out.extend_from_slice(input),
            witness::Compression::Gzip => {
                flate2::read::GzDecoder::new(&input[..]).read_to_end(&mut out)?;
            }
            witness::Compression::Snappy => {
                let mut rest = input
                    .strip_prefix(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01")
                    .unwrap();
                while let Some((len, body)) = rest.split_first_chunk() {
                    let (block, next) = body.split_at(u32::from_be_bytes(*len) as usize);
                    out.extend(snap::raw::Decoder::new().decompress_vec(block)?);
                    rest = next;
                }
            }
            witness::Compression::Lz4 => {
                lz4_flex::frame::FrameDecoder::new(&input[..]).read_to_end(&mut out)?;
            }
            witness::Compression::Zstd => zstd::stream::copy_decode(&input[..], &mut out)?,
        }
        Ok(Bytes::from(out))
    };
    RecordBatchDecoder::decode_with_custom_compression(
        &mut bytes.clone().freeze(),
        Some(decompressor),
    )
    .unwrap()
    .records
}

/// Neither wraps around nor repeats a key, since the witness can do neither.
fn plain(mut records: Vec<Owned>) -> Vec<Owned> {
    for record in &mut records {
        record.timestamp &= (1 << 50) - 1;
        let mut seen = std::collections::HashSet::new();
        record.headers.retain(|(key, _)| seen.insert(key.clone()));
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        records in vec(owned(), 1..40),
        compression in compression(),
        producer in option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX)),
        transactional: bool,
        before in vec(any::<u8>(), 0..10),
    ) {
        let producer = producer
            .map(|(id, epoch, base_sequence)| Producer { id, epoch, base_sequence });
        let mut settings =
            BatchSettings::new().compression(compression).transactional(transactional);
        if let Some(producer) = producer {
            settings = settings.producer(producer);
        }
        let mut out = BytesMut::from(&before[..]);
        encode(&records, settings, &mut out);
        prop_assert_eq!(&out[..before.len()], &before[..]);

        let (header, back) = decode(&out[before.len()..]).unwrap();
        prop_assert_eq!(header.producer(), producer);
        prop_assert_eq!(header.compression(), Some(compression));
        prop_assert_eq!(header.is_transactional(), transactional);
        prop_assert!(!header.is_control() && !header.is_log_append_time());
        prop_assert_eq!(header.count as usize, records.len());
        prop_assert_eq!(header.last_offset_delta, header.count - 1);
        prop_assert_eq!(header.base_timestamp, records[0].timestamp);
        prop_assert_eq!(Some(header.max_timestamp), records.iter().map(|r| r.timestamp).max());
        for (i, (record, (offset, read))) in records.iter().zip(&back).enumerate() {
            prop_assert_eq!(*offset, i as i64);
            prop_assert_eq!(record, read);
        }
        prop_assert_eq!(records.len(), back.len());
    }

    #[test]
    fn a_witness_reads_what_we_write(
        records in vec(owned(), 1..20).prop_map(plain),
        compression in compression(),
    ) {
        let mut out = BytesMut::new();
        let producer = Producer { id: 9, epoch: 1, base_sequence: 5 };
        encode(&records, BatchSettings::new().compression(compression).producer(producer), &mut out);
        let read = read_by_witness(&out);
        prop_assert_eq!(read.len(), records.len());
        for (i, (record, read)) in records.iter().zip(read).enumerate() {
            prop_assert_eq!(record.key.as_deref(), read.key.as_deref());
            prop_assert_eq!(record.value.as_deref(), read.value.as_deref());
            prop_assert_eq!(record.timestamp, read.timestamp);
            prop_assert_eq!(read.offset, i as i64);
            prop_assert_eq!((read.producer_id, read.producer_epoch), (9, 1));
            let headers: Vec<_> = read
                .headers
                .iter()
                .map(|(key, value)| (key.to_string(), value.as_ref().map(|v| v.to_vec())))
                .collect();
            prop_assert_eq!(&record.headers, &headers);
        }
    }

    #[test]
    fn we_read_what_a_witness_writes(
        records in vec(owned(), 1..20).prop_map(plain),
        compression in compression(),
    ) {
        let (header, back) = decode(&by_witness(&records, compression)).unwrap();
        prop_assert_eq!((header.base_offset, header.leader_epoch), (100, 3));
        let expected: Vec<_> =
            records.into_iter().enumerate().map(|(i, r)| (100 + i as i64, r)).collect();
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn one_flipped_bit_never_passes_unseen(
        records in vec(owned(), 1..5),
        compression in compression(),
        place: prop::sample::Index,
        bit in 0..8u32,
    ) {
        let mut out = BytesMut::new();
        encode(&records, BatchSettings::new().compression(compression), &mut out);
        // From the CRC on; what lies before is the broker's, or the length.
        let at = 17 + place.index(out.len() - 17);
        out[at] ^= 1u8 << bit;
        let error = decode(&out).unwrap_err();
        prop_assert!(matches!(error, BatchError::Crc { .. }), "{}", error);
        walk(&out);
    }

    #[test]
    fn damage_behind_a_good_crc_is_an_error_or_other_records(
        records in vec(owned(), 1..5),
        compression in compression(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut out = BytesMut::new();
        encode(&records, BatchSettings::new().compression(compression), &mut out);
        for (place, byte) in damage {
            let at = 21 + place.index(out.len() - 21);
            out[at] = byte;
        }
        let crc = crc32c::crc32c(&out[21..]);
        out[17..21].copy_from_slice(&crc.to_be_bytes());
        walk(&out);
    }

    #[test]
    fn random_bytes_are_survived(mut bytes in vec(any::<u8>(), 0..300), length in 0..300i32) {
        walk(&bytes);
        // The same with a header that is believed.
        if bytes.len() > 61 {
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
            walk(&bytes);
            bytes[57..61].copy_from_slice(&5i32.to_be_bytes());
            bytes[21..23].copy_from_slice(&[0, 0]);
            walk(&bytes);
        }
    }

    #[test]
    fn random_compressed_bytes_are_survived(
        body in vec(any::<u8>(), 0..200),
        compression in compression(),
    ) {
        let mut out = BytesMut::new();
        let one = Owned { key: None, value: None, headers: vec![], timestamp: 0 };
        encode(&[one], BatchSettings::new().compression(compression), &mut out);
        for keep in [61, 65, 71, 77] {
            let mut bytes = out.clone();
            bytes.truncate(keep);
            bytes.extend_from_slice(&body);
            let length = i32::try_from(bytes.len() - 12).unwrap();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            walk(&bytes);
        }
    }
}

#[test]
fn every_truncation_is_partial_and_every_shortened_batch_an_error() {
    let records = [
        Owned {
            key: Some(b"key".to_vec()),
            value: Some(vec![7; 300]),
            headers: vec![("h".into(), None), ("h".into(), Some(b"x".to_vec()))],
            timestamp: 5,
        },
        Owned {
            key: None,
            value: None,
            headers: vec![],
            timestamp: -5,
        },
    ];
    for compression in Compression::ALL {
        let mut whole = BytesMut::new();
        encode(
            &records,
            BatchSettings::new().compression(compression),
            &mut whole,
        );
        for cut in 0..whole.len() {
            let mut batches = Batches::new(&whole[..cut]);
            assert!(batches.next().is_none(), "{compression} cut at {cut}");
            assert_eq!(
                batches.partial().map(|p| p.available),
                (cut > 0).then_some(cut)
            );
        }
        // Its length and checksum agree with the cut, and still it must not pass for whole.
        for cut in 61..whole.len() {
            let mut short = BytesMut::from(&whole[..cut]);
            let length = i32::try_from(cut - 12).unwrap();
            short[8..12].copy_from_slice(&length.to_be_bytes());
            let crc = crc32c::crc32c(&short[21..]);
            short[17..21].copy_from_slice(&crc.to_be_bytes());
            let all_there = compression == Compression::Lz4 && whole.len() - cut <= 4;
            if let Ok((_, back)) = decode(&short) {
                assert!(
                    all_there,
                    "{compression} cut at {cut} gave {} records",
                    back.len()
                );
            }
        }
    }
}

#[test]
fn claimed_counts_cost_nothing() {
    let mut out = BytesMut::new();
    let one = Owned {
        key: None,
        value: Some(b"v".to_vec()),
        headers: vec![],
        timestamp: 0,
    };
    encode(&[one], BatchSettings::new(), &mut out);
    for count in [2, 0, i32::MAX, -1, i32::MIN] {
        let mut bytes = out.clone();
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes).unwrap_err();
        match count {
            0 => assert!(
                matches!(error, BatchError::Trailing { bytes: 8, .. }),
                "{error}"
            ),
            _ => assert!(matches!(error, BatchError::Count { count: c, .. } if c == count)),
        }
    }
}

#[test]
fn a_header_key_that_is_no_text_is_handed_over_as_bytes() {
    let mut out = BytesMut::new();
    let one = Owned {
        key: None,
        value: None,
        headers: vec![("k".into(), Some(b"v".to_vec()))],
        timestamp: 0,
    };
    encode(&[one], BatchSettings::new(), &mut out);
    let at = out.iter().rposition(|byte| *byte == b'k').unwrap();
    out[at] = 0xff;
    let mut decompressor = Decompressor::new();
    let batch = Batches::new(&out).next().unwrap().unwrap();
    let record = batch
        .records(&mut decompressor)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let headers: Vec<_> = record.headers().collect();
    assert_eq!(headers, [Err((&b"\xff"[..], Some(&b"v"[..])))]);
}
