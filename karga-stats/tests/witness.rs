//! The figures of a histogram beside those of the hdrhistogram crate.

use std::time::Duration;

use karga_stats::Histogram;
use proptest::{collection::vec, prelude::*};

/// The greatest value of the witness: 2^42 - 1, the end of our own range.
const END: u64 = (1 << 42) - 1;

fn value() -> impl Strategy<Value = u64> {
    (0_u32..=42, any::<u64>()).prop_map(|(bits, n)| (n % (1 << bits)).min(END - 1))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn figures_are_those_of_the_witness(values in vec(value(), 1..500), q in 0.0..=1.0_f64) {
        let mut ours = Histogram::new();
        let mut witness = hdrhistogram::Histogram::<u64>::new_with_bounds(1, END, 3).unwrap();
        for &value in &values {
            ours.record(Duration::from_nanos(value));
            witness.record(value).unwrap();
        }
        prop_assert_eq!(ours.count(), witness.len());
        for q in [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0, q] {
            // The witness answers with the upper edge of the bucket, also
            // where that lies above the maximum.
            let theirs = witness.value_at_quantile(q).min(*values.iter().max().unwrap());
            prop_assert_eq!(ours.quantile(q), Duration::from_nanos(theirs), "at {}", q);
        }
        let buckets = witness.iter_recorded().map(|bucket| {
            (bucket.value_iterated_to(), bucket.count_at_value())
        });
        let own = ours.buckets().map(|(_, high, count)| (high.as_nanos() as u64, count));
        prop_assert!(own.eq(buckets));
    }

    #[test]
    fn quantiles_are_never_too_small_and_at_most_a_1024th_too_large(
        mut values in vec(value(), 1..500),
        q in 0.0..=1.0_f64,
    ) {
        let mut ours = Histogram::new();
        values.iter().for_each(|&value| ours.record(Duration::from_nanos(value)));
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        let answer = ours.quantile(q).as_nanos() as u64;
        prop_assert!(exact <= answer && answer <= exact + exact / 1024, "{} {}", exact, answer);
    }

    #[test]
    fn least_greatest_and_mean_are_exact_and_the_deviation_close(values in vec(value(), 1..500)) {
        let mut ours = Histogram::new();
        values.iter().for_each(|&value| ours.record(Duration::from_nanos(value)));
        let n = values.len() as u128;
        let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
        prop_assert_eq!(ours.min().as_nanos() as u64, *values.iter().min().unwrap());
        prop_assert_eq!(ours.max().as_nanos() as u64, *values.iter().max().unwrap());
        prop_assert_eq!(ours.mean().as_nanos(), sum / n);
        let mean = sum as f64 / n as f64;
        let squares: f64 = values.iter().map(|&value| (value as f64 - mean).powi(2)).sum();
        let exact = (squares / n as f64).sqrt();
        // No value is further from the middle of its bucket than a 2048th.
        let tolerance = ours.max().as_nanos() as f64 / 2048.0 + 1.0;
        prop_assert!((ours.stdev().as_nanos() as f64 - exact).abs() <= tolerance);
    }
}
