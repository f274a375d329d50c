//! A run can be spawned, and what controls it can be shared.

mod support;

use karga_core::{Executor, InvalidOr};
use karga_executors::{
    Handle, IterationsExecutor, IterationsExecutorError, StageExecutor, StageExecutorError,
    ThinkTime, UsersExecutor, UsersExecutorError,
};
use support::{Plain, flat, ms, secs, takes};

fn send<T: Send>(_: &T) {}
fn send_sync<T: Send + Sync + 'static>() {}

#[test]
fn a_run_can_be_spawned() {
    let built = flat(1.0, secs(1)).build();
    let scenario = takes(ms(1));
    send(&built.execute(&scenario, (Plain(0), ()), &mut ()));
    let executor = built.expect("the settings are valid");
    send(&executor.execute(&scenario, Plain(0), &mut ()));
    let users = UsersExecutor::builder().users(1).duration(secs(1)).build();
    send(&users.execute(&scenario, Plain(0), &mut ()));
    let iterations = IterationsExecutor::shared(1, 1).build();
    send(&iterations.execute(&scenario, Plain(0), &mut ()));
    // A run that owns what it needs lasts as long as it wants to.
    fn owned<T: Send + 'static>(_: T) {}
    owned(async move { executor.execute(&scenario, Plain(0), &mut ()).await });
}

#[test]
fn what_controls_it_can_be_shared() {
    send_sync::<StageExecutor>();
    send_sync::<UsersExecutor>();
    send_sync::<UsersExecutorError>();
    send_sync::<ThinkTime>();
    send_sync::<IterationsExecutor>();
    send_sync::<IterationsExecutorError>();
    send_sync::<Handle>();
    send_sync::<StageExecutorError>();
    send_sync::<InvalidOr<StageExecutorError, karga_core::ExecuteError<std::io::Error>>>();
}
