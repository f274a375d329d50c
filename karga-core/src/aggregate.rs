use std::future::ready;

use crate::{BoxFuture, Panicked, Sample};

/// Something that can be split into empty copies and put together again.
///
/// It stands apart from [`Aggregate`], because `fork` on a trait that is
/// generic over the metric would be ambiguous.
///
/// # Contract
///
/// - `fork` gives an *empty* value of the same configuration, so that a merge
///   cannot fail on shape.
/// - `merge` is associative and commutative: the executor merges shards in any
///   order. Merging a fork that nothing was recorded into changes nothing.
///
/// The kit `testing::aggregate` (feature `testing`) checks an aggregate against
/// this.
///
/// # Example
///
/// ```
/// use karga_core::Merge;
///
/// struct Total { unit: &'static str, sum: u64 }
///
/// impl Merge for Total {
///     fn fork(&self) -> Self {
///         Total { unit: self.unit, sum: 0 } // keeps the configuration
///     }
///     fn merge(&mut self, other: Self) {
///         self.sum += other.sum;
///     }
/// }
/// ```
///
/// # A wrong one
///
/// ```
/// use karga_core::Merge;
///
/// struct Mean(f64);
///
/// impl Merge for Mean {
///     fn fork(&self) -> Self { Mean(0.0) }
///     fn merge(&mut self, other: Self) {
///         // Not associative: a mean of means depends on the order. Keep the
///         // sum and the count, and divide in the report.
///         self.0 = (self.0 + other.0) / 2.0;
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be merged, so it cannot aggregate samples",
    label = "not `Merge`",
    note = "implement `karga_core::Merge` for `{Self}`: `fork` gives an empty value of the same configuration, `merge` adds another up"
)]
pub trait Merge: Sized + Send + 'static {
    /// An empty value of the same configuration.
    fn fork(&self) -> Self;

    /// Adds what `other` holds to this.
    fn merge(&mut self, other: Self);

    /// A full copy, if one can be made: `Some(self.clone())` where the type is
    /// `Clone`.
    ///
    /// A snapshot shows what was recorded in the interval beside the total of
    /// the run. Given a copy, an executor records every sample once and adds
    /// the copy up; without one, which is the default, it has to record every
    /// sample twice.
    fn duplicate(&self) -> Option<Self> {
        None
    }

    /// An empty value for samples that are no part of the result: those of a
    /// warm-up, or an interval's that are recorded a second time. A fork unless
    /// the aggregate hands samples on, to a file say, which it must not do
    /// with these.
    fn fork_apart(&self) -> Self {
        self.fork()
    }

    /// Called once by the executor, on the total of the run after the last
    /// merge: the place to wait for what was handed on. What it says joins the
    /// warnings of the run. Nothing by default.
    fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(ready(Vec::new()))
    }
}

/// Condenses samples while they are made, in bounded memory.
///
/// Executors keep several forks (shards), record into them from the hot path
/// and merge them, at every interval for the observer and at the end for the
/// [`Run`](crate::Run).
///
/// # Contract
///
/// - `record` is on the hot path: no lock, no I/O, and no allocation in the
///   usual case.
/// - Memory is bounded by what is configured, never by the number of samples.
///
/// # Panics
///
/// `record` should not panic. If it does, the iteration counts as interrupted
/// and the run goes on.
///
/// # Example
///
/// ```
/// use karga_core::{Aggregate, Merge, Metric, Outcome, Sample};
///
/// #[derive(Default)]
/// struct Failures(u64);
///
/// impl Merge for Failures {
///     fn fork(&self) -> Self { Failures(0) }
///     fn merge(&mut self, other: Self) { self.0 += other.0; }
/// }
///
/// impl<M: Metric> Aggregate<M> for Failures {
///     fn record(&mut self, sample: &Sample<M>) {
///         if sample.metric.outcome() == Outcome::Failure {
///             self.0 += 1;
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot record samples of the metric `{M}`",
    label = "not an `Aggregate<{M}>`",
    note = "implement `karga_core::Aggregate<{M}>` for `{Self}`, or generically: `impl<M: Metric> Aggregate<M> for {Self}`"
)]
pub trait Aggregate<M>: Merge {
    /// Takes one sample in.
    fn record(&mut self, sample: &Sample<M>);

    /// Takes in an iteration whose action panicked, so that there is no metric
    /// of its own: [`Panicked`] stands in for it, a failure of the class
    /// `panic`.
    ///
    /// Does nothing by default; the iteration still counts as completed in the
    /// account. An aggregate that records every [`Metric`](crate::Metric)
    /// forwards it: `Aggregate::<Panicked>::record(self, sample)`.
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        let _ = sample;
    }
}

/// Keeps nothing.
impl Merge for () {
    fn fork(&self) -> Self {}
    fn merge(&mut self, (): Self) {}
    fn duplicate(&self) -> Option<Self> {
        Some(())
    }
}

impl<M> Aggregate<M> for () {
    fn record(&mut self, _: &Sample<M>) {}
}

/// Every member records every sample.
macro_rules! tuples {
    ($(($($name:ident $index:tt),*))*) => {$(
        impl<$($name: Merge),*> Merge for ($($name,)*) {
            fn fork(&self) -> Self {
                ($(self.$index.fork(),)*)
            }
            fn merge(&mut self, other: Self) {
                $(self.$index.merge(other.$index);)*
            }
            fn duplicate(&self) -> Option<Self> {
                Some(($(self.$index.duplicate()?,)*))
            }
            fn fork_apart(&self) -> Self {
                ($(self.$index.fork_apart(),)*)
            }
            fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
                Box::pin(async move {
                    let mut remarks = Vec::new();
                    $(remarks.extend(self.$index.finish().await);)*
                    remarks
                })
            }
        }

        impl<M, $($name: Aggregate<M>),*> Aggregate<M> for ($($name,)*) {
            fn record(&mut self, sample: &Sample<M>) {
                $(self.$index.record(sample);)*
            }
            fn record_panic(&mut self, sample: &Sample<Panicked>) {
                $(self.$index.record_panic(sample);)*
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
}

impl<T: Merge> Merge for Box<T> {
    fn fork(&self) -> Self {
        Box::new((**self).fork())
    }
    fn merge(&mut self, other: Self) {
        (**self).merge(*other);
    }
    fn duplicate(&self) -> Option<Self> {
        (**self).duplicate().map(Box::new)
    }
    fn fork_apart(&self) -> Self {
        Box::new((**self).fork_apart())
    }
    fn finish(&mut self) -> BoxFuture<'_, Vec<String>> {
        (**self).finish()
    }
}

impl<M, T: Aggregate<M>> Aggregate<M> for Box<T> {
    fn record(&mut self, sample: &Sample<M>) {
        (**self).record(sample);
    }
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        (**self).record_panic(sample);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Iteration, Metric};

    /// Counts what it is handed, by error class.
    #[derive(Default)]
    struct Counts {
        all: u64,
        panics: u64,
    }

    impl Merge for Counts {
        fn fork(&self) -> Self {
            Self::default()
        }
        fn merge(&mut self, other: Self) {
            self.all += other.all;
            self.panics += other.panics;
        }
    }

    impl<M: Metric> Aggregate<M> for Counts {
        fn record(&mut self, sample: &Sample<M>) {
            self.all += 1;
            self.panics += u64::from(sample.metric.error_class().as_deref() == Some("panic"));
        }
        fn record_panic(&mut self, sample: &Sample<Panicked>) {
            Aggregate::<Panicked>::record(self, sample);
        }
    }

    fn sample<M>(metric: M) -> Sample<M> {
        let iteration = Iteration::new(0, 0, Duration::ZERO);
        Sample::new(iteration, Duration::ZERO, Duration::from_millis(1), metric)
    }

    #[test]
    fn a_copy_is_whole_or_none() {
        assert!((Box::new(()), ((),)).duplicate().is_some());
        assert!((Counts::default(), ()).duplicate().is_none());
    }

    fn feed<A: Aggregate<()>>(aggregate: &mut A) {
        aggregate.record(&sample(()));
        aggregate.record_panic(&sample(Panicked::new()));
    }

    #[test]
    fn a_panic_reaches_every_member_through_boxes_and_tuples() {
        let mut aggregate = (Box::new(Counts::default()), ((), Counts::default()));
        feed(&mut aggregate);
        let mut sum = aggregate.fork();
        sum.merge(aggregate);
        assert_eq!((sum.0.all, sum.0.panics), (2, 1));
        assert_eq!((sum.1.1.all, sum.1.1.panics), (2, 1));
    }
}
