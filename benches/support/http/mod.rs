//! Bare HTTP loops: what asking costs when nothing is scheduled, measured or kept but a count.
//!
//! The floor under every load generator. `benches/http.rs` and `scripts/rivals/http` share it.

pub mod reqwest_client;
pub mod tokio_client;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// What may go wrong in a task.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One of the loop's users.
pub trait Client: Send + 'static {
    /// Sends one GET and reads the whole answer; gives its status.
    fn get(&mut self) -> impl Future<Output = Result<u16, Error>> + Send;
}

/// What a loop did.
pub struct Done {
    /// Requests that were answered with 200.
    pub requests: u64,
    /// Requests that were answered otherwise.
    pub failed: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// Asks by all clients at once, each as soon as its last answer is there.
///
/// # Errors
///
/// The first error of a client: a loop that lost a connection measured something else.
pub async fn closed_loop<C: Client>(clients: Vec<C>, load: Duration) -> Result<Done, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut users = JoinSet::new();
    for mut client in clients {
        let stop = Arc::clone(&stop);
        users.spawn(async move {
            let (mut requests, mut failed) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                match client.get().await? {
                    200 => requests += 1,
                    _ => failed += 1,
                }
            }
            Ok::<_, Error>((requests, failed))
        });
    }
    tokio::time::sleep(load).await;
    stop.store(true, Ordering::Relaxed);
    let mut done = Done {
        requests: 0,
        failed: 0,
        elapsed: Duration::ZERO,
    };
    while let Some(user) = users.join_next().await {
        let (requests, failed) = user??;
        done.requests += requests;
        done.failed += failed;
    }
    done.elapsed = begun.elapsed();
    Ok(done)
}
