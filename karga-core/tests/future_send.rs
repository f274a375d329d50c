//! Every future of the core can move between threads, and the types that are
//! shared can be shared.

use std::{convert::Infallible, error::Error, ops::ControlFlow, time::Duration};

use karga_core::{
    Account, Action, Aggregate, BoxReporter, BoxReporterError, ExecuteError, Executor, InvalidOr,
    Iteration, MetricOf, Observer, Reporter, Run, Scenario, Schedule, ScheduleError, Slice,
    Snapshot, StopReason, action_fn, scenario,
};

fn send<T: Send>(_: &T) {}
fn send_sync<T: Send + Sync + 'static>() {}
fn error<T: Error + Send + Sync + 'static>() {}

struct Nothing;

impl<S: Scenario> Executor<S> for Nothing {
    type Error = ExecuteError<S::Error>;
    async fn execute<A, O>(
        &self,
        scenario: &S,
        aggregate: A,
        observer: &mut O,
    ) -> Result<Run<A>, Self::Error>
    where
        A: Aggregate<MetricOf<S>>,
        O: Observer<A>,
    {
        observer.on_ready().await;
        let run = Run::new(
            scenario.name(),
            aggregate,
            Account::default(),
            Duration::ZERO,
        );
        Ok(run)
    }
}

/// Can be sent, not shared.
struct Local(std::cell::Cell<u32>);

impl Observer<()> for Local {
    fn on_interval(&mut self, _: &Snapshot<'_, ()>) -> ControlFlow<StopReason> {
        self.0.set(self.0.get() + 1);
        ControlFlow::Continue(())
    }
}

struct Null;

impl Reporter<str> for Null {
    type Error = Infallible;
    async fn report(&self, _: &str) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn futures_are_send() {
    let action = action_fn(|_| async {});
    send(&action.call(Iteration::new(0, 0, Duration::ZERO)));
    let ping = scenario("ping", action);
    send(&ping.setup());
    send(&ping.connect(0));
    send(&ping.teardown());
    let mut observer = Local(std::cell::Cell::new(0));
    send(&Nothing.execute(&ping, (), &mut observer));
    send(&Box::new(Nothing).execute(&ping, (), &mut observer));
    let built: Result<Nothing, ScheduleError> = Ok(Nothing);
    send(&built.execute(&ping, (), &mut observer));
    send(&Null.report("x"));
    let boxed = BoxReporter::new(Null);
    send(&boxed.report("x"));
    send(&boxed);
    let (mut one, mut other) = ((), Local(std::cell::Cell::new(0)));
    send(&Observer::<()>::on_ready(&mut (&mut one, &mut other)));
}

#[test]
fn data_and_errors_can_be_shared() {
    send_sync::<Run<()>>();
    send_sync::<Schedule>();
    send_sync::<Slice>();
    send_sync::<StopReason>();
    error::<ScheduleError>();
    error::<BoxReporterError>();
    error::<ExecuteError<Infallible>>();
    error::<InvalidOr<ScheduleError, ExecuteError<Infallible>>>();
}
