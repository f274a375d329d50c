//! How a probe came out, from its run.

use karga_core::Run;

use super::{Probe, ProbeVerdict};
use crate::{Histograms, ScenarioSummary, ThresholdSummary, Thresholds, Verdict, text};

impl Probe {
    pub(super) fn of<A: Histograms>(rate: f64, run: &Run<A>, thresholds: &Thresholds) -> Self {
        let mut summary = ScenarioSummary::of(run);
        for judgement in thresholds.judge_run(run) {
            // One that the run was watched by knows more.
            let is_new = |row: &ThresholdSummary| row.name != judgement.condition;
            if summary.thresholds.iter().all(is_new) {
                summary.thresholds.push((&judgement).into());
            }
        }
        let (verdict, reason) = verdict(&summary);
        Self {
            rate,
            verdict,
            reason,
            summary,
        }
    }
}

fn verdict(row: &ScenarioSummary) -> (ProbeVerdict, Option<String>) {
    if row.generator.verdict == Verdict::Saturated {
        return (ProbeVerdict::Saturated, row.generator.reason.clone());
    }
    let missed: Vec<String> = row
        .thresholds
        .iter()
        .filter(|threshold| !threshold.passed)
        .map(|threshold| format!("{}: {}", threshold.name, threshold.reason))
        .collect();
    if !missed.is_empty() {
        return (ProbeVerdict::Missed, Some(missed.join("; ")));
    }
    if row.generator.verdict != Verdict::Healthy {
        return (ProbeVerdict::Overloaded, row.generator.reason.clone());
    }
    let failures = row.untolerated_failures();
    if failures > 0 {
        return (ProbeVerdict::Failures, Some(why_failures(row, failures)));
    }
    if super::was_cut_short(&row.stop) {
        return (ProbeVerdict::Stopped, Some(row.stop.to_string()));
    }
    if row.interrupted > 0 {
        let reason = format!(
            "{} of {} arrivals were not completed before the run ended",
            text::count(row.interrupted),
            text::count(row.planned)
        );
        return (ProbeVerdict::Overloaded, Some(reason));
    }
    (ProbeVerdict::Passed, None)
}

fn why_failures(row: &ScenarioSummary, failures: u64) -> String {
    let classes: Vec<String> = row
        .errors
        .iter()
        .take(3)
        .map(|error| format!("{} {}", text::count(error.count), error.class))
        .collect();
    format!(
        "{} of {} iterations did not succeed ({}), and no threshold says how many may",
        text::count(failures),
        text::count(row.completed),
        classes.join(", ")
    )
}
