//! `LoadTest`: what a person composes, and how it refuses what cannot be run.

use std::{error::Error, time::Duration};

use karga::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// Runs a no-op under the executor and gives the error, with its causes.
async fn refusal(
    executor: impl Executor<karga::Named<karga::core::ActionScenario<NoOp>>>,
) -> String {
    let run = LoadTest::builder()
        .scenario(scenario("nothing", NoOp))
        .executor(executor)
        .build()
        .run()
        .await;
    let error = run.expect_err("an error, not an empty success");
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

struct NoOp;

impl Action for NoOp {
    type Metric = ();
    async fn call(&self, _: Iteration) {}
}

#[tokio::test(start_paused = true)]
async fn stages_that_cannot_be_run_are_refused_by_their_value() {
    let with_rate = |rate| {
        refusal(
            StageExecutor::builder()
                .stages([Stage::new(SECOND, rate)])
                .build(),
        )
    };
    for (rate, names) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (-1.0, "-1"),
        (0.0, "zero"),
    ] {
        let text = with_rate(rate).await;
        assert!(text.contains(names), "{names}: {text}");
    }
    let text = refusal(StageExecutor::builder().stages([]).build()).await;
    assert!(text.contains("stage"), "{text}");
    let text = refusal(
        StageExecutor::builder()
            .stages([Stage::new(SECOND, 10.0)])
            .workers(0)
            .build(),
    )
    .await;
    assert!(text.contains("workers") && text.contains('0'), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_run_as_often_as_the_stages_plan() {
    let run = LoadTest::builder()
        .name("ramps")
        .action(|iteration| async move {
            if iteration.index % 10 == 9 {
                Err("every tenth")
            } else {
                Ok(())
            }
        })
        .executor(
            StageExecutor::builder()
                .stages([
                    Stage::new(SECOND * 10, 100.0), // 500 arrivals
                    Stage::new(SECOND * 30, 100.0), // 3,000
                    Stage::new(SECOND * 5, 0.0),    // 250
                ])
                .build(),
        )
        .build()
        .run()
        .await
        .unwrap();
    let summary = Summary::derive(&run);
    let row = &summary.scenarios[0];
    assert_eq!(row.name, "ramps");
    assert_eq!((row.planned, row.completed), (3_750, 3_750));
    assert_eq!((row.succeeded, row.failed), (3_375, 375));
    // The schedule had its whole time, though its last arrival was done before.
    assert_eq!(row.load_time, SECOND * 45);
    assert!(row.elapsed >= SECOND * 45 && row.elapsed < SECOND * 46);
    assert!(row.achieved_rate <= row.offered_rate);
    assert_eq!(row.errors[0].class, "every tenth");
    assert_eq!(row.errors[0].count, 375);
}

/// Says something of itself.
struct Telling;

impl Scenario for Telling {
    type Action = NoOp;
    type Error = std::convert::Infallible;
    fn name(&self) -> &str {
        "telling"
    }
    async fn connect(&self, _: u64) -> Result<NoOp, Self::Error> {
        Ok(NoOp)
    }
    fn remarks(&self) -> Vec<String> {
        vec!["nobody answered".to_owned()]
    }
    fn details(&self) -> Vec<Detail> {
        vec![Detail::new("engine", "lean")]
    }
}

#[tokio::test(start_paused = true)]
async fn a_scenario_under_another_name_says_the_same_of_itself() {
    let test = || {
        let executor = StageExecutor::builder().stages([Stage::new(SECOND, 10.0)]);
        let test = LoadTest::builder().name("renamed").scenario(Telling);
        test.executor(executor.build()).build()
    };
    let summary = Summary::derive(&test().run().await.unwrap());
    let suite = Suite::new("suite").with(test()).run().await.unwrap();
    for summary in [summary, suite] {
        let row = &summary.scenarios[0];
        assert_eq!((row.name.as_str(), row.warnings.len()), ("renamed", 1));
        assert_eq!(row.details, [Detail::new("engine", "lean")]);
        assert!(summary.passed());
    }
}
