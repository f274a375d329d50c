//! HTTP load scenarios for karga: flows of templated and checked requests, by a
//! lean HTTP/1.1 engine or by reqwest.
//!
//! # Concepts
//!
//! - [`HttpScenario`] is what virtual users do: one request, or a flow of several
//!   that use what the ones before them [captured](Capture).
//! - [`HttpRequest`] describes a request: method, URL, headers and body, with
//!   values in them that differ from iteration to iteration, and
//!   [checks](Check) on its answer.
//! - [`Engine`] is what carries them: one that writes pre-rendered requests on a
//!   connection for each user and reads answers where they arrive, or reqwest,
//!   which can do everything. A summary says which it was.
//!
//! ```no_run
//! use std::time::Duration;
//! use karga_core::{Action, Iteration, Metric, Scenario};
//! use karga_http::{Check, HttpRequest, HttpScenario};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scenario = HttpScenario::builder(
//!         HttpRequest::get("http://127.0.0.1:8080/items/{{index}}").check(Check::status(200)),
//!     )
//!     .deadline(Duration::from_secs(5))
//!     .build()?;
//!
//! // An executor does this, many times and on a schedule: see `karga-executors` and `karga`.
//! scenario.setup().await?;
//! let user = scenario.connect(0).await?;
//! let metric = user.call(Iteration::new(0, 0, Duration::ZERO)).await;
//! println!("{:?}, {} bytes", metric.outcome(), metric.volume().bytes_received);
//! scenario.teardown().await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod capture;
mod check;
mod engine;
mod error;
mod fault;
mod headers;
mod metric;
mod prepared;
mod request;
mod scenario;
mod status;
mod target;
mod template;
mod tls;
mod version;

pub use capture::Capture;
pub use check::{Check, Statuses};
pub use engine::{Engine, UnknownEngine};
pub use error::{BuildError, SetupError};
pub use metric::HttpMetric;
pub use request::HttpRequest;
pub use scenario::{HttpScenario, HttpScenarioBuilder, HttpUser};
pub use version::{HttpVersion, UnknownVersion};
