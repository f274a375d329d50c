mod check;
mod compare;
mod rule;
mod specimen;

use std::fmt;

pub use compare::{ByEq, ByFigures, Compare, EqBy};
pub use rule::AggregateRule;
pub use specimen::{Random, Specimen};

use super::{Violations, violation::Findings};
use crate::Aggregate;

/// Checks an aggregate: `make` gives an empty one.
///
/// It is given some hundred samples by chance, always the same ones, of a
/// metric that has everything that a metric can have ([`Specimen`]), or of
/// [one of your own](AggregateKit::metrics). Two aggregates hold the same if
/// they are equal by `PartialEq`, or by what [`figures`](AggregateKit::figures)
/// or [`eq_by`](AggregateKit::eq_by) say.
///
/// # Example
///
/// ```
/// use karga_core::{testing::{self, AggregateRule}, *};
///
/// #[derive(Debug, Default, PartialEq)]
/// struct Slowest(std::time::Duration);
///
/// impl Merge for Slowest {
///     fn fork(&self) -> Self { Slowest::default() }
///     fn merge(&mut self, other: Self) { self.0 = self.0.max(other.0); }
/// }
///
/// impl<M> Aggregate<M> for Slowest {
///     fn record(&mut self, sample: &Sample<M>) {
///         self.0 = self.0.max(sample.response_time());
///     }
/// }
///
/// testing::aggregate(Slowest::default)
///     .skip(AggregateRule::RecordPanic, "a panic has no response time worth knowing")
///     .run();
///
/// /// Even an empty one halves it.
/// #[derive(Debug, Default, PartialEq)]
/// struct Mean(f64);
///
/// impl Merge for Mean {
///     fn fork(&self) -> Self { Mean::default() }
///     fn merge(&mut self, other: Self) { self.0 = (self.0 + other.0) / 2.0; }
/// }
///
/// impl<M> Aggregate<M> for Mean {
///     fn record(&mut self, sample: &Sample<M>) {
///         self.0 = (self.0 + sample.response_time().as_secs_f64()) / 2.0;
///     }
/// }
///
/// let violations = testing::aggregate(Mean::default).check().unwrap_err();
/// assert!(violations.rules().contains(&AggregateRule::ForkEmpty), "{violations}");
/// ```
pub fn aggregate<A>(make: impl Fn() -> A + 'static) -> AggregateKit<A> {
    AggregateKit {
        make: Box::new(make),
        metric: Box::new(Specimen::new),
        compare: ByEq,
        samples: 500,
        size: None,
        handed_on: None,
        skipped: Vec::new(),
    }
}

/// The kit for aggregates, made by [`aggregate`].
#[must_use = "nothing is checked before `run` or `check` is called"]
pub struct AggregateKit<A, M = Specimen, C = ByEq> {
    make: Box<dyn Fn() -> A>,
    metric: Box<dyn Fn(&mut Random) -> M>,
    compare: C,
    samples: u64,
    size: Option<Size<A>>,
    handed_on: Option<Box<dyn Fn() -> u64>>,
    skipped: Vec<AggregateRule>,
}

/// How much an aggregate holds.
type Size<A> = Box<dyn Fn(&A) -> usize>;

impl<A, M, C> fmt::Debug for AggregateKit<A, M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateKit")
            .field("samples", &self.samples)
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}

impl<A, M, C> AggregateKit<A, M, C> {
    /// Samples of another metric, made by chance.
    pub fn metrics<N>(self, metric: impl Fn(&mut Random) -> N + 'static) -> AggregateKit<A, N, C> {
        AggregateKit {
            make: self.make,
            metric: Box::new(metric),
            compare: self.compare,
            samples: self.samples,
            size: self.size,
            handed_on: self.handed_on,
            skipped: self.skipped,
        }
    }

    /// Two aggregates hold the same if this says so: for those that have no
    /// `PartialEq`, or sums of floating-point numbers.
    pub fn eq_by<F: Fn(&A, &A) -> bool>(self, same: F) -> AggregateKit<A, M, EqBy<F>> {
        self.compare(EqBy(same))
    }

    /// Two aggregates hold the same if they give the same figures, which a
    /// failure shows.
    pub fn figures<T, F>(self, figures: F) -> AggregateKit<A, M, ByFigures<F>>
    where
        T: PartialEq + fmt::Debug,
        F: Fn(&A) -> T,
    {
        self.compare(ByFigures(figures))
    }

    fn compare<D>(self, compare: D) -> AggregateKit<A, M, D> {
        AggregateKit {
            make: self.make,
            metric: self.metric,
            compare,
            samples: self.samples,
            size: self.size,
            handed_on: self.handed_on,
            skipped: self.skipped,
        }
    }

    /// How many samples an aggregate is given; 500 by default, at least 100.
    pub fn samples(mut self, samples: u64) -> Self {
        self.samples = samples.max(100);
        self
    }

    /// How much memory an aggregate holds, in bytes or in whatever grows with
    /// it: the kit then checks that ten times the samples do not double it.
    /// Without, memory is not checked.
    pub fn size(mut self, size: impl Fn(&A) -> usize + 'static) -> Self {
        self.size = Some(Box::new(size));
        self
    }

    /// For an aggregate that hands samples on, to a file say: how many it has
    /// handed on so far. The kit then checks that none is that was recorded
    /// into a fork apart, and every other one is.
    pub fn handed_on(mut self, count: impl Fn() -> u64 + 'static) -> Self {
        self.handed_on = Some(Box::new(count));
        self
    }

    /// Leaves a rule out, because the aggregate does not make this promise;
    /// `because` is for those who read the test.
    pub fn skip(mut self, rule: AggregateRule, because: &'static str) -> Self {
        let _ = because;
        self.skipped.push(rule);
        self
    }
}

impl<A, M, C> AggregateKit<A, M, C>
where
    A: Aggregate<M>,
    C: Compare<A>,
{
    /// Runs every check.
    ///
    /// # Panics
    ///
    /// With the list of every promise that is broken.
    #[track_caller]
    pub fn run(self) {
        if let Err(violations) = self.check() {
            panic!("{violations}");
        }
    }

    /// Runs every check and gives what is broken.
    pub fn check(self) -> Result<(), Violations<AggregateRule>> {
        let mut findings = Findings::new::<A>("aggregates", self.skipped.clone());
        self.check_all(&mut findings);
        findings.finish()
    }
}
