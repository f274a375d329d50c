//! The checks of runs in which something fails or panics.

use super::{
    End, Executor, ExecutorKit, ExecutorRule as Rule, Facts, Findings, Probe, Seen, samples,
    script::{Calls, Fails, MARK},
};

impl<E, F> ExecutorKit<F>
where
    E: Executor<Probe>,
    F: Fn() -> E,
{
    pub(super) async fn failures(&self, facts: &Facts, findings: &mut Findings<Rule>) {
        if findings.wants(Rule::ActionPanic) {
            let mut script = self.script("one in five calls panics");
            script.calls = Calls::Panic;
            action_panics(&self.play(script).await, facts, findings);
        }
        if findings.wants(Rule::AggregatePanic) {
            let mut script = self.script("the aggregate panics on one in seven samples");
            script.aggregate_panics = true;
            aggregate_panics(&self.play(script).await, facts, findings);
        }
        let user = facts.last_user;
        let starts = [
            ("`setup` fails", Fails::Setup { panics: false }),
            ("`setup` panics", Fails::Setup { panics: true }),
            (
                "`connect` of the last user fails",
                Fails::Connect {
                    user,
                    panics: false,
                },
            ),
            (
                "`connect` of the last user panics",
                Fails::Connect { user, panics: true },
            ),
        ];
        for (when, fails) in starts {
            let known = matches!(fails, Fails::Connect { .. }) && findings.has(Rule::Connect);
            if findings.wants(Rule::FailedStart) && !known {
                let mut script = self.script(when);
                script.fails = Some(fails);
                failed_start(&self.play(script).await, findings);
            }
        }
        let ends = [("`teardown` fails", false), ("`teardown` panics", true)];
        for (when, panics) in ends {
            if findings.wants(Rule::FailedTeardown) {
                let mut script = self.script(when);
                script.fails = Some(Fails::Teardown { panics });
                failed_teardown(&self.play(script).await, facts, findings);
            }
        }
    }
}

fn action_panics(seen: &Seen, facts: &Facts, findings: &mut Findings<Rule>) {
    let (rule, when) = (Rule::ActionPanic, seen.script.when);
    let Some((run, t0)) = seen.run() else {
        findings.add(rule, when, "a run", seen.end.name());
        return;
    };
    let calls = seen.log.calls.len() as u64;
    if calls < facts.calls - facts.calls / 10 {
        let expected = format!("some {} calls, as without a panic", facts.calls);
        findings.add(rule, when, expected, calls);
        return;
    }
    samples::recorded(rule, seen, run, t0, findings);
    samples::account(rule, seen, run, t0, findings);
}

fn aggregate_panics(seen: &Seen, facts: &Facts, findings: &mut Findings<Rule>) {
    let (rule, when) = (Rule::AggregatePanic, seen.script.when);
    let Some((run, t0)) = seen.run() else {
        findings.add(rule, when, "a run", seen.end.name());
        return;
    };
    let calls = seen.log.calls.len() as u64;
    if calls < facts.calls - facts.calls / 10 {
        let expected = format!("some {} calls, as without a panic", facts.calls);
        findings.add(rule, when, expected, calls);
        return;
    }
    samples::account(rule, seen, run, t0, findings);
    if run.warnings.len() <= facts.warnings {
        let expected = "a warning beside those of other runs";
        findings.add(rule, when, expected, format!("{:?}", run.warnings));
    }
}

fn failed_start(seen: &Seen, findings: &mut Findings<Rule>) {
    let (rule, when, log) = (Rule::FailedStart, seen.script.when, &seen.log);
    let (during, panics) = match seen.script.fails {
        Some(Fails::Setup { panics }) => ("setup", panics),
        _ => (
            "connect",
            matches!(seen.script.fails, Some(Fails::Connect { panics: true, .. })),
        ),
    };
    let told = format!("{MARK} {during} error");
    let expected = match panics {
        true => "an error".to_owned(),
        false => format!("an error, with \"{told}\" as its source"),
    };
    match &seen.end {
        End::Refused(error) if panics || error.contains(&told) => {}
        end => {
            findings.add(rule, when, expected, end.name());
            return;
        }
    }
    let saw = if !log.calls.is_empty() {
        format!("{} calls", log.calls.len())
    } else if !log.ready.is_empty() {
        "`on_ready` called".to_owned()
    } else if during == "setup" && !log.connects.is_empty() {
        format!("{} users connected", log.connects.len())
    } else if log.teardowns.len() != 1 {
        format!("{} calls of `teardown`", log.teardowns.len())
    } else {
        return;
    };
    let expected = "no load, and one call of `teardown`";
    findings.add(rule, when, expected, saw);
}

fn failed_teardown(seen: &Seen, facts: &Facts, findings: &mut Findings<Rule>) {
    let (rule, when) = (Rule::FailedTeardown, seen.script.when);
    let Some((run, t0)) = seen.run() else {
        findings.add(
            rule,
            when,
            "a run, with everything measured",
            seen.end.name(),
        );
        return;
    };
    samples::recorded(rule, seen, run, t0, findings);
    samples::account(rule, seen, run, t0, findings);
    let panics = seen.script.fails == Some(Fails::Teardown { panics: true });
    let told = format!("{MARK} teardown error");
    let warned = match panics {
        true => run.warnings.len() > facts.warnings,
        false => run.warnings.iter().any(|warning| warning.contains(&told)),
    };
    if !warned {
        let expected = match panics {
            true => "a warning beside those of other runs".to_owned(),
            false => format!("a warning that says \"{told}\""),
        };
        findings.add(rule, when, expected, format!("{:?}", run.warnings));
    }
}
