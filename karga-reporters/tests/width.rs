//! No line is wider than 80 columns, whatever the summary says.

mod common;

use std::{sync::LazyLock, time::Duration};

use common::{failing, lagging};
use karga_core::{Detail, LoadModel, StopReason};
use karga_reporters::StdoutReporter;
use karga_stats::{LatencySummary, Summary, ThresholdSummary, Verdict, WarmUpSummary};
use proptest::prelude::*;

static PATTERN: LazyLock<Summary> =
    LazyLock::new(|| Summary::from_runs("pattern", [&failing(), &lagging()]));

/// Any number, of any order of magnitude.
fn number() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(bits, n)| n >> bits)
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => number().prop_map(|n| n as f64 / 1000.0),
        1 => any::<f64>(),
    ]
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => number().prop_map(Duration::from_nanos),
        1 => any::<Duration>(),
    ]
}

/// Letters of all widths and directions, control characters, long words.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{0,40}",
        4 => "\\PC{0,100}",
        1 => any::<String>(),
        1 => "[漢字☁\u{fe0f}👩\u{200d}🔬 ]{0,120}",
    ]
}

fn latency() -> impl Strategy<Value = LatencySummary> {
    (number(), prop::array::uniform8(time())).prop_map(|(count, times)| {
        let mut latency = LatencySummary::default();
        latency.count = count;
        [
            latency.min,
            latency.mean,
            latency.p50,
            latency.p90,
            latency.p99,
            latency.p99_9,
            latency.p99_99,
            latency.max,
        ] = times;
        latency
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    })]

    #[test]
    fn no_line_is_wider_than_80_columns(
        names in prop::array::uniform8(text()),
        numbers in prop::array::uniform16(number()),
        floats in prop::array::uniform4(float()),
        times in (time(), time(), latency(), latency()),
        observer in any::<bool>(),
    ) {
        let mut summary = Summary::clone(&PATTERN);
        summary.name.clone_from(&names[0]);
        for row in &mut summary.scenarios {
            row.name.clone_from(&names[1]);
            if observer {
                row.stop = StopReason::Observer(names[2].clone());
            }
            [row.planned, row.completed, row.succeeded, row.failed, row.unknown, row.dropped,
             row.interrupted, row.messages, row.bytes_sent, row.bytes_received, ..] = numbers;
            [row.offered_rate, row.achieved_rate, row.generator.cpu_seconds, _] = floats;
            row.generator.busy = Some(floats[3]);
            row.generator.peak_in_flight = numbers[10];
            row.generator.workers = numbers[11];
            row.generator.verdict = [
                Verdict::Healthy,
                Verdict::Saturated,
                Verdict::InFlightLimit,
                Verdict::NoSamples,
            ][numbers[15] as usize % 4];
            row.generator.reason = Some(names[3].clone());
            (row.elapsed, row.load_time, row.response_time, row.lateness) = times;
            row.warnings.push(names[4].clone());
            row.details.push(Detail::new(names[6].clone(), names[5].clone()));
            for (at, name) in [&names[5], &names[3]].into_iter().enumerate() {
                let mut threshold = ThresholdSummary::new(name.clone(), at == 1);
                threshold.reason.clone_from(&names[4]);
                threshold.stopped_at = Some(floats[0]);
                threshold.last_good_rate = Some(floats[1]);
                row.thresholds.push(threshold);
            }
            row.model = [LoadModel::Open, LoadModel::Paced, LoadModel::Closed][numbers[14] as usize % 3];
            row.start_offset = times.0;
            let mut warm_up = WarmUpSummary::default();
            [warm_up.completed, warm_up.failed, warm_up.unknown, warm_up.dropped,
             warm_up.interrupted, ..] = numbers;
            warm_up.duration = times.1;
            row.warm_up = Some(warm_up);
            for error in &mut row.errors {
                error.class.clone_from(&names[6]);
                error.count = numbers[12];
            }
            for label in &mut row.labels {
                label.name.clone_from(&names[7]);
                [.., label.completed, label.failed, label.unknown] = numbers;
                label.response_time = times.2;
            }
            for step in &mut row.steps {
                step.name.clone_from(&names[7]);
            }
            for count in &mut row.counts {
                count.name.clone_from(&names[6]);
                count.count = numbers[13];
            }
            if let Some(lag) = &mut row.lag {
                (lag.latest, lag.highest) = (numbers[14], numbers[15]);
            }
            for (slot, n) in row.timeline.iter_mut().zip(numbers) {
                (slot.completed, slot.failed, slot.duration) = (n, n, times.0);
                slot.response_time = times.3;
            }
        }
        let text = StdoutReporter::render(&summary);
        for line in text.lines() {
            let width = console::measure_text_width(line);
            prop_assert!(width <= 80, "{} columns: {:?}", width, line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            prop_assert!(!line.ends_with(' '), "{:?}", line);
        }
    }
}
