//! The closed model: a number of users who think, and users who keep a pace,
//! side by side against a service that stalls.
//!
//! ```sh
//! cargo run --release --example users
//! ```
//!
//! The service answers in a few milliseconds but for one stall of a second.
//! Users who only think ask nothing while they wait: their response times
//! hardly see the stall. Users with a pace hold their due times, and see it
//! whole. It runs for some six seconds and prints both rows: the suite FAILED,
//! and only the paced row knows why.

use std::{
    error::Error,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use karga::prelude::*;
use tokio::time::{Instant, sleep_until};

#[path = "support/service.rs"]
mod service;

const SERVICE_TIME: Duration = Duration::from_millis(2);
const SLOTS: usize = 64;
const USERS: u64 = 20;
const RAMP: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_secs(4);
const STALL_AFTER: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = Shop {
        service: service::Ask {
            addr: service::start(SERVICE_TIME, SLOTS).await?,
        },
        opened: Arc::default(),
    };
    let stages = [UserStage::new(RAMP, USERS), UserStage::new(HOLD, USERS)];

    let thinking = LoadTest::builder()
        .name("thinking")
        .scenario(shop.clone())
        .executor(
            UsersExecutor::builder()
                .stages(stages)
                .think_time(ThinkTime::exponential(Duration::from_millis(50)))
                .build(),
        )
        .build();
    let paced = LoadTest::builder()
        .name("paced")
        .scenario(shop)
        .executor(
            UsersExecutor::builder()
                .stages(stages)
                .pacing(Duration::from_millis(50))
                .build(),
        )
        .build();

    let summary = Suite::new("users")
        .with(thinking)
        .with(paced)
        .observer(Progress::new())
        .run()
        .await?;
    StdoutReporter::default().report(&summary).await?;
    // The stall makes the suite a failed one; that is what it is here to show.
    Ok(())
}

/// A shop that closes its doors for a moment.
#[derive(Clone)]
struct Shop {
    service: service::Ask,
    /// When the first of its users came.
    opened: Arc<OnceLock<Instant>>,
}

/// One of its users, with a connection and a basket of its own: made once by
/// `connect` and kept for the whole run.
struct Shopper {
    client: service::Client,
    user: u64,
    basket: AtomicU64,
    opened: Arc<OnceLock<Instant>>,
}

impl Scenario for Shop {
    type Action = Shopper;
    type Error = io::Error;

    fn name(&self) -> &str {
        "shop"
    }

    async fn connect(&self, user: u64) -> io::Result<Shopper> {
        Ok(Shopper {
            client: self.service.connect(user).await?,
            user,
            basket: AtomicU64::new(0),
            opened: Arc::clone(&self.opened),
        })
    }
}

impl Action for Shopper {
    type Metric = io::Result<()>;

    async fn call(&self, _iteration: Iteration) -> Self::Metric {
        let closes = *self.opened.get_or_init(Instant::now) + STALL_AFTER;
        if Instant::now() >= closes {
            sleep_until(closes + STALL).await; // at once when that has passed
        }
        let item = self.basket.fetch_add(1, Ordering::Relaxed);
        let order = format!("user {} takes item {item}", self.user);
        self.client.ask(&order).await
    }
}
