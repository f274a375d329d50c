//! The hdrhistogram crate reads what we write, and we what it writes.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::serialization::{
    Deserializer, V2DeflateSerializer,
    interval_log::{IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag},
};
use karga_core::{Account, Aggregate, Iteration, Metric, Outcome, Run, Sample, Step};
use karga_stats::{
    Histogram, HistogramAggregate,
    hdr_log::{self, Intervals},
};
use proptest::{collection::vec, prelude::*};

type Witness = hdrhistogram::Histogram<u64>;

/// With a label, and one step.
struct Operation(&'static str, [Step; 1]);

impl Metric for Operation {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn label(&self) -> Option<Cow<'static, str>> {
        Some(self.0.into())
    }
    fn steps(&self) -> &[Step] {
        &self.1
    }
}

/// Times within the range of a histogram, in every order of magnitude.
fn nanos() -> impl Strategy<Value = u64> {
    (0_u32..42, any::<u64>()).prop_map(|(bits, n)| n % (2 << bits) % (1 << 42))
}

fn witnessed(values: impl IntoIterator<Item = u64>) -> Witness {
    let mut witness = Witness::new_with_bounds(1, (1 << 42) - 1, 3).expect("the bounds are valid");
    for value in values {
        witness.record(value).expect("it is in bounds");
    }
    witness
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(30)
    })]

    #[test]
    fn the_crate_reads_what_was_written(
        samples in vec((nanos(), nanos(), 0_usize..3, 0_u64..10_000), 1..60),
    ) {
        const LABELS: [&str; 3] = ["", "log in", "view"];
        const TAGS: [&str; 3] = ["/response_time", "log%20in/response_time", "view/response_time"];
        let mut aggregate = HistogramAggregate::default();
        let mut expected = BTreeMap::<Option<&str>, Vec<u64>>::new();
        for &(took, step, label, end) in &samples {
            let step = [Step::new("dns", Duration::from_nanos(step))];
            // So late that no time is cut off at t0.
            let end = Duration::from_secs(1 << 16) + Duration::from_millis(end);
            let due = end - Duration::from_nanos(took);
            let metric = Operation(LABELS[label], step);
            expected.entry(None).or_default().push(took);
            expected.entry(Some(TAGS[label])).or_default().push(took);
            expected.entry(Some("service_time")).or_default().push(took);
            expected.entry(Some("lateness")).or_default().push(0);
            expected.entry(Some("step:dns")).or_default().push(metric.1[0].duration.as_nanos() as u64);
            aggregate.record(&Sample::new(Iteration::new(0, 0, due), due, end, metric));
        }
        let account = Account::new(samples.len() as u64, samples.len() as u64, 0, 0);
        let run = Run::new("witnessed", aggregate, account, Duration::from_secs(1 << 17));
        let mut log = Vec::new();
        hdr_log::write(&run, &mut log).expect("it can be written");

        let mut read = BTreeMap::<Option<String>, Witness>::new();
        for entry in IntervalLogIterator::new(&log) {
            let LogEntry::Interval(interval) = entry.expect("it can be read") else { continue };
            let bytes = STANDARD.decode(interval.encoded_histogram()).expect("it is base64");
            let histogram: Witness = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .expect("it is a histogram");
            let tag = interval.tag().map(|tag| tag.as_str().to_owned());
            let whole = read.entry(tag).or_insert_with(|| witnessed([]));
            whole.add(&histogram).expect("it fits");
        }
        for (tag, values) in expected {
            let read = read.get(&tag.map(str::to_owned));
            prop_assert_eq!(read, Some(&witnessed(values)), "{:?}", tag);
        }
    }

    #[test]
    fn what_the_crate_writes_is_read(
        values in vec(nanos(), 0..200),
        digits in 1_u8..=5,
        lowest in prop_oneof![Just(1_u64), 1_u64..5_000],
        unit in prop_oneof![Just(1_u64), Just(1_000)],
    ) {
        let mut theirs = Witness::new_with_bounds(lowest, 1 << 43, digits).expect("the bounds are valid");
        for value in &values {
            theirs.record(value / unit).expect("it is in bounds");
        }
        let mut log = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut writer = IntervalLogWriterBuilder::new()
            .add_comment("by another program")
            .with_start_time(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000))
            .with_base_time(std::time::UNIX_EPOCH)
            .begin_log_with(&mut log, &mut serializer)
            .expect("it begins");
        let (start, length) = (Duration::from_millis(1_250), Duration::from_millis(500));
        for tag in [None, Tag::new("a-tag")] {
            writer.write_histogram(&theirs, start, length, tag).expect("it can be written");
        }
        let read: Result<Vec<_>, _> =
            Intervals::new(log.as_slice()).unit(Duration::from_nanos(unit)).collect();
        let [untagged, tagged] = read.expect("it can be read").try_into().expect("there are two");
        prop_assert_eq!((untagged.start, untagged.length, untagged.tag), (start, length, None));
        prop_assert_eq!(tagged.tag.as_deref(), Some("a-tag"));
        prop_assert_eq!(&tagged.histogram, &untagged.histogram);

        let ours = untagged.histogram;
        prop_assert_eq!(ours.count(), theirs.len());
        let scaled = |value: u64| Duration::from_nanos(value * unit);
        // Of nothing but zeros the crate calls zero the greatest, not the end of its bucket.
        let greatest = theirs.highest_equivalent(theirs.max());
        prop_assert_eq!(ours.max(), if values.is_empty() { Duration::ZERO } else { scaled(greatest) });
        let least = theirs.lowest_equivalent(theirs.min());
        prop_assert_eq!(ours.min(), if values.is_empty() { Duration::ZERO } else { scaled(least) });
        let mean = theirs.mean() * unit as f64;
        prop_assert!((ours.mean().as_nanos() as f64 - mean).abs() <= mean * 1e-9 + 1.0);
        for q in [0.5, 0.9, 0.99] {
            let (ours, theirs) = (ours.quantile(q), scaled(theirs.value_at_quantile(q)));
            prop_assert!(ours >= theirs && ours.as_nanos() <= theirs.as_nanos() + theirs.as_nanos() / 1024 + 1);
        }
        if (digits, lowest, unit) == (3, 1, 1) {
            let mut same = Histogram::new();
            values.iter().for_each(|&value| same.record(Duration::from_nanos(value)));
            prop_assert!(ours.buckets().map(|(low, _, count)| (low, count))
                .eq(same.buckets().map(|(low, _, count)| (low, count))));
        }
    }
}
