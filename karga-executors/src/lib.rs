//! Executors for karga on tokio: they decide when each iteration of a scenario
//! happens, run it, stamp its times and keep the account.
//!
//! # Which one
//!
//! Ask who causes the load. People and services that do not wait for each other
//! come when they come, whether or not the target keeps up: the **open model**.
//! What a slow target delays is part of the response time, because that counts
//! from the moment an arrival was *due*. Where a known number of clients each
//! wait for their answer, a slow target is asked less often: the **closed
//! model**, whose response times cannot see those who were not let in, unless
//! each user keeps a pace of its own.
//!
//! | executor | load | k6 calls it |
//! |---|---|---|
//! | [`StageExecutor`] | arrivals by a schedule of rates | `constant-arrival-rate`, `ramping-arrival-rate` |
//! | [`ReplayExecutor`] | arrivals at recorded times | |
//! | [`UsersExecutor`] | users, one iteration after the other, with or without thinking | `constant-vus`, `ramping-vus` |
//! | [`UsersExecutor`] with [pacing] | users with due times of their own | |
//! | [`IterationsExecutor::shared`] | so many iterations, taken by whoever is free | `shared-iterations` |
//! | [`IterationsExecutor::per_user`] | so many iterations by each user | `per-vu-iterations` |
//!
//! k6's `externally-controlled` has no counterpart: a program may stop a run by
//! its [`Handle`], but not change its load.
//!
//! | k6 | here |
//! |---|---|
//! | `rate`, `timeUnit` | arrivals per second |
//! | `preAllocatedVUs`, `maxVUs` | [`workers`], all connected before load begins |
//! | `dropped_iterations` | [`OverloadPolicy::Drop`]; unless set, late arrivals happen late, and count so |
//! | `startVUs`, `vus`, `stages` | [`start_users`], [`users`], [`UserStage`] |
//! | `gracefulRampDown`, `gracefulStop` | [`graceful_ramp_down`], [`graceful_stop`], both 30 s |
//! | `maxDuration` | [`max_duration`], 10 minutes |
//! | `sleep()` at an iteration's end | [`ThinkTime`], which is no part of the response time |
//! | `startTime` | the offset of a member of a suite |
//!
//! All of them have a warm-up, whose samples are no part of the result, stop in
//! good order by a [`Handle`], Ctrl-C or an observer, and end with
//! `planned = completed + dropped + interrupted`.
//!
//! [pacing]: UsersExecutorBuilder::pacing
//! [`workers`]: StageExecutorBuilder::workers
//! [`users`]: UsersExecutorBuilder::users
//! [`start_users`]: UsersExecutorBuilder::start_users
//! [`graceful_ramp_down`]: UsersExecutorBuilder::graceful_ramp_down
//! [`graceful_stop`]: UsersExecutorBuilder::graceful_stop
//! [`max_duration`]: IterationsExecutorBuilder::max_duration
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use karga_core::{Executor, Stage, action_fn, scenario};
//! use karga_executors::StageExecutor;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let executor = StageExecutor::builder()
//!     .stages([
//!         Stage::new(Duration::from_secs(1), 1000.0), // ramp from 0 to 1000/s
//!         Stage::new(Duration::from_secs(1), 1000.0), // hold
//!     ])
//!     .build()?;
//! let ping = scenario("ping", action_fn(|_iteration| async {}));
//! let run = executor.execute(&ping, (), &mut ()).await?;
//! assert_eq!(run.account.planned, 1500);
//! assert_eq!(run.account.completed, 1500);
//! # Ok(())
//! # }
//! ```

mod clock;
mod connect;
mod engine;
mod handle;
mod health;
mod iterations;
mod open;
mod padded;
mod profile;
mod replay;
mod shard;
mod signal;
mod source;
mod stage;
mod timer;
mod users;

pub use engine::SettingsError;
pub use handle::Handle;
pub use iterations::{IterationsExecutor, IterationsExecutorBuilder, IterationsExecutorError};
pub use replay::{
    ReadRecordingError, Recording, RecordingError, ReplayExecutor, ReplayExecutorBuilder,
    ReplayExecutorError,
};
pub use stage::{
    MAX_WORKERS, OverloadPolicy, Precision, StageExecutor, StageExecutorBuilder, StageExecutorError,
};
pub use users::{ThinkTime, UserStage, UsersExecutor, UsersExecutorBuilder, UsersExecutorError};
