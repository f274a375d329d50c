//! The checks of what the observer was shown.

use std::time::Duration;

use super::{
    ExecutorRule as Rule, Findings, Seen,
    log::{Digest, Snap},
};
use crate::Account;

pub(super) fn check(seen: &Seen, tick: Duration, findings: &mut Findings<Rule>) {
    last(Rule::LastSnapshot, seen, findings);
    let Some((run, t0)) = seen.run() else { return };
    let when = seen.script.when;
    let mut before = Account::default();
    let mut elapsed = Duration::ZERO;
    let mut sum = Digest::default();
    for (number, snapshot) in (1..).zip(&seen.log.snapshots) {
        if snapshot.warm_up_left.is_some() {
            warm(seen, snapshot, findings);
            continue;
        }
        let now = snapshot.account;
        let parts = [
            ("planned", before.planned, now.planned),
            ("completed", before.completed, now.completed),
            ("dropped", before.dropped, now.dropped),
            ("interrupted", before.interrupted, now.interrupted),
        ];
        for (name, before, now) in parts {
            if now < before {
                let expected = format!("at least {before} {name} in snapshot {number}");
                findings.add(Rule::Snapshots, when, expected, now);
            }
        }
        let done = now.completed + now.dropped + now.interrupted;
        if now.planned < done {
            let expected = format!("at least {done} planned in snapshot {number}");
            findings.add(Rule::Snapshots, when, expected, now.planned);
        }
        let truth = snapshot.seen.at.saturating_duration_since(t0);
        if snapshot.elapsed.abs_diff(truth) > tick || snapshot.elapsed < elapsed {
            let expected = format!("{truth:?} elapsed in snapshot {number}");
            findings.add(
                Rule::Snapshots,
                when,
                expected,
                format!("{:?}", snapshot.elapsed),
            );
        }
        let length = snapshot.elapsed.saturating_sub(elapsed);
        if snapshot.length != length {
            let expected = format!("an interval of {length:?} in snapshot {number}");
            findings.add(
                Rule::Snapshots,
                when,
                expected,
                format!("{:?}", snapshot.length),
            );
        }
        sum.add(snapshot.interval);
        if sum != snapshot.total {
            let expected = format!(
                "the {} samples of all intervals in the total of snapshot {number}",
                sum.samples
            );
            let saw = match snapshot.total.samples {
                total if total == sum.samples => "others".to_owned(),
                total => format!("{total}"),
            };
            findings.add(Rule::Intervals, when, expected, saw);
        }
        before = now;
        elapsed = snapshot.elapsed;
    }
    let result = run.aggregate.digest();
    if sum != result
        && seen
            .log
            .snapshots
            .iter()
            .any(|snapshot| snapshot.stopped.is_some())
    {
        let expected = format!(
            "the {} samples of the result in the intervals",
            result.samples
        );
        findings.add(Rule::Intervals, when, expected, sum.samples);
    }
}

/// The last snapshot, and nothing after it.
pub(super) fn last(rule: Rule, seen: &Seen, findings: &mut Findings<Rule>) {
    let Some((run, _)) = seen.run() else { return };
    if findings.has(Rule::LastSnapshot) || findings.has(Rule::Account) {
        return;
    }
    let when = seen.script.when;
    let snapshots = &seen.log.snapshots;
    let stopped = snapshots
        .iter()
        .filter(|snapshot| snapshot.stopped.is_some());
    let expected = format!("one last snapshot, stopped: {}", run.stop);
    let saw = match (stopped.count(), snapshots.last()) {
        (1, Some(last)) => match &last.stopped {
            None => "a snapshot after it".to_owned(),
            Some(stop) if *stop != run.stop => format!("one, {stop}"),
            Some(_) if last.account != run.account => {
                let saw = format!("{:?}", last.account);
                findings.add(rule, when, format!("{:?}", run.account), saw);
                return;
            }
            Some(_) => return,
        },
        (stopped, _) => format!("{stopped} snapshots with `stopped` set"),
    };
    findings.add(rule, when, expected, saw);
}

/// During a warm-up nothing is measured.
fn warm(seen: &Seen, snapshot: &Snap, findings: &mut Findings<Rule>) {
    let nothing = snapshot.account == Account::default()
        && snapshot.elapsed.is_zero()
        && (snapshot.interval.samples, snapshot.total.samples) == (0, 0);
    if !nothing {
        let expected = "a snapshot of nothing while there is warm-up left";
        let saw = format!("{:?} at {:?}", snapshot.account, snapshot.elapsed);
        findings.add(Rule::WarmUp, seen.script.when, expected, saw);
    }
}
