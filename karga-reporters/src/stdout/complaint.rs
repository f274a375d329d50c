//! What speaks against a scenario, in words.

use karga_core::StopReason;
use karga_stats::{ErrorSummary, ScenarioSummary, Verdict};

use crate::{
    figure::{count, percent},
    wrap,
};

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
    if row.failed > 0 || row.unknown > 0 {
        complaints.push(format!(
            "of {} completed, {} failed ({}) and {} ended unknown ({}){}",
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
            arrivals(row.dropped, row.planned),
            percent(row.dropped, row.planned)
        ));
    }
    if row.interrupted > 0 {
        complaints.push(format!(
            "{} interrupted ({}), cut off in flight or never begun: {}",
            arrivals(row.interrupted, row.planned),
            percent(row.interrupted, row.planned),
            match &row.stop {
                StopReason::Completed => "the run and its grace time were over".to_owned(),
                stop => format!("the run was {stop}"),
            }
        ));
    } else if !matches!(row.stop, StopReason::Completed | StopReason::Requested) {
        complaints.push(format!("the run was {}", row.stop));
    }
    let missed = row.thresholds.iter().filter(|threshold| !threshold.passed);
    complaints.extend(missed.map(|threshold| format!("missed {}", threshold.name)));
    complaints
}

/// "3 of 8,005 planned arrivals were".
fn arrivals(part: u64, planned: u64) -> String {
    let were = if part == 1 { "was" } else { "were" };
    format!(
        "{} of {} planned arrivals {were}",
        count(part),
        count(planned)
    )
}

fn most_frequent(errors: &[ErrorSummary]) -> String {
    errors
        .first()
        .map(|error| format!(", mostly: {}", wrap::cut(&error.class, 60)))
        .unwrap_or_default()
}
