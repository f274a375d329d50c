//! A staged load test on Kafka: producers and consumers side by side.
//!
//! ```sh
//! cargo run --release --example kafka                 # an embedded broker
//! cargo run --release --example kafka -- --url kafka://host:9092/orders
//! ```
//!
//! The exit status is 0 only when the run was healthy and nothing failed, 1
//! when it was not, and 2 when it could not be run at all.

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use karga::{
    kafka::{
        ErrorCode, Payload, StartOffset,
        client::{Client, NewTopic},
        config::Acks,
    },
    prelude::*,
};

#[path = "support/options.rs"]
mod options;
#[path = "support/program.rs"]
mod program;
#[path = "support/report.rs"]
mod report;

const TOPIC: &str = "karga"; // on the embedded broker
const RAMP: f64 = 0.2; // share of the schedule to ramp up, and again to ramp down
const FETCH_RATE: f64 = 50.0; // fetches per second at the plateau
const FETCH_WAIT: Duration = Duration::from_millis(5); // the longest wait for new records
const DRAIN: Duration = Duration::from_millis(500); // to fetch what was produced last

/// Loads a Kafka topic with producers and consumers side by side: ramp up,
/// hold, ramp down.
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
    /// The topic to load, kafka://host:9092[,host2:9092]/topic[?option=value&...]
    /// [default: a broker embedded in this program]
    #[arg(long)]
    url: Option<String>,
    /// Produce requests per second at the plateau
    #[arg(long, default_value_t = 1000.0, allow_negative_numbers = true)]
    rate: f64,
    /// Seconds that the whole schedule takes, ramps included
    #[arg(long, default_value_t = 10.0, allow_negative_numbers = true)]
    seconds: f64,
    /// Bytes in the value of each record
    #[arg(long, default_value_t = 100)]
    size: usize,
    /// Records in each produce request
    #[arg(long, default_value_t = 10)]
    batch: usize,
    /// Producers: the most produce requests in flight, each on its own connection
    #[arg(long, default_value_t = 32, allow_negative_numbers = true)]
    workers: u64,
    /// Acknowledgements that the broker is asked for: 0, 1 or all
    /// [default: all, or what the URL says]
    #[arg(long)]
    acks: Option<Acks>,
    /// Make the topic first, with this many partitions, unless it is there
    #[arg(long, value_name = "PARTITIONS", allow_negative_numbers = true)]
    create_topic: Option<i32>,
    /// Also write the summary to this file, as JSON
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Produce only
    #[arg(long)]
    no_fetch: bool,
}

// One thread for the load; the embedded broker has one of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program::exit_code(run(Args::parse()).await)
}

async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    // What can be refused is refused before any load.
    let whole = options::seconds("--seconds", args.seconds)?;
    let rate = options::rate(args.rate)?;
    if args.workers == 0 {
        return Err("--workers 0: give 1 or more; each is one request in flight".into());
    }
    let json = args.json.map(JsonReporter::to_file);
    if let Some(json) = &json {
        json.check()?;
    }

    // Dropped, and so stopped, when the run is over.
    let mut embedded = None;
    let url: KafkaUrl = match &args.url {
        Some(url) => url.parse()?,
        None => {
            let partitions = args.create_topic.unwrap_or(1);
            let broker = EmbeddedBroker::builder().partitions(partitions).start();
            embedded.insert(broker.await?).url(TOPIC).parse()?
        }
    };
    if let (Some(_), Some(partitions)) = (&args.url, args.create_topic) {
        create_topic(&url, partitions).await?;
    }

    let ramp = whole.mul_f64(RAMP);
    let hold = whole - 2 * ramp;
    let progress = Progress::new();

    let mut produce = ProduceScenario::builder(&url)
        .payload(Payload::random(args.size))
        .batch(args.batch);
    if let Some(acks) = args.acks {
        produce = produce.acks(acks);
    }
    let produce = LoadTest::builder()
        .name("produce")
        .scenario(produce.build()?)
        .executor(
            StageExecutor::builder()
                .stages([
                    Stage::new(ramp, rate),
                    Stage::new(hold, rate),
                    Stage::new(ramp, 0.0),
                ])
                .workers(args.workers)
                .precision(Precision::Fine) // an answer takes less than a tick of the usual timer
                .build()?,
        )
        .build();
    let mut suite = Suite::new(format!("kafka {}", url.topic()))
        .observer(progress)
        .with(produce);

    if !args.no_fetch {
        let fetch = FetchScenario::builder(&url)
            .start(StartOffset::Latest)
            .max_wait(FETCH_WAIT)
            .build()?;
        let fetch = LoadTest::builder()
            .name("fetch")
            .scenario(fetch)
            .executor(
                StageExecutor::builder()
                    .stages([
                        Stage::new(ramp, FETCH_RATE),
                        Stage::new(hold + ramp + DRAIN, FETCH_RATE),
                    ])
                    .workers(1)
                    .precision(Precision::Fine)
                    .build()?,
            )
            .build();
        suite = suite.with(fetch);
    }

    program::say(&format!("loading {url}"));
    let summary = suite.run().await?;
    report::report(&summary, json.as_ref()).await?;
    Ok(summary.passed())
}

async fn create_topic(url: &KafkaUrl, partitions: i32) -> Result<(), karga::kafka::Error> {
    let client = Client::connect(url.client_config()).await?;
    let topic = NewTopic::new(url.topic()).partitions(partitions);
    match client.create_topic(&topic).await {
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Ok(()),
        created => created.map(drop),
    }
}
