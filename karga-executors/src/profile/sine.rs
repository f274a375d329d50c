use std::{f64::consts::TAU, time::Duration};

use karga_core::Stage;

/// Straight lines in one period.
pub(super) const LINES: u32 = 64;

/// The ends of the lines of a sine, up to `duration`.
///
/// The lines' ends lie symmetrically in the period, also where it cannot be
/// divided into whole nanoseconds, so that what they miss above the mean they
/// miss below it too.
pub(super) fn sine(
    mean: f64,
    amplitude: f64,
    period: Duration,
    duration: Duration,
) -> impl Iterator<Item = Stage> {
    // In the period: times of the ends, and how far they are from the mean.
    let ends: Vec<(Duration, f64)> = (1..=LINES)
        .map(|k| {
            let mirrored = LINES - k;
            if k <= mirrored {
                (part(period, k), height(k) * amplitude)
            } else {
                let time = period - part(period, mirrored);
                (time, -height(mirrored) * amplitude)
            }
        })
        .collect();
    let ends = (0_u32..).flat_map(move |n| {
        let begin = period.checked_mul(n).unwrap_or(Duration::MAX);
        ends.clone()
            .into_iter()
            .map(move |(time, height)| (begin.saturating_add(time), mean + height))
    });
    let mut last = (Duration::ZERO, mean);
    ends.map_while(move |(time, rate)| {
        let (before, from) = last;
        if before >= duration {
            return None;
        }
        last = (time, rate);
        Some(if time <= duration {
            Stage::new(time - before, rate)
        } else {
            let share = (duration - before).div_duration_f64(time - before);
            Stage::new(duration - before, from + (rate - from) * share)
        })
    })
}

/// This many 64ths of a period, rounded down.
fn part(period: Duration, k: u32) -> Duration {
    let (second, lines) = (1_000_000_000, u128::from(LINES));
    let nanos = period.as_nanos() * u128::from(k) / lines;
    // No more than the period, whose seconds and nanoseconds fit.
    Duration::new((nanos / second) as u64, (nanos % second) as u32)
}

/// The sine at k/64 of its period, for the first half of it: symmetric to the
/// last bit.
fn height(k: u32) -> f64 {
    let quarter = LINES / 4;
    let k = if k <= quarter { k } else { 2 * quarter - k };
    (f64::from(k) / f64::from(LINES) * TAU).sin()
}
