use super::super::rules;

rules! {
    /// What the kit checks of an executor. Each is a promise of the contract;
    /// a failure names it.
    ExecutorRule

    Ends: "`Executor`", "A run ends, with a result.";
    /// Below 20 iterations the kit cannot tell much.
    Load: "`Executor`", "An empty plan is never run as an empty success.";
    Setup: "`Scenario`", "`setup` is called once, before the first user connects.";
    Connect: "`Scenario`", "Each user is connected once, before t0.";
    Ready: "`Observer::on_ready`", "Called once, when every user is connected; load starts when the future is done.";
    StartInstant: "`Observer::on_ready`", "Load starts at the instant that it gives, and times count from it.";
    Teardown: "`Scenario`", "`teardown` is called once, after the last iteration.";
    Remarks: "`Scenario::remarks`", "Asked for once, after the last iteration; the remarks join the warnings.";
    Details: "`Scenario::details`", "Asked for once, after the last iteration; they become the details of the run.";
    Index: "`Iteration::index`", "Unique in a run.";
    User: "`Iteration::user`", "The virtual user that runs it: the action that `connect` gave for it is called.";
    DueTimes: "`Iteration::due`", "Arrivals are due when the schedule says, all of them.";
    NotEarly: "`Iteration::due`", "No iteration starts before it is due.";
    Punctual: "`Iteration::due`", "An iteration starts when it is due, if a user is free.";
    DueHolds: "`Iteration::due`", "Due times do not move because a call takes long, so that response time counts from them.";
    ClosedDue: "`LoadModel::Closed`", "Due is the actual start.";
    Stamps: "`Sample`", "The executor stamps the start and the end of the call, since t0.";
    Recorded: "`Executor`", "Every finished iteration is recorded, once.";
    Account: "`Executor`", "`planned = completed + dropped + interrupted`, and each is what happened.";
    Elapsed: "`Run::elapsed`", "From t0 to the end of the load or of the last iteration, never less than `load_time`.";
    LastSnapshot: "`Observer`", "`on_interval` is called once more at the end, with `stopped` set and the account of the run.";
    Snapshots: "`Snapshot`", "Time and account never go back, and `planned` covers the rest.";
    Intervals: "`Snapshot::interval`", "The intervals add up to the total, and the total is what was recorded.";
    Finish: "`Merge::finish`", "Called once, on the total, after the last merge; what it says joins the warnings.";
    Duplicate: "`Merge::duplicate`", "An aggregate that cannot be copied gives the same result as one that can.";
    Apart: "`Merge::fork_apart`", "What is recorded a second time, or in a warm-up, is recorded apart and never reaches the result.";
    WarmUp: "`Run::warm_up`", "The samples of a warm-up are no part of the result.";
    Memory: "`Aggregate`", "Memory does not grow with the length of the run.";
    ActionPanic: "`Executor`", "A panic in an action is one completed iteration, recorded as a failure of the class `panic`.";
    AggregatePanic: "`Aggregate::record`", "If it panics, the iteration counts as interrupted and the run goes on, with a warning.";
    FailedStart: "`Executor`", "If `setup` or `connect` fails or panics, the error says so, no load is offered, and `teardown` runs.";
    FailedTeardown: "`Scenario`", "An `Err` or a panic of `teardown` becomes a warning of the run.";
    StopAtInterval: "`Observer`", "A break stops the run: no new arrivals, those in flight get their grace time, the account stays whole.";
    StopBetween: "`Observer::poll_stop`", "Ready when the run is to stop between two intervals, as by a break.";
    Planned: "`Account::planned`", "Arrivals that were due until the run ended.";
    GraceEnds: "`Observer`", "After the grace time those in flight are cut off and count as interrupted.";
    Cancel: "`Executor`", "Dropping the future stops all load at once; no task outlives it.";
}
