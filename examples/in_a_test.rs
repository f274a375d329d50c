//! Load tests among your tests: a `#[tokio::test]` that fails, with the whole
//! table in its message, when a threshold is missed.
//!
//! ```sh
//! cargo test --example in_a_test
//! ```

fn main() {
    #[expect(
        clippy::print_stdout,
        reason = "whoever runs it should know how to test it"
    )]
    {
        println!("run its tests: cargo test --example in_a_test");
    }
}

#[cfg(test)]
#[path = "support/service.rs"]
mod service;

#[cfg(test)]
mod tests {
    use std::{error::Error, time::Duration};

    use karga::{assert_thresholds, prelude::*};

    use super::service;

    #[tokio::test]
    async fn it_answers_in_time_under_load() -> Result<(), Box<dyn Error>> {
        let addr = service::start(Duration::from_millis(1), 16).await?;

        let run = LoadTest::builder()
            .scenario(service::Ask { addr })
            .executor(StageExecutor::constant(200.0, Duration::from_secs(1)).build())
            .build()
            .run()
            .await?;

        assert_thresholds!(
            run,
            "p50(response_time) < 250ms",
            "failures == 0",
            "achieved_rate > 90%",
        );
        Ok(())
    }
}
