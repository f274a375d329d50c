//! Executors for karga on tokio: they decide when each iteration of a scenario
//! happens, run it, stamp its times and keep the account.
//!
//! [`StageExecutor`] is the open model: arrivals come when the schedule says,
//! whether or not the target keeps up, as people and other services do. What
//! a slow target delays is part of the response time, because that counts from
//! the moment an arrival was *due*.
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
