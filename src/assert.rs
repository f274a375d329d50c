//! Thresholds as an assertion, for load tests among other tests.

use std::fmt::{Display, Write as _};

use karga_core::{Report, Run};
use karga_reporters::StdoutReporter;
use karga_stats::{Histograms, Summary, Thresholds};

/// Asserts that thresholds hold for a finished run.
///
/// The run comes first, then the thresholds, as text or typed. If one is
/// missed, the message says which, what was seen, and the whole summary as a
/// table.
///
/// ```
/// use std::time::Duration;
/// use karga::{assert_thresholds, prelude::*};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = LoadTest::builder()
///     .action(|_iteration| async {})
///     .executor(StageExecutor::constant(500.0, Duration::from_millis(100)).build())
///     .build()
///     .run()
///     .await?;
/// assert_thresholds!(run, "p99(response_time) < 1s", "failures == 0");
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// If a threshold is missed or cannot be read.
#[macro_export]
macro_rules! assert_thresholds {
    ($run:expr, $($threshold:expr),+ $(,)?) => {
        $crate::__private::assert_thresholds(&$run, &[$(&$threshold),+])
    };
}

/// What the macro calls.
#[track_caller]
#[doc(hidden)]
pub fn assert_thresholds<A: Histograms>(run: &Run<A>, thresholds: &[&dyn Display]) {
    let texts = thresholds.iter().map(|threshold| threshold.to_string());
    let thresholds = match Thresholds::parse(texts) {
        Ok(thresholds) => thresholds,
        Err(error) => panic!("a threshold cannot be read: {error}"),
    };
    let judgements = thresholds.judge_run(run);
    if judgements.iter().all(|judgement| judgement.passed) {
        return;
    }
    let mut message = String::from("thresholds were missed:\n");
    for missed in judgements.iter().filter(|judgement| !judgement.passed) {
        // Writing to a string cannot fail.
        let _ = writeln!(message, "  {}: {}", missed.condition, missed.reason);
    }
    let mut summary = Summary::derive(run);
    for row in &mut summary.scenarios {
        row.thresholds = judgements.iter().map(Into::into).collect();
    }
    panic!("{message}\n{}", StdoutReporter::render(&summary));
}
