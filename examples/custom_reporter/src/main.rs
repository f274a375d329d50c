//! A reporter of one's own, and the report that it ships: a run as a table in
//! GitHub-flavoured Markdown, for a pull request or a job's summary.
//!
//! ```sh
//! cargo run --release -p custom_reporter                 # to stdout
//! cargo run --release -p custom_reporter -- summary.md   # to a file, whole or not at all
//! ```
//!
//! It is a crate of its own that depends on `karga-core` alone, and its test is
//! the conformance kit (`markdown.rs`, at the bottom). With the whole of karga
//! the run comes from a `LoadTest`; here a loop of a few lines stands in for an
//! executor.

mod figures;
mod markdown;

use std::{env, error::Error, time::Duration};

use figures::Figures;
use karga_core::{Account, Action, Iteration, Report, Reporter, Run, action_fn};
use markdown::MarkdownReporter;
use tokio::time::{Instant, sleep, sleep_until};

const ITERATIONS: u64 = 100;
const EVERY: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let action = action_fn(|_iteration| sleep(Duration::from_millis(2)));
    let t0 = Instant::now();
    for index in 0..ITERATIONS {
        let iteration = Iteration::new(index, 0, EVERY * index as u32);
        sleep_until(t0 + iteration.due).await;
        action.call(iteration).await;
    }
    let account = Account::new(ITERATIONS, ITERATIONS, 0, 0);
    let run = Run::new("two milliseconds", (), account, t0.elapsed());

    let reporter = match env::args_os().nth(1) {
        Some(path) => MarkdownReporter::File(path.into()),
        None => MarkdownReporter::Stdout,
    };
    reporter.report(&Figures::derive(&run)).await?;
    Ok(())
}
