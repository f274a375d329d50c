use std::{fmt, future::Future, marker::PhantomData};

use karga_core::{Report, Reporter, Run};
use karga_stats::{Histograms, Summary};

/// A reporter of runs, made of one that takes what is derived from a run: a
/// [`Summary`], unless said otherwise.
///
/// So reporters of both kinds can be members of one [`Fanout`](crate::Fanout).
///
/// ```
/// use karga_core::{Account, Reporter, Run};
/// use karga_reporters::{Derived, StdoutReporter};
/// use karga_stats::HistogramAggregate;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = Run::new("ping", HistogramAggregate::default(), Account::default(), Duration::ZERO);
/// let reporter = Derived::new(StdoutReporter::to_writer(std::io::sink()));
/// reporter.report(&run).await?;
/// reporter.report(&[run][..]).await?; // the runs of a suite: one summary of all
/// # Ok(()) }
/// ```
#[must_use = "a reporter does nothing until it is given a run"]
pub struct Derived<T, R = Summary> {
    inner: T,
    name: Option<String>,
    report: PhantomData<fn() -> R>,
}

impl<T> Derived<T> {
    /// Hands the [`Summary`] of a run, or that of all runs of a suite, to
    /// `inner`.
    pub const fn new(inner: T) -> Self {
        Self::of(inner)
    }

    /// The name of the summary of several runs. Default: their names, joined.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<T, R> Derived<T, R> {
    /// Hands the report `R` of a run to `inner`:
    /// `Derived::<_, MyReport>::of(inner)`.
    pub const fn of(inner: T) -> Self {
        Self {
            inner,
            name: None,
            report: PhantomData,
        }
    }
}

impl<T: fmt::Debug, R> fmt::Debug for Derived<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Derived").field(&self.inner).finish()
    }
}

impl<A, T, R> Reporter<Run<A>> for Derived<T, R>
where
    T: Reporter<R> + Sync,
    R: Report<A> + Send + Sync,
{
    type Error = T::Error;

    fn report(&self, run: &Run<A>) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let report = R::derive(run);
        async move { self.inner.report(&report).await }
    }
}

impl<A, T> Reporter<[Run<A>]> for Derived<T>
where
    A: Histograms,
    T: Reporter<Summary> + Sync,
{
    type Error = T::Error;

    fn report(&self, runs: &[Run<A>]) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let name = self.name.clone().unwrap_or_else(|| {
            let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
            names.join(", ")
        });
        let summary = Summary::join(name, runs.iter().map(Summary::derive));
        async move { self.inner.report(&summary).await }
    }
}
