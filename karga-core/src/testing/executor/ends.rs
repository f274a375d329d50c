//! The checks of runs that are stopped, cut or dropped.

use std::time::Duration;

use super::{
    Executor, ExecutorKit, ExecutorRule as Rule, Facts, Findings, Probe, Seen, Settings, samples,
    scene::{Dropped, drop_after},
    script::{Calls, Stop},
    snapshots, some,
    watch::reason,
};

/// What to do about a plan in which a stop cannot be seen.
const TOO_SHORT: &str = "the plan is too short to tell: give a longer one, or a shorter interval";

impl<E, F> ExecutorKit<F>
where
    E: Executor<Probe>,
    F: Fn() -> E,
{
    pub(super) async fn ends(&self, facts: &Facts, findings: &mut Findings<Rule>) {
        if findings.wants(Rule::StopAtInterval) {
            let mut script = self.script("the observer breaks at the first interval");
            script.stop = Some(Stop::AtInterval);
            if facts.has_interval {
                let seen = self.play(script).await;
                stopped(Rule::StopAtInterval, &seen, &self.rules, findings);
            } else {
                let expected = "calls that begin after the first interval";
                findings.add(Rule::StopAtInterval, script.when, expected, TOO_SHORT);
            }
        }
        let Some(middle) = facts.middle else {
            let expected = "calls that begin in the second half of the run";
            for rule in [Rule::StopBetween, Rule::GraceEnds, Rule::Cancel] {
                findings.add(rule, "the run is to end in its middle", expected, TOO_SHORT);
            }
            return;
        };
        if findings.wants(Rule::StopBetween) {
            let mut script = self.script("`poll_stop` is ready in the middle of the run");
            script.stop = Some(Stop::After(middle));
            let seen = self.play(script).await;
            stopped(Rule::StopBetween, &seen, &self.rules, findings);
        }
        if findings.wants(Rule::GraceEnds) {
            let mut script = self.script("one call never ends, and the observer stops the run");
            script.calls = Calls::Hang { call: facts.first };
            let between = findings.wants(Rule::StopBetween) && !findings.has(Rule::StopBetween);
            script.stop = Some(match between {
                true => Stop::After(middle),
                false => Stop::AtInterval,
            });
            let seen = self.play(script).await;
            stopped(Rule::GraceEnds, &seen, &self.rules, findings);
        }
        if findings.wants(Rule::Cancel) {
            self.cancels(facts, middle, findings).await;
        }
    }

    async fn cancels(&self, facts: &Facts, middle: Duration, findings: &mut Findings<Rule>) {
        let rest = facts.length + Duration::from_secs(10);
        let clock = &self.rules.clock;

        let mut script = self.script("the future is dropped while users connect");
        script.connect = Duration::from_millis(100);
        let (when, time) = (script.when, Duration::from_millis(150));
        let executor = (self.make)();
        let dropped = drop_after(clock, &executor, script, time, rest).await;
        cancelled(when, &dropped, findings);

        let mut script = self.script("the future is dropped in the middle of the run");
        script.calls = Calls::Stall {
            from: facts.calls / 2,
            to: facts.calls,
            time: facts.length,
        };
        let (when, time) = (script.when, facts.lead + middle);
        let executor = (self.make)();
        let dropped = drop_after(clock, &executor, script, time, rest).await;
        cancelled(when, &dropped, findings);
    }
}

/// A run that the observer stopped.
fn stopped(rule: Rule, seen: &Seen, settings: &Settings, findings: &mut Findings<Rule>) {
    let when = seen.script.when;
    let Some((run, t0)) = seen.run() else {
        findings.add(rule, when, "a run that ends", seen.end.name());
        return;
    };
    let Some(asked) = seen.log.stop_asked else {
        let saw = "a run that ended without having asked it";
        findings.add(
            rule,
            when,
            "the observer asked whenever the executor waits",
            saw,
        );
        return;
    };
    if run.stop != reason() {
        let expected = format!("a run that was {}", reason());
        findings.add(rule, when, expected, &run.stop);
        return;
    }
    if seen.log.asked_after_stop >= 1000 {
        let expected = "an executor that waits after the stop";
        findings.add(
            rule,
            when,
            expected,
            "`poll_stop` asked in a loop that never waits",
        );
    }
    let late = seen
        .numbered()
        .filter(|(_, call)| call.begun.at > asked.at + settings.tick);
    let late: Vec<u64> = late.map(|(_, call)| call.iteration.index).collect();
    if !late.is_empty() {
        let expected = "no call that begins after the stop";
        findings.add(
            rule,
            when,
            expected,
            format!("the iterations {}", some(late)),
        );
    }
    samples::recorded(rule, seen, run, t0, findings);
    samples::account(rule, seen, run, t0, findings);
    snapshots::last(rule, seen, findings);
    if seen.log.teardowns.len() != 1 && !findings.has(Rule::Teardown) {
        let saw = format!("{} calls", seen.log.teardowns.len());
        findings.add(rule, when, "one call of `teardown`", saw);
    }
    if matches!(seen.script.calls, Calls::Hang { .. })
        && seen.measured(t0).all(|(_, call)| call.is_complete())
    {
        findings.add(rule, when, "a call that is cut off", "none");
    }
    let told = findings.has(Rule::Account) || findings.has(Rule::NotEarly);
    if let Some(known) = settings.due.as_ref().filter(|_| !told) {
        let until = |time: Duration| {
            let due = (0..)
                .map_while(known)
                .take_while(|&due| due <= time + seen.warm_up());
            due.filter(|&due| due >= seen.warm_up()).count() as u64
        };
        let time = asked.at.saturating_duration_since(t0);
        let (least, most) = (
            until(time.saturating_sub(settings.tick)),
            until(time + settings.tick),
        );
        let planned = run.account.planned;
        if !(least..=most).contains(&planned) {
            let expected = format!("{most} arrivals planned, due until the stop at {time:?}");
            findings.add(Rule::Planned, when, expected, planned);
        }
    }
}

fn cancelled(when: &'static str, seen: &Dropped, findings: &mut Findings<Rule>) {
    let Dropped {
        ended,
        before,
        at_once,
        after,
    } = *seen;
    let expected = "nothing that goes on, and nothing that is left";
    let saw = if ended {
        "a future that was done by then".to_owned()
    } else if (after.calls, after.connects) != (before.calls, before.connects) {
        let (calls, connects) = (after.calls - before.calls, after.connects - before.connects);
        format!("{calls} calls and {connects} connects that began after")
    } else if after.recorded != before.recorded {
        format!(
            "{} samples recorded after",
            after.recorded - before.recorded
        )
    } else if at_once.running != 0 {
        format!("{} calls that went on", at_once.running)
    } else if (at_once.actions, at_once.aggregates) != (0, 0) {
        format!(
            "{} actions and {} aggregates kept",
            at_once.actions, at_once.aggregates
        )
    } else {
        return;
    };
    findings.add(Rule::Cancel, when, expected, saw);
}
