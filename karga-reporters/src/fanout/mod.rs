mod error;
mod name;

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use karga_core::{BoxReporter, BoxReporterError, Reporter};

pub use error::{FanoutError, FanoutFailure};

/// Ships one report by many reporters.
///
/// All are tried: one that fails or panics does not silence the others. The
/// error names each that failed, with its cause.
///
/// They take turns in one task, in the order in which they were added. While
/// one waits for something, such as an answer from the network, the others go
/// on. One that blocks its thread holds up all of them for as long, as
/// [`StdoutReporter`](crate::StdoutReporter) and
/// [`JsonReporter`](crate::JsonReporter) do while they write: add last what may
/// block for long, such as a file on a remote disk.
///
/// Those that take a [`Summary`](karga_stats::Summary) and those that take the
/// run itself come together by [`Derived`](crate::Derived).
///
/// ```
/// use karga_core::Reporter;
/// use karga_reporters::{Derived, Fanout, JsonReporter, StdoutReporter};
/// # async fn example(run: &karga_core::Run<karga_stats::HistogramAggregate>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// Fanout::new()
///     .with(Derived::new(StdoutReporter::default()))
///     .with_named("the JSON for CI", Derived::new(JsonReporter::to_file("run.json")))
///     .report(run)
///     .await?;
/// # Ok(()) }
/// ```
#[must_use = "reporters do nothing until they are given a report"]
pub struct Fanout<R: ?Sized> {
    members: Vec<(String, BoxReporter<R>)>,
}

impl<R: ?Sized + Sync> Fanout<R> {
    /// Nobody yet. Without members nothing is shipped, and nothing can fail.
    pub const fn new() -> Self {
        Self {
            members: Vec::new(),
        }
    }

    /// Adds a reporter; errors name it by its type.
    pub fn with<T: Reporter<R> + Send + Sync + 'static>(self, reporter: T) -> Self {
        self.with_named(name::of::<T>(), reporter)
    }

    /// Adds a reporter; errors name it so.
    pub fn with_named(
        mut self,
        name: impl Into<String>,
        reporter: impl Reporter<R> + Send + Sync + 'static,
    ) -> Self {
        self.members.push((name.into(), BoxReporter::new(reporter)));
        self
    }

    /// How many reporters there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<R: ?Sized + Sync> Default for Fanout<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: ?Sized> fmt::Debug for Fanout<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.members.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl<R: ?Sized + Sync> Reporter<R> for Fanout<R> {
    type Error = FanoutError;

    async fn report(&self, report: &R) -> Result<(), Self::Error> {
        let mut shipments: Vec<_> = self
            .members
            .iter()
            .map(|(name, member)| Shipment {
                name,
                // `report` is called within, so that its panic is caught as well.
                state: State::Running(Box::pin(async move { member.report(report).await })),
            })
            .collect();
        poll_fn(|cx| {
            let mut all = Poll::Ready(());
            for shipment in &mut shipments {
                if shipment.poll(cx).is_pending() {
                    all = Poll::Pending;
                }
            }
            all
        })
        .await;
        let failures: Vec<_> = shipments
            .into_iter()
            .filter_map(Shipment::failure)
            .collect();
        if failures.is_empty() {
            Ok(())
        } else {
            Err(FanoutError::new(failures, self.members.len()))
        }
    }
}

type Shipping<'a> = Pin<Box<dyn Future<Output = Result<(), BoxReporterError>> + Send + 'a>>;

/// What one member does.
struct Shipment<'a> {
    name: &'a str,
    state: State<'a>,
}

enum State<'a> {
    Running(Shipping<'a>),
    Shipped,
    Failed(FanoutFailure),
}

impl Shipment<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Running(shipping) = &mut self.state else {
            return Poll::Ready(());
        };
        let answer = catch_unwind(AssertUnwindSafe(|| shipping.as_mut().poll(cx)));
        self.state = match answer {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => State::Shipped,
            Ok(Poll::Ready(Err(error))) => {
                State::Failed(FanoutFailure::new(self.name, Box::new(error)))
            }
            Err(panic) => {
                let panicked = Panicked {
                    message: message(&*panic),
                };
                State::Failed(FanoutFailure::new(self.name, Box::new(panicked)))
            }
        };
        Poll::Ready(())
    }

    fn failure(self) -> Option<FanoutFailure> {
        match self.state {
            State::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it panicked: {message}")]
struct Panicked {
    message: String,
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text").to_owned()
}
