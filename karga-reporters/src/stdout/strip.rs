//! The course of a run in one line for each figure.

use std::time::Duration;

use karga_stats::TimelineSummary;

use crate::figure::{duration, rate, short};

/// The most bars in a strip.
const BARS: usize = 30;

/// With fewer slots a course says nothing that the totals do not say.
const LEAST: usize = 5;

/// A figure over time.
pub(super) struct Strip {
    pub(super) name: &'static str,
    /// One character for each part of the run, all parts of the same length.
    pub(super) bars: String,
    /// The highest value, and where it was.
    pub(super) note: String,
}

/// Rate, p99 of the response time, and what did not succeed if anything did
/// not. Each strip is as high as its own highest value.
pub(super) fn of(timeline: &[TimelineSummary]) -> Vec<Strip> {
    if timeline.len() < LEAST {
        return Vec::new();
    }
    let parts = parts(timeline);
    let mut strips = vec![
        strip(
            "rate",
            &parts,
            |part| part.rate,
            |most| format!("{}/s", rate(most.rate)),
        ),
        strip(
            "p99",
            &parts,
            |part| part.p99.as_secs_f64(),
            |most| duration(most.p99),
        ),
    ];
    if parts.iter().any(|part| part.bad > 0) {
        strips.push(strip(
            "failed",
            &parts,
            |part| part.bad as f64,
            |most| short(most.bad),
        ));
    }
    strips
}

/// Some neighbouring slots.
struct Part {
    start: Duration,
    rate: f64,
    /// The highest p99 of a slot, as percentiles cannot be averaged.
    p99: Duration,
    bad: u64,
}

fn parts(timeline: &[TimelineSummary]) -> Vec<Part> {
    let mut chunks: Vec<&[TimelineSummary]> =
        timeline.chunks(timeline.len().div_ceil(BARS)).collect();
    // The rate of a last part that is much shorter than the others would be
    // that of a few iterations; it belongs to the one before.
    if let [.., before, last] = chunks[..]
        && length(last).saturating_mul(2) < length(before)
    {
        let start = timeline.len() - before.len() - last.len();
        chunks.truncate(chunks.len() - 2);
        chunks.push(&timeline[start..]);
    }
    chunks.into_iter().map(Part::of).collect()
}

fn length(slots: &[TimelineSummary]) -> Duration {
    slots.iter().fold(Duration::ZERO, |sum, slot| {
        sum.saturating_add(slot.duration)
    })
}

impl Part {
    fn of(slots: &[TimelineSummary]) -> Self {
        let sum =
            |of: fn(&TimelineSummary) -> u64| slots.iter().map(of).fold(0, u64::saturating_add);
        let seconds = length(slots).as_secs_f64();
        let completed = sum(|slot| slot.completed) as f64;
        Self {
            start: slots.first().map_or(Duration::ZERO, |slot| slot.start),
            rate: if seconds > 0.0 {
                completed / seconds
            } else {
                0.0
            },
            p99: slots
                .iter()
                .map(|slot| slot.response_time.p99)
                .max()
                .unwrap_or_default(),
            bad: sum(|slot| slot.failed.saturating_add(slot.unknown)),
        }
    }
}

fn strip(
    name: &'static str,
    parts: &[Part],
    value: impl Fn(&Part) -> f64,
    text: impl Fn(&Part) -> String,
) -> Strip {
    // The first of the highest.
    let highest = parts.iter().reduce(|most, part| {
        if value(part) > value(most) {
            part
        } else {
            most
        }
    });
    let top = highest.map_or(0.0, &value);
    // A short run is drawn wide enough to be seen.
    let wide = (BARS / parts.len().max(1)).max(1);
    let bars = parts.iter().map(|part| bar(value(part), top));
    Strip {
        name,
        bars: bars
            .flat_map(|bar| std::iter::repeat_n(bar, wide))
            .collect(),
        note: highest.map_or_else(String::new, |most| {
            format!("max {} {}", text(most), since(most.start))
        }),
    }
}

fn since(start: Duration) -> String {
    if start.is_zero() {
        "at 0 s".to_owned()
    } else {
        format!("at {}", duration(start))
    }
}

/// Nothing at all is a space; the least something is the lowest bar.
fn bar(value: f64, top: f64) -> char {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if value > 0.0 && top > 0.0 {
        BARS[((value / top * 8.0).ceil() as usize).clamp(1, 8)]
    } else {
        BARS[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_share_of_the_highest() {
        let bars: String = [0.0, 0.001, 12.5, 12.6, 50.0, 99.0, 100.0, f64::NAN]
            .map(|value| bar(value, 100.0))
            .iter()
            .collect();
        assert_eq!(bars, " ▁▁▂▄██ ");
        assert_eq!(bar(0.0, 0.0), ' ');
    }
}
