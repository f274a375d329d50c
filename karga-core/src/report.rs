use std::{error::Error, fmt, future::Future, sync::Arc};

use crate::{BoxFuture, Run};

/// Figures derived from a finished run.
///
/// It sees the whole [`Run`], because elapsed time, offered load, dropped
/// arrivals and the generator's health are part of every honest report.
///
/// # Example
///
/// ```
/// use karga_core::{Report, Run};
///
/// struct Rate(f64);
///
/// impl<A> Report<A> for Rate {
///     fn derive(run: &Run<A>) -> Self {
///         Rate(run.account.completed as f64 / run.elapsed.as_secs_f64())
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use karga_core::{Report, Run};
///
/// struct Rate(f64);
///
/// // A report says which aggregate it can read.
/// impl Report for Rate {
///     fn derive(run: &Run<()>) -> Self { Rate(0.0) }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be derived from runs that aggregate into `{A}`",
    label = "not a `Report<{A}>`",
    note = "implement `karga_core::Report<{A}>` for `{Self}`, or run with an aggregate that `{Self}` can read"
)]
pub trait Report<A>: Sized {
    /// Derives the figures.
    fn derive(run: &Run<A>) -> Self;
}

/// Ships a report: to a terminal, a file, a service.
///
/// # Contract
///
/// - A report is shipped whole or not at all: an `Err` leaves no half file.
/// - A reporter knows no protocol; it reads what the report says.
/// - `report` may be called again, with the same or another report.
///
/// The kit `testing::reporter` (feature `testing`) checks a reporter against
/// this.
///
/// # Example
///
/// ```
/// use karga_core::Reporter;
///
/// struct Collect(std::sync::Mutex<Vec<String>>);
///
/// impl<R: std::fmt::Debug + Sync> Reporter<R> for Collect {
///     type Error = std::convert::Infallible;
///
///     async fn report(&self, report: &R) -> Result<(), Self::Error> {
///         let text = format!("{report:?}");
///         self.0.lock().unwrap().push(text);
///         Ok(())
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```compile_fail
/// use karga_core::Reporter;
///
/// struct Loud;
///
/// // `dyn Error` without `Send` cannot leave the task: name an error type.
/// impl<R: Sync> Reporter<R> for Loud {
///     type Error = Box<dyn std::error::Error>;
///     async fn report(&self, _: &R) -> Result<(), Self::Error> { Ok(()) }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot report `{R}`",
    label = "not a `Reporter<{R}>`",
    note = "implement `karga_core::Reporter<{R}>` for `{Self}`"
)]
pub trait Reporter<R: ?Sized> {
    /// Why a report could not be shipped.
    type Error: Error + Send + Sync + 'static;

    /// Ships the report.
    fn report(&self, report: &R) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

macro_rules! forward {
    ($(($($generics:tt)*) $type:ty;)*) => {$(
        impl<$($generics)*> Reporter<R> for $type {
            type Error = T::Error;
            fn report(&self, report: &R) -> impl Future<Output = Result<(), Self::Error>> + Send {
                (**self).report(report)
            }
        }
    )*};
}

forward! {
    ('a, R: ?Sized, T: Reporter<R>) &'a T;
    (R: ?Sized, T: Reporter<R>) Arc<T>;
    (R: ?Sized, T: Reporter<R>) Box<T>;
}

/// The dyn-compatible face of [`Reporter`].
trait ErasedReporter<R: ?Sized>: Send + Sync {
    fn report<'a>(&'a self, report: &'a R) -> BoxFuture<'a, Result<(), BoxReporterError>>;
}

impl<R, T> ErasedReporter<R> for T
where
    R: ?Sized + Sync,
    T: Reporter<R> + Send + Sync,
{
    fn report<'a>(&'a self, report: &'a R) -> BoxFuture<'a, Result<(), BoxReporterError>> {
        Box::pin(async move {
            Reporter::report(self, report)
                .await
                .map_err(|error| BoxReporterError(Box::new(error)))
        })
    }
}

/// A reporter of unnamed type, where a list of reporters is wanted.
///
/// ```
/// use karga_core::{BoxReporter, Reporter};
/// # struct Null;
/// # impl Reporter<str> for Null {
/// #     type Error = std::convert::Infallible;
/// #     async fn report(&self, _: &str) -> Result<(), Self::Error> { Ok(()) }
/// # }
///
/// async fn ship(report: &str) -> Result<(), karga_core::BoxReporterError> {
///     let reporters: Vec<BoxReporter<str>> = vec![BoxReporter::new(Null)];
///     for reporter in &reporters {
///         reporter.report(report).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct BoxReporter<R: ?Sized> {
    inner: Box<dyn ErasedReporter<R>>,
}

impl<R: ?Sized + Sync> BoxReporter<R> {
    /// Erases the type of `reporter`.
    pub fn new(reporter: impl Reporter<R> + Send + Sync + 'static) -> Self {
        Self {
            inner: Box::new(reporter),
        }
    }
}

impl<R: ?Sized> fmt::Debug for BoxReporter<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxReporter").finish_non_exhaustive()
    }
}

impl<R: ?Sized + Sync> Reporter<R> for BoxReporter<R> {
    type Error = BoxReporterError;

    async fn report(&self, report: &R) -> Result<(), Self::Error> {
        self.inner.report(report).await
    }
}

/// The error of a [`BoxReporter`]: that of the reporter within.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BoxReporterError(Box<dyn Error + Send + Sync>);

impl BoxReporterError {
    /// The reporter's own error.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}
