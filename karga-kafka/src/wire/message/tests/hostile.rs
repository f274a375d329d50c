//! Each message against garbage.

use proptest::prelude::*;

use super::*;

#[test]
fn a_false_count_in_a_short_answer_is_refused() {
    let mut wire = BytesMut::new();
    wire.put_i32(5); // correlation id
    wire.put_i32(0x7fff_ffff); // topics
    wire.put_i32(0);
    let error = decode_answer(&produce(Acks::All), 3, wire.freeze()).unwrap_err();
    assert!(
        matches!(
            error,
            Malformed::Count {
                count: 0x7fff_ffff,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_cold_answer_of_many_megabytes_is_refused() {
    let wire = Bytes::from(vec![0; AskMetadata::MAX_ANSWER + 1]);
    let error = decode_answer(&AskMetadata { topic: None }, 12, wire).unwrap_err();
    assert!(matches!(error, Malformed::TooLong { .. }), "{error}");
}

/// Reads bytes as the answer to every kind of request, at every version.
fn read_as_everything(bytes: &Bytes) {
    fn all<C: Call>(call: &C, bytes: &Bytes) {
        for version in versions(call) {
            let _ = decode_answer(call, version, bytes.clone());
        }
    }
    let settings = FetchSettings::default();
    let positions = [Position::new(3, 0)];
    all(&produce(Acks::All), bytes);
    all(&fetch(&settings, &positions), bytes);
    all(&LIST, bytes);
    all(&AskMetadata { topic: None }, bytes);
    all(&AskVersions { version: 3 }, bytes);
    all(&CREATE, bytes);
    all(&DELETE, bytes);
    all(&InitProducerId, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_an_error_or_an_answer_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        read_as_everything(&Bytes::from(bytes));
    }

    #[test]
    fn a_damaged_answer_is_an_error_or_an_answer_and_never_a_panic(
        version in 4_i16..=13,
        which in 0..2,
        at in any::<prop::sample::Index>(),
        value in any::<[u8; 4]>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = match which {
            0 => answer(Api::Produce, version, &produce_response(version, 0)),
            _ => answer(Api::Fetch, version, &fetch_response(version)),
        };
        let mut damaged = whole.to_vec();
        let start = at.index(damaged.len());
        for (byte, value) in damaged[start..].iter_mut().zip(value) {
            *byte = value;
        }
        read_as_everything(&Bytes::from(damaged));
        // Shortened by at least a byte, nothing can be whole.
        let cut = whole.slice(..cut.index(whole.len()));
        let settings = FetchSettings::default();
        let positions = [Position::new(3, 0), Position::new(0, 0)];
        match which {
            0 => prop_assert!(decode_answer(&produce(Acks::All), version, cut).is_err()),
            _ => prop_assert!(decode_answer(&fetch(&settings, &positions), version, cut).is_err()),
        }
    }
}
