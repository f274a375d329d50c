//! The aggregate, and the report that is derived from it.

use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

use karga_core::{Aggregate, Merge, Metric, Outcome, Panicked, Report, Run, Sample};

/// How many operations are counted apart; what goes beyond is "other". A bound,
/// so that memory does not depend on what the labels say.
const OPERATIONS: usize = 50;

/// Counts those who were satisfied: the Application Performance Index (Apdex
/// Technical Specification 1.1), for all iterations and for each label.
///
/// An iteration satisfies if it succeeds within the target, is tolerated within
/// four times the target, and frustrates otherwise, or if it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Apdex {
    target: Duration,
    all: Votes,
    labels: BTreeMap<Cow<'static, str>, Votes>,
}

/// What people thought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    satisfied: u64,
    tolerating: u64,
    frustrated: u64,
}

impl Votes {
    fn add(&mut self, other: Self) {
        self.satisfied += other.satisfied;
        self.tolerating += other.tolerating;
        self.frustrated += other.frustrated;
    }

    fn count(self) -> u64 {
        self.satisfied + self.tolerating + self.frustrated
    }

    /// From 0 to 1; `None` if nobody was asked.
    fn score(self) -> Option<f64> {
        let good = self.satisfied as f64 + self.tolerating as f64 / 2.0;
        (self.count() > 0).then(|| good / self.count() as f64)
    }
}

impl Apdex {
    /// Counts by this target.
    pub(crate) fn new(target: Duration) -> Self {
        Self {
            target,
            all: Votes::default(),
            labels: BTreeMap::new(),
        }
    }

    fn vote<M: Metric>(&self, sample: &Sample<M>) -> Votes {
        // The response time counts from the due time: who had to wait for a
        // place in the queue is not satisfied either.
        let time = sample.response_time();
        let mut votes = Votes::default();
        match sample.metric.outcome() {
            Outcome::Success if time <= self.target => votes.satisfied = 1,
            Outcome::Success if time <= self.target * 4 => votes.tolerating = 1,
            _ => votes.frustrated = 1,
        }
        votes
    }
}

/// The votes of a label, or of "other" if there are too many labels. Which
/// those are then depends on the order, so the bound lies beyond the handful of
/// labels that a metric may have.
fn of<'a>(
    labels: &'a mut BTreeMap<Cow<'static, str>, Votes>,
    label: Cow<'static, str>,
) -> &'a mut Votes {
    let full = labels.len() >= OPERATIONS && !labels.contains_key(&label);
    let label = if full { Cow::Borrowed("other") } else { label };
    labels.entry(label).or_default()
}

impl Merge for Apdex {
    fn fork(&self) -> Self {
        Self::new(self.target)
    }
    fn merge(&mut self, other: Self) {
        self.all.add(other.all);
        for (label, votes) in other.labels {
            of(&mut self.labels, label).add(votes);
        }
    }
    fn duplicate(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl<M: Metric> Aggregate<M> for Apdex {
    fn record(&mut self, sample: &Sample<M>) {
        let votes = self.vote(sample);
        self.all.add(votes);
        if let Some(label) = sample.metric.label() {
            of(&mut self.labels, label).add(votes);
        }
    }
    fn record_panic(&mut self, sample: &Sample<Panicked>) {
        Aggregate::<Panicked>::record(self, sample);
    }
}

/// The scores of a run; its `Display` is a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApdexReport {
    name: String,
    target: Duration,
    /// Arrivals that got no answer at all.
    missing: u64,
    rows: Vec<(String, Votes)>,
}

impl Report<Apdex> for ApdexReport {
    fn derive(run: &Run<Apdex>) -> Self {
        let Apdex {
            target,
            all,
            labels,
        } = &run.aggregate;
        let mut all = *all;
        // Those who were turned away had no response time, and no answer: a
        // report that left them out would look the better the more there are.
        let missing = run.account.dropped + run.account.interrupted;
        all.frustrated += missing;
        let labels = labels
            .iter()
            .map(|(label, votes)| (label.to_string(), *votes));
        Self {
            name: run.name.clone(),
            target: *target,
            missing,
            rows: std::iter::once(("all".to_owned(), all))
                .chain(labels)
                .collect(),
        }
    }
}

impl fmt::Display for ApdexReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: Apdex by a target of {:?}", self.name, self.target)?;
        writeln!(
            f,
            "                  count  satisfied  tolerating  frustrated  score"
        )?;
        for (label, votes) in &self.rows {
            let Votes {
                satisfied,
                tolerating,
                frustrated,
            } = votes;
            let (count, score) = (votes.count(), votes.score());
            let score = score.map_or("none".to_owned(), |score| format!("{score:.2}"));
            writeln!(
                f,
                "{label:<16} {count:>6} {satisfied:>10} {tolerating:>11} {frustrated:>11} {score:>6}"
            )?;
        }
        match self.missing {
            0 => Ok(()),
            missing => writeln!(f, "{missing} had no answer at all; they are frustrated"),
        }
    }
}

#[cfg(test)]
mod tests {
    use karga_core::{Account, Iteration, testing};

    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// It keeps every promise of the contract.
    #[test]
    fn conforms() {
        testing::aggregate(|| Apdex::new(ms(10)))
            .size(|apdex| apdex.labels.len())
            .run();
    }

    #[test]
    fn the_score_is_that_of_the_specification() {
        let mut apdex = Apdex::new(ms(10));
        // Ten satisfy, five are tolerated (two of which at the very limit), four
        // frustrate; one of those failed fast.
        let times = [[1; 10].as_slice(), &[11, 20, 39, 40, 40], &[41, 100, 100]].concat();
        for (index, time) in (0..).zip(times) {
            let iteration = Iteration::new(index, 0, ms(index));
            apdex.record(&Sample::new(iteration, ms(index), ms(index + time), ()));
        }
        let failed = Sample::new(
            Iteration::new(99, 0, ms(0)),
            ms(0),
            ms(1),
            Err::<(), _>("no"),
        );
        apdex.record(&failed);
        assert_eq!(apdex.all.score(), Some((10.0 + 5.0 / 2.0) / 19.0));

        // And one was dropped.
        let run = Run::new("x", apdex, Account::new(20, 19, 1, 0), ms(1000));
        let report = ApdexReport::derive(&run);
        assert_eq!(report.rows[0].1.score(), Some(12.5 / 20.0));
        assert!(report.to_string().contains("1 had no answer"), "{report}");
    }

    #[test]
    fn nobody_is_no_score() {
        let run = Run::new("x", Apdex::new(ms(10)), Account::default(), ms(1000));
        let report = ApdexReport::derive(&run).to_string();
        assert!(report.contains("none"), "{report}");
    }
}
