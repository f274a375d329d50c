//! The checks of runs in which nothing goes wrong.

use std::{collections::HashSet, time::Duration};

use super::{
    End, Executor, ExecutorKit, ExecutorRule as Rule, Facts, Findings, Probe, Seen,
    log::{Moment, Span},
    probe::MOST_CALLS,
    samples,
    script::{Calls, MARK},
    snapshots, some,
};
use crate::{Detail, LoadModel};

/// Fewer iterations tell nothing.
const LEAST: usize = 20;

impl<E, F> ExecutorKit<F>
where
    E: Executor<Probe>,
    F: Fn() -> E,
{
    /// The run that everything else is compared with; `None` if it makes no
    /// sense to go on.
    pub(super) async fn normal(&self, findings: &mut Findings<Rule>) -> Option<Facts> {
        let seen = self.play(self.script("nothing goes wrong")).await;
        let when = seen.script.when;
        let limit = self.rules.limit;
        if !matches!(seen.end, End::Run(_)) {
            let expected =
                format!("a run, within {limit:?} of the paused clock and {MOST_CALLS} calls");
            findings.add(Rule::Ends, when, expected, seen.end.name());
            return None;
        }
        order(&seen, findings);
        let Some((run, t0)) = seen.run() else {
            return None; // `on_ready` was not called, which is noted.
        };
        let calls = seen.measured(t0).count();
        if calls < LEAST {
            let expected = format!("at least {LEAST} calls, so that there is something to check");
            findings.add(Rule::Load, when, expected, calls);
            return None;
        }
        samples::warm_up(&seen, findings);
        if findings.has(Rule::WarmUp) {
            return None; // Every other figure is wrong by it.
        }
        samples::check(&seen, &self.rules, findings);
        snapshots::check(&seen, self.rules.tick, findings);
        memory(&seen, findings);
        finish(&seen, findings);
        let users = seen.log.connects.len() as u64;
        let after = |time: Duration, by: Duration| {
            let begun = |(_, call): &(usize, &super::log::Call)| call.begun.at - t0 > time + by;
            seen.measured(t0).filter(begun).count()
        };
        let middle = seen
            .measured(t0)
            .nth(calls / 2)
            .map(|(_, call)| call.begun.at - t0 + self.rules.tick / 2)
            .filter(|&time| after(time, 4 * self.rules.tick) > 0);
        let first = seen
            .log
            .snapshots
            .iter()
            .find(|snapshot| snapshot.warm_up_left.is_none() && snapshot.stopped.is_none());
        let warm_up = run.warm_up.as_ref().map(|warm_up| warm_up.duration);
        Some(Facts {
            users,
            last_user: seen
                .log
                .connects
                .iter()
                .map(|(user, _)| *user)
                .max()
                .unwrap_or(0),
            calls: seen.log.calls.len() as u64,
            first: (seen.log.calls.len() - calls) as u64,
            lead: t0 - seen.begun,
            length: seen.over - t0,
            middle: middle.map(|middle| middle + warm_up.unwrap_or_default()),
            has_interval: first.is_some_and(|first| {
                let elapsed = first.seen.at.saturating_duration_since(t0);
                after(elapsed, 4 * self.rules.tick) > 0
            }),
            warnings: run.warnings.len(),
        })
    }

    /// Runs that differ in one thing only.
    pub(super) async fn variations(&self, facts: &Facts, findings: &mut Findings<Rule>) {
        let mut script = self.script("the aggregate cannot be copied");
        script.copies = false;
        no_copies(&self.play(script).await, findings);

        let mut script = self.script("the observer names an instant 250 ms ahead");
        script.start_ahead = Some(Duration::from_millis(250));
        start_instant(&self.play(script).await, findings);

        let mut script = self.script("each user has one call that takes a quarter of the run");
        let from = facts.calls / 4;
        script.calls = Calls::Stall {
            from,
            to: from + facts.users.max(1),
            time: facts.length / 4,
        };
        let normal = self.play(self.script("nothing goes wrong")).await;
        due_holds(&normal, &self.play(script).await, findings);
    }
}

/// Who was called in which order, and how often.
fn order(seen: &Seen, findings: &mut Findings<Rule>) {
    let (log, when) = (&seen.log, seen.script.when);
    let first_connect = log.connects.iter().map(|(_, span)| span.begun.order).min();
    let first_call = log.calls.iter().map(|call| call.begun.order).min();
    let call_ends = log.calls.iter().map(|call| call.ended.map(order_of));
    let last_call = call_ends.map(|end| end.unwrap_or(u64::MAX)).max();

    let setup_ended = once(&log.setups);
    if setup_ended.is_none() || first_connect.is_some_and(|first| Some(first) < setup_ended) {
        let expected = "one `setup`, done before the first `connect`";
        let saw = match log.setups.len() {
            1 => "a `connect` before it was done".to_owned(),
            calls => format!("{calls} calls"),
        };
        findings.add(Rule::Setup, when, expected, saw);
    }

    let mut users: Vec<u64> = log.connects.iter().map(|(user, _)| *user).collect();
    users.sort_unstable();
    let ready = log.ready.first().map(|ready| ready.begun.order);
    let connected = log.connects.iter().all(|(_, span)| {
        span.ended
            .is_some_and(|end| ready.is_none_or(|ready| end.order < ready))
    });
    let expected =
        "`connect` of the users 0, 1, 2 and so on, once each, all done before `on_ready`";
    if users.iter().copied().ne(0..users.len() as u64) {
        findings.add(
            Rule::Connect,
            when,
            expected,
            format!("users {}", some(&users)),
        );
    } else if !connected {
        findings.add(
            Rule::Connect,
            when,
            expected,
            "a `connect` that was not done by then",
        );
    }

    match (once(&log.ready), first_call) {
        (Some(ready), Some(call)) if call < ready => {
            let expected = "no call before the future of `on_ready` is done";
            findings.add(Rule::Ready, when, expected, "a call before");
        }
        (None, _) => {
            let saw = format!("{} calls", log.ready.len());
            findings.add(Rule::Ready, when, "one call of `on_ready`", saw);
        }
        _ => {}
    }

    let torn_down = log.teardowns.first().map(|span| span.begun.order);
    if log.teardowns.len() != 1 || torn_down < last_call {
        let saw = match log.teardowns.len() {
            1 => "it was called while a call was running".to_owned(),
            calls => format!("{calls} calls"),
        };
        let expected = "one `teardown`, after the last call is done";
        findings.add(Rule::Teardown, when, expected, saw);
    }

    let asked = log.remarks.first().map(|moment| moment.order);
    let Some((run, _)) = seen.run() else { return };
    let remark = format!("{MARK} remark");
    let told = run.warnings.iter().filter(|told| **told == remark).count();
    if log.remarks.len() != 1 || asked < last_call || told != 1 {
        let saw = format!(
            "asked {} times, {told} times in the warnings",
            log.remarks.len()
        );
        let expected = "asked once, after the last call is done, and the remark in the warnings";
        findings.add(Rule::Remarks, when, expected, saw);
    }

    let asked = log.details.first().map(|moment| moment.order);
    let detail = Detail::new(MARK, "detail");
    if log.details.len() != 1 || asked < last_call || run.details != [detail] {
        let saw = format!("asked {} times, {:?}", log.details.len(), run.details);
        let expected = "asked once, after the last call is done, and the detail in the run";
        findings.add(Rule::Details, when, expected, saw);
    }
}

fn order_of(moment: Moment) -> u64 {
    moment.order
}

/// When the only one of these ended.
fn once(spans: &[Span]) -> Option<u64> {
    match spans {
        [span] => span.ended.map(order_of),
        _ => None,
    }
}

fn finish(seen: &Seen, findings: &mut Findings<Rule>) {
    let Some((run, _)) = seen.run() else { return };
    let (log, when) = (&seen.log, seen.script.when);
    let words = format!("{MARK} last words");
    let told = run.warnings.iter().filter(|told| **told == words).count();
    let saw = match log.finishes[..] {
        [finish] => {
            let kept = log.last_kept.map(order_of);
            if finish.samples != run.aggregate.samples.len() as u64 {
                format!(
                    "called with {} of {} samples",
                    finish.samples,
                    run.aggregate.samples.len()
                )
            } else if kept > Some(finish.seen.order) {
                "something was recorded or merged after it".to_owned()
            } else if told != 1 {
                format!("its words are {told} times in the warnings")
            } else {
                return;
            }
        }
        _ => format!("{} calls", log.finishes.len()),
    };
    let expected = "one `finish`, of the whole total, and its words in the warnings";
    findings.add(Rule::Finish, when, expected, saw);
}

/// What exists must not become more while the run goes on, other than with
/// users who have their first call.
fn memory(seen: &Seen, findings: &mut Findings<Rule>) {
    let (calls, when) = (&seen.log.calls, seen.script.when);
    let (first, second) = calls.split_at(calls.len() / 2);
    let users = |calls: &[super::log::Call]| {
        let users: HashSet<u64> = calls.iter().map(|call| call.user).collect();
        users.len() as i64
    };
    let allowed = 2 * (users(calls) - users(first)) + 1;
    let intervals = seen.log.snapshots.len();
    let expected = "what exists when a call begins does not become more from the first half of the \
                    run to the second";
    if (second.len() as i64) < 2 * allowed || intervals < 5 {
        let saw = format!(
            "too little to tell: {} calls over {} users, {} snapshots; give a longer plan, fewer \
             users or a shorter interval",
            calls.len(),
            users(calls),
            intervals
        );
        findings.add(Rule::Memory, when, expected, saw);
        return;
    }
    type Count = fn(&super::log::Call) -> i64;
    let counts: [(&str, Count); 4] = [
        ("aggregates", |call| call.live.aggregates),
        ("metrics", |call| call.live.metrics),
        ("futures of calls that are done", |call| {
            call.live.done_calls
        }),
        ("actions", |call| call.live.actions),
    ];
    for (what, count) in counts {
        let most = |calls: &[super::log::Call]| calls.iter().map(count).max().unwrap_or(0);
        let (before, after) = (most(first), most(second));
        if after > before + allowed {
            let saw = format!("at most {before} {what} in the first half, {after} in the second");
            findings.add(Rule::Memory, when, expected, saw);
        }
    }
}

fn no_copies(seen: &Seen, findings: &mut Findings<Rule>) {
    let when = seen.script.when;
    let Some((run, t0)) = seen.run() else {
        findings.add(Rule::Duplicate, when, "a run", seen.end.name());
        return;
    };
    let complete = seen.measured(t0).filter(|(_, call)| call.is_complete());
    let complete = complete.count() as u64;
    let kept = run.aggregate.samples.len() as u64;
    let total = seen.log.snapshots.last().map(|last| last.total.samples);
    let intervals: u64 = seen.log.snapshots.iter().map(|s| s.interval.samples).sum();
    let known = [Rule::Recorded, Rule::Intervals, Rule::LastSnapshot];
    if known.into_iter().any(|rule| findings.has(rule)) {
        // Told already, of one that can be copied.
    } else if kept != complete
        || total.is_some_and(|total| total != complete || intervals != complete)
    {
        let expected =
            format!("{complete} samples in the result, the last total and the intervals");
        let saw = format!("{kept}, {} and {intervals}", total.unwrap_or_default());
        findings.add(Rule::Duplicate, when, expected, saw);
    }
    let expected = "each sample recorded once into what is no fork apart, and nothing of a fork \
                    apart in the total";
    if run.aggregate.tainted || seen.log.snapshots.iter().any(|snapshot| snapshot.tainted) {
        findings.add(Rule::Apart, when, expected, "a fork apart in the total");
    } else if seen.log.recorded != complete && !findings.has(Rule::Recorded) {
        let saw = format!("{} recorded, of {complete} calls", seen.log.recorded);
        findings.add(Rule::Apart, when, expected, saw);
    }
}

fn start_instant(seen: &Seen, findings: &mut Findings<Rule>) {
    let when = seen.script.when;
    let expected = "no call before that instant, and every time since it";
    let Some((run, t0)) = seen.run() else {
        findings.add(Rule::StartInstant, when, "a run", seen.end.name());
        return;
    };
    let start = seen.log.t0.unwrap_or(t0);
    let early = seen.log.calls.iter().find(|call| call.begun.at < start);
    if let Some(early) = early.filter(|_| !findings.has(Rule::Ready)) {
        let saw = format!("a call {:?} before", start - early.begun.at);
        findings.add(Rule::StartInstant, when, expected, saw);
        return;
    }
    if findings.has(Rule::Stamps) {
        return;
    }
    for take in &run.aggregate.samples {
        let call = take.call.and_then(|call| seen.log.calls.get(call));
        if let Some(call) = call.filter(|call| call.begun.at - t0 != take.start) {
            let truth = call.begun.at - t0;
            let saw = format!("a call that began at {truth:?}, stamped {:?}", take.start);
            findings.add(Rule::StartInstant, when, expected, saw);
            return;
        }
    }
}

/// Under a stall, what is due stays due.
fn due_holds(normal: &Seen, seen: &Seen, findings: &mut Findings<Rule>) {
    let when = seen.script.when;
    let (Some((_, t0)), Some((run, stalled_t0))) = (normal.run(), seen.run()) else {
        findings.add(Rule::DueHolds, when, "a run", seen.end.name());
        return;
    };
    // By the schedule's number, or by the user's own times.
    let key = |call: &super::log::Call| match run.model {
        LoadModel::Paced => (call.user, call.iteration.due),
        _ => (call.iteration.index, Duration::ZERO),
    };
    if run.model == LoadModel::Closed {
        return;
    }
    let known: HashSet<_> = normal
        .measured(t0)
        .map(|(_, call)| (key(call), call.iteration.due))
        .collect();
    let keys: HashSet<_> = known.iter().map(|(key, _)| *key).collect();
    let end = known.iter().map(|(_, due)| *due).max().unwrap_or_default();
    for (_, call) in seen.measured(stalled_t0) {
        let (due, index) = (call.iteration.due, call.iteration.index);
        let moved = match run.model {
            LoadModel::Paced => due <= end && !known.contains(&(key(call), due)),
            _ => keys.contains(&key(call)) && !known.contains(&(key(call), due)),
        };
        if moved {
            let expected = format!("iteration {index} due when it is due without the stall");
            let saw = format!("due at {due:?}, for user {}", call.user);
            findings.add(Rule::DueHolds, when, expected, saw);
            return;
        }
    }
}
