//! What speaks against a scenario, in words.

use karga_core::StopReason;
use karga_stats::{ErrorSummary, ScenarioSummary, ThresholdSummary, Verdict};

use crate::{
    figure::{count, duration, percent, rate},
    wrap,
};

use super::render::{is_closed, time_of};

/// A verdict as it reads beside a scenario's name, where the bare word would be
/// taken for the health of the target.
pub(super) fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Healthy | Verdict::Saturated => format!("generator {verdict}"),
        _ => verdict.to_string(),
    }
}

/// Everything that speaks against a scenario, the gravest first.
pub(super) fn of(row: &ScenarioSummary) -> Vec<String> {
    let mut complaints = Vec::new();
    if row.generator.verdict != Verdict::Healthy {
        let verdict = verdict(row.generator.verdict);
        complaints.push(match &row.generator.reason {
            Some(reason) => format!("{verdict}: {reason}"),
            None => verdict,
        });
    }
    let untolerated = row.untolerated_failures();
    if untolerated > 0 {
        let tolerated = if untolerated < row.failed.saturating_add(row.unknown) {
            format!("; no threshold allows {} of them", count(untolerated))
        } else {
            String::new()
        };
        complaints.push(format!(
            "of {} completed, {} failed ({}) and {} ended unknown ({}){}{tolerated}",
            count(row.completed),
            count(row.failed),
            percent(row.failed, row.completed),
            count(row.unknown),
            percent(row.unknown, row.completed),
            most_frequent(&row.errors)
        ));
    }
    if row.dropped > 0 {
        complaints.push(format!(
            "{} dropped ({})",
            arrivals(row, row.dropped),
            percent(row.dropped, row.planned)
        ));
    }
    if row.interrupted > 0 {
        complaints.push(format!(
            "{} interrupted ({}), cut off in flight or never begun: {}",
            arrivals(row, row.interrupted),
            percent(row.interrupted, row.planned),
            match &row.stop {
                StopReason::Completed => "the run and its grace time were over".to_owned(),
                _ => format!("the run was {}", stop(row)),
            }
        ));
    } else if !matches!(row.stop, StopReason::Completed | StopReason::Requested)
        && breaker(row).is_none()
    {
        complaints.push(format!("the run was {}", row.stop));
    }
    let missed = row.thresholds.iter().filter(|threshold| !threshold.passed);
    complaints.extend(missed.map(|threshold| {
        let details = details(threshold);
        let colon = if details.is_empty() { "" } else { ": " };
        format!("missed {}{colon}{details}", threshold.name)
    }));
    complaints
}

/// The threshold that stopped the run, if one did.
fn breaker(row: &ScenarioSummary) -> Option<&ThresholdSummary> {
    let mut thresholds = row.thresholds.iter();
    thresholds.find(|threshold| threshold.stopped_at.is_some())
}

/// Why the run ended; what a threshold of its own has to say is said there.
pub(super) fn stop(row: &ScenarioSummary) -> String {
    match &row.stop {
        StopReason::Observer(_) if breaker(row).is_some() => "stopped by a threshold".to_owned(),
        stop => stop.to_string(),
    }
}

/// "it was 312 ms over 1,204 samples; it stopped the run at 12.0 s".
pub(super) fn details(threshold: &ThresholdSummary) -> String {
    let mut details = Vec::new();
    if !threshold.reason.is_empty() {
        details.push(threshold.reason.clone());
    }
    if let Some(at) = threshold.stopped_at {
        details.push(format!("it stopped the run at {}", duration(time_of(at))));
    }
    // Of one that held to the end it is the rate at the end.
    if let Some(good) = threshold.last_good_rate
        && !threshold.passed
    {
        details.push(format!("it last held at {}/s", rate(good)));
    }
    details.join("; ")
}

/// "3 of 8,005 planned arrivals were".
fn arrivals(row: &ScenarioSummary, part: u64) -> String {
    let what = if is_closed(row) {
        "iterations"
    } else {
        "arrivals"
    };
    let were = if part == 1 { "was" } else { "were" };
    format!(
        "{} of {} planned {what} {were}",
        count(part),
        count(row.planned)
    )
}

fn most_frequent(errors: &[ErrorSummary]) -> String {
    errors
        .first()
        .map(|error| format!(", mostly: {}", wrap::cut(&error.class, 60)))
        .unwrap_or_default()
}
