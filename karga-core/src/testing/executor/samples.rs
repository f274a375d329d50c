//! The checks of what was called, stamped and recorded.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{
    ExecutorRule as Rule, Findings, Seen, Settings,
    log::{Call, Fate},
    some,
    tape::{Take, Tape},
};
use crate::{Account, LoadModel, Run};

pub(super) fn check(seen: &Seen, settings: &Settings, findings: &mut Findings<Rule>) {
    let Some((run, t0)) = seen.run() else { return };
    numbers(seen, findings);
    dues(seen, run, t0, settings, findings);
    stamps(seen, run, t0, findings);
    recorded(Rule::Recorded, seen, run, t0, findings);
    account(Rule::Account, seen, run, t0, findings);
    planned(seen, run, settings, findings);
    elapsed(seen, run, t0, settings.tick, findings);
}

fn numbers(seen: &Seen, findings: &mut Findings<Rule>) {
    let when = seen.script.when;
    let mut known = HashSet::new();
    for (_, call) in seen.numbered() {
        let index = call.iteration.index;
        if !known.insert(index) {
            let saw = format!("two calls of the index {index}");
            findings.add(Rule::Index, when, "no two calls of one index", saw);
        }
        if call.user != call.iteration.user {
            let expected = format!("iteration {index} called on user {}", call.iteration.user);
            findings.add(Rule::User, when, expected, format!("on user {}", call.user));
        }
    }
}

/// When calls were due, and when they began.
fn dues(
    seen: &Seen,
    run: &Run<Tape>,
    t0: Instant,
    settings: &Settings,
    findings: &mut Findings<Rule>,
) {
    let when = seen.script.when;
    let users = seen.log.connects.len();
    let peak = seen.log.calls.iter().map(|call| call.live.running).max();
    // More than one call of a user at a time: a free user is no condition.
    let free_anyway = peak.unwrap_or(0) >= users as i64;
    for (number, call) in seen.measured(t0) {
        let (index, due) = (call.iteration.index, call.iteration.due);
        let begun = call.begun.at - t0;
        if begun < due {
            let expected = format!("iteration {index} not before {due:?}");
            findings.add(
                Rule::NotEarly,
                when,
                expected,
                format!("a call at {begun:?}"),
            );
        }
        let truth = settings.due.as_ref().map(|known| known(index));
        let truth = truth.map(|due| due?.checked_sub(seen.warm_up()));
        if let Some(truth) = truth
            && truth != Some(due)
        {
            let truth = truth.map_or("not there".to_owned(), |due| format!("due at {due:?}"));
            let expected = format!("iteration {index} {truth}");
            findings.add(Rule::DueTimes, when, expected, format!("due at {due:?}"));
        }
        match run.model {
            LoadModel::Closed if begun != due => {
                let expected = format!("iteration {index} due when it begins, at {begun:?}");
                findings.add(Rule::ClosedDue, when, expected, format!("due at {due:?}"));
            }
            LoadModel::Closed => {}
            _ => {
                let late = begun.saturating_sub(due);
                let busy = is_busy(seen, run.model, number, call, t0, users);
                if late > settings.tick && (free_anyway || !busy) {
                    let expected = format!("iteration {index}, due at {due:?}, to begin by then");
                    let saw = format!("it began {late:?} late, with a free user");
                    findings.add(Rule::Punctual, when, expected, saw);
                }
            }
        }
    }
}

/// Whether those who could have run `call` were busy when it was due.
fn is_busy(
    seen: &Seen,
    model: LoadModel,
    number: usize,
    call: &Call,
    t0: Instant,
    users: usize,
) -> bool {
    let Some(due) = t0.checked_add(call.iteration.due) else {
        return false;
    };
    let mut busy = seen.numbered().take(number).filter(|(_, other)| {
        let running = other.ended.is_none_or(|ended| ended.at > due);
        running && (model != LoadModel::Paced || other.user == call.user)
    });
    match model {
        LoadModel::Paced => busy.next().is_some(),
        _ => busy.count() >= users,
    }
}

fn stamps(seen: &Seen, run: &Run<Tape>, t0: Instant, findings: &mut Findings<Rule>) {
    for take in &run.aggregate.samples {
        let call = take.call.and_then(|call| seen.log.calls.get(call));
        let Some((call, ended)) = call.and_then(|call| Some((call, call.ended?))) else {
            continue;
        };
        let truth = (
            call.begun.at.saturating_duration_since(t0),
            ended.at.saturating_duration_since(t0),
        );
        if (take.start, take.end) != truth {
            let index = take.iteration.index;
            let expected = format!("iteration {index} from {:?} to {:?}", truth.0, truth.1);
            let saw = format!("stamped {:?} to {:?}", take.start, take.end);
            findings.add(Rule::Stamps, seen.script.when, expected, saw);
            return;
        }
    }
}

/// Whether each call that is complete was recorded once, as what it was.
pub(super) fn recorded(
    rule: Rule,
    seen: &Seen,
    run: &Run<Tape>,
    t0: Instant,
    findings: &mut Findings<Rule>,
) {
    // One defect is told once, where it shows without anything going wrong.
    if findings.has(Rule::Recorded) {
        return;
    }
    let when = seen.script.when;
    let mut takes: HashMap<Option<usize>, Vec<&Take>> = HashMap::new();
    for take in &run.aggregate.samples {
        takes.entry(take.call).or_default().push(take);
    }
    let mut missing = Vec::new();
    let mut wrong = Vec::new();
    for (number, call) in seen
        .measured(t0)
        .filter(|(_, call)| call.fate == Fate::Ended)
    {
        match takes.remove(&Some(number)).as_deref() {
            Some([take]) if take.iteration == call.iteration => {}
            None => missing.push(call.iteration.index),
            _ => wrong.push(call.iteration.index),
        }
    }
    let panics = takes.remove(&None).unwrap_or_default();
    let mut panics: Vec<u64> = panics.iter().map(|take| take.iteration.index).collect();
    let panicked = seen
        .measured(t0)
        .filter(|(_, call)| call.fate == Fate::Panicked);
    let mut panicked: Vec<u64> = panicked.map(|(_, call)| call.iteration.index).collect();
    panics.sort_unstable();
    panicked.sort_unstable();
    let saw = if !missing.is_empty() {
        format!("no sample of the iterations {}", some(missing))
    } else if !wrong.is_empty() {
        format!("more than one, or another's iteration, for {}", some(wrong))
    } else if panics != panicked {
        format!(
            "a panic recorded for the iterations {}, while {} panicked",
            some(panics),
            some(panicked)
        )
    } else if let Some(take) = takes.into_values().flatten().next() {
        format!(
            "a sample of iteration {}, which is no part of the result",
            take.iteration.index
        )
    } else {
        return;
    };
    findings.add(rule, when, "one sample for each call that ended", saw);
}

/// Whether the account is balanced and says what happened.
pub(super) fn account(
    rule: Rule,
    seen: &Seen,
    run: &Run<Tape>,
    t0: Instant,
    findings: &mut Findings<Rule>,
) {
    if findings.has(Rule::Account) {
        return;
    }
    let when = seen.script.when;
    let calls = || seen.measured(t0).map(|(_, call)| call);
    let complete = calls().filter(|call| call.is_complete()).count() as u64;
    let lost = seen
        .measured(t0)
        .filter(|(number, _)| seen.log.lost.contains(number));
    let lost = lost.count() as u64;
    let cut = calls().filter(|call| !call.is_complete()).count() as u64;
    let account = run.account;
    if !account.is_balanced() {
        let expected = "planned = completed + dropped + interrupted";
        findings.add(rule, when, expected, show(account));
    } else if account.completed != complete - lost || account.interrupted < cut + lost {
        let expected = format!(
            "{} completed, and at least {} interrupted",
            complete - lost,
            cut + lost
        );
        findings.add(rule, when, expected, show(account));
    }
}

fn show(account: Account) -> String {
    let Account {
        planned,
        completed,
        dropped,
        interrupted,
    } = account;
    format!(
        "{planned} planned, {completed} completed, {dropped} dropped, {interrupted} interrupted"
    )
}

/// Whether every arrival of the schedule was planned.
fn planned(seen: &Seen, run: &Run<Tape>, settings: &Settings, findings: &mut Findings<Rule>) {
    let Some(known) = &settings.due else { return };
    if findings.has(Rule::Account) {
        return;
    }
    let beyond = run.account.planned.saturating_add(1);
    let due = (0..).map_while(known).filter(|&due| due >= seen.warm_up());
    let arrivals = due
        .take(usize::try_from(beyond).unwrap_or(usize::MAX))
        .count() as u64;
    if arrivals != run.account.planned {
        let more = if arrivals == beyond { "at least " } else { "" };
        let expected = format!("{more}{arrivals} arrivals planned");
        let saw = run.account.planned;
        findings.add(Rule::DueTimes, seen.script.when, expected, saw);
    }
}

fn elapsed(
    seen: &Seen,
    run: &Run<Tape>,
    t0: Instant,
    tick: Duration,
    findings: &mut Findings<Rule>,
) {
    let when = seen.script.when;
    let ends = seen.measured(t0).filter_map(|(_, call)| call.ended);
    let last = ends.map(|end| end.at - t0).max().unwrap_or_default();
    let least = last.max(run.load_time);
    let most = seen.over.saturating_duration_since(t0) + tick;
    if run.elapsed < least || run.elapsed > most {
        let expected = format!("from {least:?} to {most:?}");
        findings.add(Rule::Elapsed, when, expected, format!("{:?}", run.elapsed));
    }
}

/// Whether the samples of a warm-up are kept, apart from the result.
pub(super) fn warm_up(seen: &Seen, findings: &mut Findings<Rule>) {
    let Some((run, t0)) = seen.run() else { return };
    let Some(warm_up) = &run.warm_up else { return };
    let when = seen.script.when;
    let all = seen.log.calls.iter().filter(|call| call.is_complete());
    let measured = seen.measured(t0).filter(|(_, call)| call.is_complete());
    let complete = (all.count() - measured.count()) as u64;
    let kept = warm_up.aggregate.samples.len() as u64;
    if kept != complete || warm_up.account.completed != complete || !warm_up.account.is_balanced() {
        let expected = format!("{complete} calls, all in the warm-up's aggregate and account");
        let saw = format!("{kept} samples, {}", show(warm_up.account));
        findings.add(Rule::WarmUp, when, expected, saw);
    }
    let begins_before = |take: &&Take| {
        let call = take.call.and_then(|call| seen.log.calls.get(call));
        call.is_some_and(|call| call.begun.at < t0)
    };
    let strays = run.aggregate.samples.iter().filter(begins_before).count();
    if strays > 0 {
        let expected = "no sample of the warm-up in the result";
        findings.add(Rule::WarmUp, when, expected, strays);
    }
    if !warm_up.aggregate.is_apart() {
        let expected = "the warm-up recorded into a `fork_apart`";
        findings.add(Rule::Apart, when, expected, "a fork that hands samples on");
    }
}
