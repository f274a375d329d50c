//! A flow of requests: each user logs in, takes the token out of the answer, and
//! uses it.
//!
//! ```sh
//! cargo run --release --example http_flow
//! ```
//!
//! It loads a little server of its own. The report has a row for the whole flow,
//! and one for each of its requests.

use std::{error::Error, process::ExitCode, time::Duration};

use karga::{
    http::{Capture, Check},
    prelude::*,
};

#[path = "support/http_server.rs"]
mod http_server;
#[path = "support/program.rs"]
mod program;

const USERS: u64 = 20;
const THINKING: Duration = Duration::from_millis(20); // on average, between two flows
const LENGTH: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    program::exit_code(run().await)
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let server = format!("http://{}", http_server::start()?);

    let login = HttpRequest::post(format!("{server}/login"))
        .name("login")
        .json(&serde_json::json!({ "user": "user-{{user}}" }))
        .capture("token", Capture::json("/token"));
    let me = HttpRequest::get(format!("{server}/me?visit={{{{index}}}}"))
        .name("me")
        .header("authorization", "Bearer {{token}}")
        .check(Check::status(200))
        .check(Check::body_contains("hello, user-"));

    let run = LoadTest::builder()
        .name("log in and look")
        .scenario(HttpScenario::builder(login).then(me).build()?)
        .executor(
            UsersExecutor::builder()
                .users(USERS)
                .duration(LENGTH)
                .think_time(ThinkTime::exponential(THINKING))
                .build(),
        )
        .thresholds(Thresholds::parse([
            r#"p99(response_time){label="login"} < 250ms"#,
            r#"p99(response_time){label="me"} < 250ms"#,
        ])?)
        .build()
        .run()
        .await?;

    let summary = Summary::derive(&run);
    StdoutReporter::default().report(&summary).await?;
    Ok(summary.passed())
}
