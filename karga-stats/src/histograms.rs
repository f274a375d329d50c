use karga_core::Merge;

use crate::HistogramAggregate;

/// An aggregate that has a [`HistogramAggregate`] in it, so that a
/// [`Summary`](crate::Summary) can be derived and thresholds can be judged.
///
/// A tuple has the one of its first member: `(HistogramAggregate, MyOwn)`
/// records into both.
///
/// ```
/// use karga_core::Merge;
/// use karga_stats::{HistogramAggregate, Histograms};
///
/// struct WithExtras { histograms: HistogramAggregate, extras: u64 }
/// # impl Merge for WithExtras {
/// #     fn fork(&self) -> Self { Self { histograms: self.histograms.fork(), extras: 0 } }
/// #     fn merge(&mut self, other: Self) {
/// #         self.histograms.merge(other.histograms);
/// #         self.extras += other.extras;
/// #     }
/// # }
///
/// impl Histograms for WithExtras {
///     fn histograms(&self) -> &HistogramAggregate { &self.histograms }
///     fn into_histograms(self) -> HistogramAggregate { self.histograms }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no histograms to derive figures from",
    label = "no `HistogramAggregate` in it",
    note = "aggregate into `HistogramAggregate`, into a tuple that begins with it, or implement `karga_stats::Histograms` for `{Self}`"
)]
pub trait Histograms: Merge {
    /// The histograms in it.
    fn histograms(&self) -> &HistogramAggregate;

    /// The histograms alone.
    fn into_histograms(self) -> HistogramAggregate;
}

impl Histograms for HistogramAggregate {
    fn histograms(&self) -> &HistogramAggregate {
        self
    }
    fn into_histograms(self) -> HistogramAggregate {
        self
    }
}

impl<A: Histograms> Histograms for Box<A> {
    fn histograms(&self) -> &HistogramAggregate {
        (**self).histograms()
    }
    fn into_histograms(self) -> HistogramAggregate {
        (*self).into_histograms()
    }
}

macro_rules! tuples {
    ($(($($rest:ident),*))*) => {$(
        impl<A: Histograms $(, $rest: Merge)*> Histograms for (A, $($rest,)*) {
            fn histograms(&self) -> &HistogramAggregate {
                self.0.histograms()
            }
            fn into_histograms(self) -> HistogramAggregate {
                self.0.into_histograms()
            }
        }
    )*};
}

tuples! {
    ()
    (B)
    (B, C)
    (B, C, D)
}
