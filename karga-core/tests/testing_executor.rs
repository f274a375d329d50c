//! The conformance kit for executors: it lets one pass that keeps the contract,
//! and catches every broken promise for what it is.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

#[path = "testing_executor/fault.rs"]
mod fault;
#[path = "testing_executor/reference.rs"]
mod reference;
#[path = "testing_executor/worker.rs"]
mod worker;

use std::time::{Duration, Instant};

use fault::Fault;
use karga_core::{
    BoxFuture,
    testing::{self, Clock, ExecutorKit, ExecutorRule as Rule},
};
use reference::{Drive, Reference, due, ms};

struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

fn kit(executor: Reference) -> ExecutorKit<impl Fn() -> Reference> {
    let kit = testing::executor(TokioClock, move || executor);
    match (executor.drive, executor.fault) {
        (Drive::Open, Fault::IndexTwice) => kit,
        (Drive::Open, _) => {
            let warm = executor
                .warm_up
                .map_or(0, |time| time.as_millis() as u64 / 10);
            kit.due(move |n| (n < 200 + warm).then(|| due(n)))
        }
        _ => kit,
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_the_contract_passes() {
    for drive in [Drive::Open, Drive::Closed, Drive::Paced] {
        for warm_up in [None, Some(ms(200))] {
            kit(driven(drive, warm_up, Fault::None)).run().await;
        }
    }
}

fn driven(drive: Drive, warm_up: Option<Duration>, fault: Fault) -> Reference {
    let mut executor = Reference::new(fault);
    if drive == Drive::Closed {
        // All 200 iterations take it a quarter of a second.
        executor.interval = ms(31);
    }
    executor.drive = drive;
    executor.warm_up = warm_up;
    executor
}

#[tokio::test(start_paused = true)]
async fn what_only_some_executors_do_is_checked_too() {
    let warm = Some(ms(200));
    let broken = [
        (
            driven(Drive::Closed, None, Fault::ClosedDueRounded),
            Rule::ClosedDue,
        ),
        (
            driven(Drive::Paced, None, Fault::DueIsStart),
            Rule::DueHolds,
        ),
        (driven(Drive::Paced, None, Fault::LateByTwo), Rule::Punctual),
        (
            driven(Drive::Open, warm, Fault::WarmUpInResult),
            Rule::WarmUp,
        ),
        (driven(Drive::Open, warm, Fault::WarmUpLost), Rule::WarmUp),
        (driven(Drive::Open, warm, Fault::WarmUpShown), Rule::WarmUp),
        (
            driven(Drive::Open, warm, Fault::WarmUpNotApart),
            Rule::Apart,
        ),
    ];
    assert_caught(&broken).await;
}

#[tokio::test(start_paused = true)]
async fn each_broken_promise_is_caught_for_what_it_is() {
    let broken = [
        (Fault::NeverEnds, Rule::Ends),
        (Fault::Panics, Rule::Ends),
        (Fault::Refuses, Rule::Ends),
        (Fault::NoArrivals, Rule::Load),
        (Fault::SetupTwice, Rule::Setup),
        (Fault::ConnectsTwice, Rule::Connect),
        (Fault::ConnectsLate, Rule::Connect),
        (Fault::NotReady, Rule::Ready),
        (Fault::ReadyTwice, Rule::Ready),
        (Fault::DoesNotWaitForReady, Rule::Ready),
        (Fault::IgnoresInstant, Rule::StartInstant),
        (Fault::TeardownEarly, Rule::Teardown),
        (Fault::TeardownTwice, Rule::Teardown),
        (Fault::NoRemarks, Rule::Remarks),
        (Fault::RemarksEarly, Rule::Remarks),
        (Fault::NoDetails, Rule::Details),
        (Fault::DetailsEarly, Rule::Details),
        (Fault::IndexTwice, Rule::Index),
        (Fault::WrongUser, Rule::User),
        (Fault::DueShifted, Rule::DueTimes),
        (Fault::LastMissing, Rule::DueTimes),
        (Fault::Early, Rule::NotEarly),
        (Fault::LateByTwo, Rule::Punctual),
        (Fault::DueIsStart, Rule::DueHolds),
        (Fault::StartAtClaim, Rule::Stamps),
        (Fault::EndLate, Rule::Stamps),
        (Fault::SampleLost, Rule::Recorded),
        (Fault::SampleTwice, Rule::Recorded),
        (Fault::PlannedTooMany, Rule::Account),
        (Fault::CompletedTooFew, Rule::Account),
        (Fault::ElapsedTooShort, Rule::Elapsed),
        (Fault::ElapsedTooLong, Rule::Elapsed),
        (Fault::NoLastSnapshot, Rule::LastSnapshot),
        (Fault::SnapshotAfterLast, Rule::LastSnapshot),
        (Fault::LastWithoutAccount, Rule::LastSnapshot),
        (Fault::PlannedBehind, Rule::Snapshots),
        (Fault::CompletedGoesBack, Rule::Snapshots),
        (Fault::ElapsedZero, Rule::Snapshots),
        (Fault::LengthZero, Rule::Snapshots),
        (Fault::IntervalIsTotal, Rule::Intervals),
        (Fault::TotalIsInterval, Rule::Intervals),
        (Fault::NoFinish, Rule::Finish),
        (Fault::FinishTwice, Rule::Finish),
        (Fault::FinishOnFork, Rule::Finish),
        (Fault::FinishEarly, Rule::Finish),
        (Fault::LastWordsLost, Rule::Finish),
        (Fault::CopyAssumed, Rule::Duplicate),
        (Fault::SecondIsNotApart, Rule::Apart),
        (Fault::ApartInResult, Rule::Apart),
        (Fault::ForkForEach, Rule::Memory),
        (Fault::SamplesHeldBack, Rule::Memory),
        (Fault::FuturesKept, Rule::Memory),
        (Fault::IntervalsKept, Rule::Memory),
        (Fault::PanicThrough, Rule::ActionPanic),
        (Fault::PanicNotRecorded, Rule::ActionPanic),
        (Fault::PanicEndsWorker, Rule::ActionPanic),
        (Fault::AggregatePanicThrough, Rule::AggregatePanic),
        (Fault::AggregatePanicCompleted, Rule::AggregatePanic),
        (Fault::AggregatePanicSilent, Rule::AggregatePanic),
        (Fault::StartFailureIsSuccess, Rule::FailedStart),
        (Fault::StartFailureWithoutTeardown, Rule::FailedStart),
        (Fault::StartPanicThrough, Rule::FailedStart),
        (Fault::StartErrorLost, Rule::FailedStart),
        (Fault::TeardownErrorLost, Rule::FailedTeardown),
        (Fault::TeardownErrorEndsAll, Rule::FailedTeardown),
        (Fault::TeardownPanicThrough, Rule::FailedTeardown),
        (Fault::IgnoresBreak, Rule::StopAtInterval),
        (Fault::IgnoresPollStop, Rule::StopBetween),
        (Fault::StopPlannedAll, Rule::Planned),
        (Fault::NoGraceEnd, Rule::GraceEnds),
        (Fault::CutIsCompleted, Rule::GraceEnds),
        (Fault::TasksOutlive, Rule::Cancel),
        (Fault::ActionsOutlive, Rule::Cancel),
    ];
    assert_caught(&broken.map(|(fault, rule)| (Reference::new(fault), rule))).await;
    let mut untested = Rule::ALL.to_vec();
    untested.retain(|rule| broken.iter().all(|(_, caught)| caught != rule));
    assert_eq!(untested, [Rule::ClosedDue, Rule::WarmUp]);
}

#[tokio::test(start_paused = true)]
async fn a_short_plan_is_enough() {
    let mut executor = Reference::new(Fault::None);
    executor.arrivals = 20;
    executor.interval = ms(30);
    let kit = testing::executor(TokioClock, move || executor);
    kit.due(|n| (n < 20).then(|| due(n))).run().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_checked_is_told() {
    let mut executor = Reference::new(Fault::None);
    executor.arrivals = 19;
    let broken = testing::executor(TokioClock, move || executor)
        .check()
        .await;
    assert_eq!(
        broken.map_err(|broken| broken.rules()),
        Err(vec![Rule::Load])
    );

    executor.arrivals = 25;
    let broken = testing::executor(TokioClock, move || executor)
        .check()
        .await;
    let broken = broken.map_err(|broken| broken.rules());
    assert_eq!(broken, Err(vec![Rule::Memory, Rule::StopAtInterval]));

    let kit = testing::executor(TokioClock, move || executor);
    let because = "the plan is over before there is an interval";
    let kit = kit.skip(Rule::Memory, because);
    kit.skip(Rule::StopAtInterval, because).run().await;
}

#[tokio::test(start_paused = true)]
async fn one_without_an_end_comes_to_the_limit() {
    let mut executor = Reference::new(Fault::None);
    executor.arrivals = u64::MAX / 1000;
    executor.interval = Duration::from_secs(60);
    let broken = testing::executor(TokioClock, move || executor)
        .check()
        .await;
    assert_eq!(
        broken.map_err(|broken| broken.rules()),
        Err(vec![Rule::Ends])
    );
}

#[tokio::test]
#[should_panic(expected = "the conformance kit needs a paused clock: on tokio")]
async fn a_clock_that_goes_on_is_refused() {
    kit(Reference::new(Fault::None)).run().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_executor_and_the_promise() {
    let executor = Reference::new(Fault::TeardownTwice);
    let broken = kit(executor).check().await.unwrap_err().to_string();
    let promise = "reference::Reference` breaks 1 promise of the contract of executors\n\n \
        1. Teardown: \"`teardown` is called once, after the last iteration.\" (`Scenario`)\n    \
        when      nothing goes wrong\n    \
        expected  one `teardown`, after the last call is done\n    \
        saw       2 calls";
    assert!(broken.ends_with(promise), "{broken}");
}

/// Each is caught by its rule, and by no other.
async fn assert_caught(broken: &[(Reference, Rule)]) {
    let mut wrong = Vec::new();
    for &(executor, rule) in broken {
        match kit(executor).check().await {
            Err(found) if found.rules() == [rule] => {}
            Err(found) => wrong.push(format!("{executor:?}, not only {rule:?}: {found}")),
            Ok(()) => wrong.push(format!("{executor:?} was not caught")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
