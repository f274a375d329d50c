//! What one iteration measured.

use std::borrow::Cow;

use karga_core::{Count, Metric, Outcome, Part, Step, Volume};

use crate::status;

/// What one iteration of an [`HttpScenario`](crate::HttpScenario) measured.
///
/// - Volume: answers, bytes of requests and bytes of answers, heads included.
///   The lean engine counts what went over the connection (inside of TLS, where
///   there is TLS). The reqwest engine sees neither: it counts what HTTP/1.1
///   would write for the same head, to a proxy too, and the body without the
///   framing of chunks. A chain of redirects counts with all of its exchanges.
/// - Counts: `status_200` and the like for each answer; `reconnects`, connections
///   that had to be opened again; `unsolicited_answers`, bytes that came between
///   requests, for which the connection was given up; `redirects`, answers that
///   led elsewhere, where they are followed.
/// - Steps: `connect`, the time that it took to open a connection: name
///   resolution, TCP and TLS. What was opened before the load began is told by
///   the first iteration, whose times it is no part of.
/// - Parts: one for each request, if the scenario has several.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpMetric {
    outcome: Outcome,
    status: Option<u16>,
    class: Option<Cow<'static, str>>,
    label: Option<Cow<'static, str>>,
    volume: Volume,
    extra: Option<Box<Extra>>,
}

/// What most iterations have nothing of. A metric is moved several times, so it
/// is small.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    pub(crate) steps: Vec<Step>,
    /// The answers' statuses among them.
    pub(crate) counts: Vec<Count>,
    pub(crate) parts: Vec<Part>,
}

impl HttpMetric {
    /// The status of the answer; of the last one, where there were several
    /// requests. None if there was no answer.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }
}

/// What one request of an iteration came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    pub(crate) class: Option<Cow<'static, str>>,
    pub(crate) volume: Volume,
    /// None if there is nothing to tell but the status.
    pub(crate) extra: Option<Box<Extra>>,
}

impl HttpMetric {
    /// That of an iteration with one request.
    #[inline]
    pub(crate) fn of_one(measured: Measured, label: Option<Cow<'static, str>>) -> Self {
        let Measured {
            outcome,
            status,
            class,
            volume,
            extra,
        } = measured;
        Self {
            outcome,
            status,
            class,
            label,
            volume,
            extra,
        }
    }

    /// That of an iteration in which nothing has happened yet.
    pub(crate) fn of_flow(requests: usize) -> Self {
        Self {
            outcome: Outcome::Success,
            status: None,
            class: None,
            label: None,
            volume: Volume::default(),
            extra: Some(Box::new(Extra {
                parts: Vec::with_capacity(requests),
                ..Extra::default()
            })),
        }
    }

    /// Adds a request: `part` has its label and times.
    pub(crate) fn add(&mut self, measured: Measured, mut part: Part) {
        part.outcome = measured.outcome;
        part.error_class.clone_from(&measured.class);
        part.volume = measured.volume;
        let extra = self.extra.get_or_insert_default();
        part.counts = match measured.extra {
            None => Cow::Borrowed(status::count(measured.status)),
            Some(told) => {
                extra.steps.extend(told.steps);
                Cow::Owned(told.counts)
            }
        };
        add_counts(&mut extra.counts, &part.counts);
        extra.parts.push(part);
        self.outcome = measured.outcome;
        self.class = measured.class;
        self.status = measured.status;
        self.volume.messages += measured.volume.messages;
        self.volume.bytes_sent += measured.volume.bytes_sent;
        self.volume.bytes_received += measured.volume.bytes_received;
    }
}

/// Adds to the counts of the same names.
pub(crate) fn add_counts(sums: &mut Vec<Count>, counts: &[Count]) {
    for count in counts {
        match sums.iter_mut().find(|known| known.name == count.name) {
            Some(known) => known.count += count.count,
            None => sums.push(*count),
        }
    }
}

impl Metric for HttpMetric {
    #[inline]
    fn outcome(&self) -> Outcome {
        self.outcome
    }

    #[inline]
    fn volume(&self) -> Volume {
        self.volume
    }

    #[inline]
    fn error_class(&self) -> Option<Cow<'static, str>> {
        self.class.clone()
    }

    #[inline]
    fn label(&self) -> Option<Cow<'static, str>> {
        self.label.clone()
    }

    #[inline]
    fn steps(&self) -> &[Step] {
        self.extra.as_ref().map_or(&[], |extra| &extra.steps)
    }

    #[inline]
    fn counts(&self) -> &[Count] {
        match &self.extra {
            None => status::count(self.status),
            Some(extra) => &extra.counts,
        }
    }

    #[inline]
    fn parts(&self) -> &[Part] {
        self.extra.as_ref().map_or(&[], |extra| &extra.parts)
    }
}
