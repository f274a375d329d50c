//! Load on an HTTP server: arrivals at a rate, or a number of users.
//!
//! ```sh
//! cargo run --release --example http                  # a server of its own
//! cargo run --release --example http -- --url http://host:8080/path --rate 5000
//! cargo run --release --example http -- --url http://host:8080/path --users 32
//! ```
//!
//! The exit status is 0 only when the run was healthy and nothing failed, 1
//! when it was not, and 2 when it could not be run at all.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use karga::{
    http::{Engine, HttpVersion},
    prelude::*,
};

#[path = "support/http_server.rs"]
mod http_server;
#[path = "support/options.rs"]
mod options;
#[path = "support/program.rs"]
mod program;
#[path = "support/report.rs"]
mod report;

const RATE: f64 = 1000.0; // requests per second, unless a number of users is given

/// Loads an HTTP server: arrivals at a rate (the open model), or a number of
/// users who send one request after the other (the closed model).
///
/// Ctrl-C ends the load early: what is in flight gets up to 30 s to be answered,
/// and the report is printed. A second Ctrl-C ends the program at once, without
/// a report.
///
/// Exit status: 0 if the run was healthy and nothing failed, 1 if not, 2 if it
/// could not be run.
#[derive(Debug, Parser)]
#[command(max_term_width = 80)]
struct Args {
    /// What to load, http[s]://host[:port][/path][?query]; {{index}} in path,
    /// query, header or body is the number of the request
    /// [default: a server of this program's own]
    #[arg(long)]
    url: Option<String>,
    /// Requests per second, whether or not the server keeps up [default: 1000]
    #[arg(long, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// Users who each send their next request when the last is answered, instead
    /// of a rate
    #[arg(long, conflicts_with = "rate", allow_negative_numbers = true)]
    users: Option<u64>,
    /// Seconds that the load lasts
    #[arg(long, default_value_t = 10.0, allow_negative_numbers = true)]
    seconds: f64,
    /// With a rate: the most requests in flight, each on its own connection
    #[arg(
        long,
        default_value_t = 32,
        conflicts_with = "users",
        allow_negative_numbers = true
    )]
    workers: u64,
    /// With a rate: coarse (to the millisecond) or fine (to some 50 us, for more
    /// CPU)
    #[arg(long, default_value = "fine", value_parser = precision, conflicts_with = "users")]
    precision: Precision,
    /// What carries the requests: auto, lean or reqwest
    #[arg(long, default_value_t = Engine::Auto)]
    engine: Engine,
    /// Which HTTP: auto, 1.1 or 2
    #[arg(long, default_value_t = HttpVersion::Auto)]
    http: HttpVersion,
    /// The method
    #[arg(long, default_value = "GET")]
    method: String,
    /// A header, "name: value"; may be given several times
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The body
    #[arg(long)]
    body: Option<String>,
    /// Seconds that a request may take; what takes longer counts as unknown
    #[arg(long, default_value_t = 30.0, allow_negative_numbers = true)]
    deadline: f64,
    /// The most redirects to follow
    #[arg(long, default_value_t = 0)]
    redirects: u32,
    /// Trust every certificate
    #[arg(long)]
    insecure: bool,
    /// Offer the load even if the server cannot be reached at first
    #[arg(long)]
    no_preflight: bool,
    /// Also write the summary to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
}

// One thread for the load; the server has one of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    // What can be refused is refused before any load.
    let whole = options::seconds("--seconds", args.seconds)?;
    let json = args.json.as_ref().map(JsonReporter::to_file);
    if let Some(json) = &json {
        json.check()?;
    }
    let url = match &args.url {
        Some(url) => url.clone(),
        None => format!("http://{}/", http_server::start()?),
    };
    let scenario = scenario(&args, &url)?;

    let run = match args.users {
        Some(users) => {
            let executor = UsersExecutor::builder().users(users).duration(whole);
            run_with(scenario, executor.build()?).await?
        }
        None => {
            let rate = options::rate(args.rate.unwrap_or(RATE))?;
            let executor = StageExecutor::constant(rate, whole)
                .workers(args.workers)
                .precision(args.precision);
            run_with(scenario, executor.build()?).await?
        }
    };
    let summary = Summary::derive(&run);
    report::report(&summary, json.as_ref()).await?;
    Ok(summary.passed())
}

fn scenario(args: &Args, url: &str) -> Result<HttpScenario, Box<dyn Error>> {
    let mut request = HttpRequest::new(&args.method, url);
    for header in &args.header {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("--header {header:?}: write \"name: value\""))?;
        request = request.header(name.trim(), value.trim());
    }
    if let Some(body) = &args.body {
        request = request.body(body);
    }
    Ok(HttpScenario::builder(request)
        .engine(args.engine)
        .version(args.http)
        .deadline(options::seconds("--deadline", args.deadline)?)
        .redirects(args.redirects)
        .accept_invalid_certificates(args.insecure)
        .preflight(!args.no_preflight)
        .build()?)
}

async fn run_with<E>(
    scenario: HttpScenario,
    executor: E,
) -> Result<Run<HistogramAggregate>, E::Error>
where
    E: Executor<karga::Named<HttpScenario>>,
{
    program::say(&format!(
        "loading {}",
        scenario.requests().collect::<String>()
    ));
    LoadTest::builder()
        .scenario(scenario)
        .executor(executor)
        .observer(Progress::new())
        .build()
        .run()
        .await
}

fn precision(text: &str) -> Result<Precision, String> {
    match text {
        "coarse" => Ok(Precision::Coarse),
        "fine" => Ok(Precision::Fine),
        other => Err(format!("{other:?} is no precision: choose coarse or fine")),
    }
}
