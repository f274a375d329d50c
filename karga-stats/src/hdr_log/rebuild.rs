//! An aggregate, put together again from the lines of a log.

use std::{collections::BTreeMap, time::Duration};

use super::{
    notes::{AggregateNote, ExactNote, LabelNote, SlotNote, StatsNote},
    tag::{Kind, Series},
};
use crate::{
    Histogram, HistogramAggregate,
    bucket::bucket_of,
    histogram::Exact,
    labelled::Labelled,
    sparse::Sparse,
    stats::{Outcomes, Parts, Stats},
    timeline::{Closed, Counts, Timeline},
};

/// More values than this fit into no log.
const MOST_VALUES: u64 = i64::MAX as u64;

/// The histogram of one interval.
pub(super) struct Measured {
    exact: Exact,
    buckets: Sparse,
    /// Whether it is of parts of iterations.
    parts: bool,
}

impl Measured {
    /// Of counts by bucket, ascending, and what was noted beside them.
    pub(super) fn new(note: ExactNote, pairs: Vec<(usize, u64)>) -> Result<Self, String> {
        let exact = note.exact();
        check(exact, &pairs)?;
        Ok(Self {
            exact,
            buckets: Sparse::encode(pairs.into_iter()),
            parts: note.parts,
        })
    }

    fn histogram(self) -> Histogram {
        let mut histogram = Histogram::new();
        self.closed(()).add_to(&mut histogram);
        histogram
    }

    fn closed<T>(self, tally: T) -> Closed<T> {
        Closed {
            tally,
            exact: self.exact,
            buckets: self.buckets,
        }
    }
}

/// Whether these can be the figures of values in those buckets.
fn check(exact: Exact, pairs: &[(usize, u64)]) -> Result<(), String> {
    let (Some(&(first, _)), Some(&(last, _))) = (pairs.first(), pairs.last()) else {
        return Err("its histogram is empty".to_owned());
    };
    let Exact {
        count,
        min,
        max,
        sum,
    } = exact;
    // They were added up, checked, when they were decoded.
    let held: u64 = pairs.iter().map(|&(_, count)| count).sum();
    let [least, most] = [min, max].map(|value| u128::from(value) * u128::from(count));
    if count != held {
        return Err(format!(
            "{count} values are noted, its histogram has {held}"
        ));
    }
    if bucket_of(min) != first || bucket_of(max) != last || !(least..=most).contains(&sum) {
        return Err("the exact figures are not those of its histogram".to_owned());
    }
    Ok(())
}

/// Slots by number, ascending.
type Slots<T> = Vec<(u64, Closed<T>)>;

pub(super) struct Rebuild {
    /// Empty, with the limits that were noted.
    empty: HistogramAggregate,
    latest: u64,
    shift: u32,
    total: Row,
    labels: BTreeMap<String, Row>,
    steps: BTreeMap<String, Histogram>,
    /// Response times without a label, and counts of all.
    slots: Slots<Counts>,
    /// The slot that lines belong to.
    slot: Option<OpenSlot>,
    /// The slot that they belonged to before.
    before: Option<u64>,
}

/// What belongs to the total or to a label.
struct Row {
    note: StatsNote,
    response: Histogram,
    service: Option<Histogram>,
    lateness: Option<Histogram>,
    /// A label's response times.
    slots: Slots<()>,
    /// Those of the parts with this label.
    parts: Slots<()>,
}

struct OpenSlot {
    note: SlotNote,
    /// The exact figures of its total, once that was read.
    total: Option<Exact>,
    /// The sum of its labels' iterations.
    labels: Exact,
    /// Whether parts of iterations ended in it.
    parts: bool,
    /// Its counts by bucket, ascending, less those of its labels.
    left: Vec<(usize, u64)>,
}

impl Rebuild {
    /// An empty one, and whether it is a warm-up's.
    pub(super) fn new(note: AggregateNote) -> Result<(bool, Self), String> {
        let empty = note.limits.build().map_err(|error| error.to_string())?;
        let shift = empty.seconds().shift_reaching_second(note.latest);
        let rebuild = Self {
            empty,
            latest: note.latest,
            shift,
            total: Row::new(note.total),
            labels: BTreeMap::new(),
            steps: BTreeMap::new(),
            slots: Vec::new(),
            slot: None,
            before: None,
        };
        Ok((note.warm_up, rebuild))
    }

    pub(super) fn label(&mut self, note: LabelNote) -> Result<(), String> {
        let LabelNote { label, stats } = note;
        match self.labels.insert(label, Row::new(stats)) {
            None => Ok(()),
            Some(_) => Err("the label is there already".to_owned()),
        }
    }

    /// Lines of this slot follow.
    pub(super) fn slot(&mut self, note: SlotNote) -> Result<(), String> {
        self.close_slot()?;
        let follows = self.before.is_none_or(|before| before < note.slot);
        if !follows || note.slot > self.latest >> self.shift {
            return Err(format!("slot {} does not belong here", note.slot));
        }
        self.slot = Some(OpenSlot {
            note,
            total: None,
            labels: Exact::default(),
            parts: false,
            left: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn interval(
        &mut self,
        series: Series,
        when: (Duration, Duration),
        measured: Measured,
    ) -> Result<(), String> {
        let may_be_parts = matches!(series, Series::Label(_, Kind::Response));
        if measured.parts && !may_be_parts {
            return Err("only a label's response times can be those of parts".to_owned());
        }
        let row = match &series {
            Series::Step(step) => {
                let known = self.steps.insert(step.clone(), measured.histogram());
                return once(known.is_some());
            }
            Series::Total(_) => &mut self.total,
            Series::Label(label, _) => self
                .labels
                .get_mut(label)
                .ok_or("nothing is noted of its label")?,
        };
        let place = match series {
            Series::Total(Kind::Service) | Series::Label(_, Kind::Service) => &mut row.service,
            Series::Total(Kind::Lateness) | Series::Label(_, Kind::Lateness) => &mut row.lateness,
            _ => return self.response(series, when, measured),
        };
        once(place.replace(measured.histogram()).is_some())
    }

    /// Takes the response times of the total or of a label in a slot.
    fn response(
        &mut self,
        series: Series,
        when: (Duration, Duration),
        measured: Measured,
    ) -> Result<(), String> {
        let slot = self.slot.as_mut().ok_or("it belongs to no slot")?;
        let number = slot.note.slot;
        let width = Duration::from_secs(1 << self.shift);
        if when != (Duration::from_secs(number << self.shift), width) {
            return Err(format!("it does not cover slot {number}"));
        }
        match series {
            Series::Label(label, _) => {
                let row = self
                    .labels
                    .get_mut(&label)
                    .ok_or("nothing is noted of its label")?;
                let slots = if measured.parts {
                    &mut row.parts
                } else {
                    &mut row.slots
                };
                if slots.last().is_some_and(|&(last, _)| last == number) {
                    return once(true);
                }
                fits(&row.response, measured.exact)?;
                if measured.parts {
                    slot.parts = true;
                } else {
                    subtract(&mut slot.left, measured.buckets.pairs())?;
                    slot.labels.add(measured.exact);
                }
                let closed = measured.closed(());
                closed.add_to(&mut row.response);
                slots.push((number, closed));
            }
            _ => {
                let exact = measured.exact;
                if slot.total.replace(exact).is_some() {
                    return once(true);
                }
                fits(&self.total.response, exact)?;
                slot.left = measured.buckets.pairs().collect();
                measured.closed(()).add_to(&mut self.total.response);
            }
        }
        Ok(())
    }

    fn close_slot(&mut self) -> Result<(), String> {
        let Some(slot) = self.slot.take() else {
            return Ok(());
        };
        let number = slot.note.slot;
        self.before = Some(number);
        let total = match slot.total {
            Some(total) => total,
            // Parts may end long before their iterations.
            None if slot.parts => Exact::default(),
            None => return Err(format!("slot {number} has no response times")),
        };
        let mut left = slot.left;
        left.retain(|&(_, count)| count > 0);
        let contradict = |reason| format!("slot {number}, its unlabelled part: {reason}");
        let unlabelled = match slot.note.unlabelled {
            Some(note) => Measured::new(note, left).map_err(contradict)?,
            None if left.is_empty() => Measured {
                exact: Exact::default(),
                buckets: Sparse::default(),
                parts: false,
            },
            None => return Err(contradict("nothing is noted of it".to_owned())),
        };
        let mut sum = slot.labels;
        sum.add(unlabelled.exact);
        if sum != total {
            return Err(format!(
                "slot {number}: its parts do not add up to its total"
            ));
        }
        let counts =
            Counts {
                outcomes: slot.note.outcomes.counting(total.count).ok_or_else(|| {
                    format!("slot {number}: its outcomes are not those of its times")
                })?,
                volume: slot.note.volume,
                highest_lag: slot.note.highest_lag,
            };
        if slot.total.is_some() {
            self.slots.push((number, unlabelled.closed(counts)));
        } else if counts != Counts::default() {
            return Err(format!(
                "slot {number}: it has a volume or a lag, but no iteration ended in it"
            ));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<HistogramAggregate, String> {
        self.close_slot()?;
        let limits = *self.empty.limits();
        let mut outcomes = Outcomes::default();
        for (_, slot) in &self.slots {
            outcomes.merge(slot.tally.outcomes);
        }
        let (total, _) = self.total.finish("the total", &self.empty)?;
        if total.outcomes() != outcomes {
            return Err("the slots' outcomes are not those of the total".to_owned());
        }
        let mut aggregate = self.empty;
        let mut labels = Vec::with_capacity(self.labels.len());
        for (label, row) in self.labels {
            let (stats, [slots, parts]) = row.finish(&format!("label {label:?}"), &aggregate)?;
            let restore = |slots| Timeline::restore(limits.timeline, self.latest, slots);
            let labelled = Labelled {
                stats,
                timeline: restore(slots),
                parts: restore(parts),
            };
            labels.push((label, labelled));
        }
        let timeline = Timeline::restore(limits.timeline, self.latest, self.slots);
        aggregate.restore(total, labels, self.steps, timeline);
        Ok(aggregate)
    }
}

impl Row {
    fn new(note: StatsNote) -> Self {
        Self {
            note,
            response: Histogram::new(),
            service: None,
            lateness: None,
            slots: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn finish(
        self,
        name: &str,
        aggregate: &HistogramAggregate,
    ) -> Result<(Stats, [Slots<()>; 2]), String> {
        let times = [
            self.response,
            self.service.unwrap_or_default(),
            self.lateness.unwrap_or_default(),
        ];
        let count = times[0].count();
        let outcomes = self.note.outcomes.counting(count);
        let outcomes = outcomes
            .filter(|_| times.iter().all(|times| times.count() == count))
            .ok_or_else(|| format!("{name}: outcomes and times are not of the same iterations"))?;
        let errors = self
            .note
            .errors
            .values()
            .try_fold(0_u64, |sum, &n| sum.checked_add(n));
        if errors != Some(outcomes.failed + outcomes.unknown) {
            return Err(format!(
                "{name}: error classes do not add up to what did not succeed"
            ));
        }
        let stats = Stats::restore(
            aggregate.limits(),
            Parts {
                times,
                outcomes,
                volume: self.note.volume,
                lag: self.note.lag.map(|lag| lag.lag()),
                errors: self.note.errors,
                counts: self.note.counts,
            },
        );
        Ok((stats, [self.slots, self.parts]))
    }
}

/// Whether a histogram can take in so many more values.
fn fits(histogram: &Histogram, more: Exact) -> Result<(), String> {
    match histogram.count().checked_add(more.count) {
        Some(sum) if sum <= MOST_VALUES => Ok(()),
        _ => Err("there are more than 2^63 values".to_owned()),
    }
}

/// Takes a part off counts by bucket, both ascending.
fn subtract(
    counts: &mut [(usize, u64)],
    part: impl Iterator<Item = (usize, u64)>,
) -> Result<(), String> {
    let mut counts = counts.iter_mut();
    for (bucket, count) in part {
        let left = counts
            .find(|(held, _)| *held == bucket)
            .and_then(|(_, held)| Some((held.checked_sub(count)?, held)));
        let (less, held) = left.ok_or("it counts more values than its slot")?;
        *held = less;
    }
    Ok(())
}

fn once(known: bool) -> Result<(), String> {
    if known {
        Err("it is there already".to_owned())
    } else {
        Ok(())
    }
}
