use std::{error::Error, io::BufRead, time::Duration};

use karga_core::{Run, WarmUp};
use serde::de::DeserializeOwned;

use super::{
    InvalidHistogram, ReadError,
    lines::{Line, Lines},
    notes::{EndNote, ExactNote, VERSION},
    payload::{self, Layout},
    rebuild::{Measured, Rebuild},
    tag::Tag,
};
use crate::{HistogramAggregate, bucket::bucket_of};

/// Reads a run from a histogram log that [`write`](super::write()) wrote.
///
/// The source is read to its end, line by line. What a line claims is checked
/// before it is believed, and memory is bounded by the histograms that are
/// there.
///
/// # Errors
///
/// If it is no such log, is cut off or was changed; see [`ReadError`].
pub fn read(from: impl BufRead) -> Result<Run<HistogramAggregate>, ReadError> {
    let mut lines = Lines::new(from);
    let mut log = Log::default();
    let all = read_all(&mut lines, &mut log);
    all.map_err(|error| lines.explain(error))?;
    match log.run {
        Some(run) => Ok(run),
        None if lines.number() == 0 => Err(ReadError::Empty),
        None if log.known => Err(ReadError::CutOff {
            line: lines.number(),
        }),
        None => Err(ReadError::Foreign),
    }
}

fn read_all<R: BufRead>(lines: &mut Lines<R>, log: &mut Log) -> Result<(), ReadError> {
    while lines.advance()? {
        let taken = log.take(lines.line()?, lines.checksum());
        taken.map_err(|wrong| wrong.at(lines.number()))?;
    }
    Ok(())
}

/// What was read of a log.
#[derive(Default)]
struct Log {
    /// Whether karga wrote it, in a version that is known.
    known: bool,
    head: Option<Run<()>>,
    /// The aggregate that lines belong to, and whether it is the warm-up's.
    part: Option<(bool, Rebuild)>,
    /// What was noted for the interval that comes next.
    exact: Option<ExactNote>,
    main: Option<HistogramAggregate>,
    warm_up: Option<HistogramAggregate>,
    /// The whole, once the last line was read.
    run: Option<Run<HistogramAggregate>>,
}

impl Log {
    fn take(&mut self, line: Line<'_>, checksum: u32) -> Result<(), Wrong> {
        match line {
            Line::Other => Ok(()),
            _ if self.run.is_some() => Err("something follows the end".into()),
            Line::Note {
                kind: "version",
                text,
            } => self.version(text),
            _ if !self.known => Err(Wrong::Foreign),
            Line::Note { kind, text } => self.note(kind, text, checksum),
            Line::Interval {
                tag,
                start,
                length,
                payload,
            } => self.interval(tag, (start, length), payload),
        }
    }

    fn version(&mut self, text: &str) -> Result<(), Wrong> {
        if text != VERSION.to_string() {
            return Err(Wrong::Version(text.chars().take(20).collect()));
        }
        if self.known {
            return Err("another log begins here; read one at a time and merge the runs".into());
        }
        self.known = true;
        Ok(())
    }

    fn note(&mut self, kind: &str, text: &str, checksum: u32) -> Result<(), Wrong> {
        if self.exact.is_some() {
            return Err("an interval is missing before it".into());
        }
        match kind {
            "run" if self.head.is_some() => Err("there is a second run".into()),
            "run" => {
                self.head = Some(json(text)?);
                Ok(())
            }
            "aggregate" => {
                self.finish_part()?;
                let (warm_up, rebuild) = Rebuild::new(json(text)?)?;
                self.part = Some((warm_up, rebuild));
                Ok(())
            }
            "label" => Ok(self.part()?.label(json(text)?)?),
            "slot" => Ok(self.part()?.slot(json(text)?)?),
            "exact" => {
                self.exact = Some(json(text)?);
                Ok(())
            }
            "end" => {
                let end: EndNote = json(text)?;
                if end.crc32 != checksum {
                    return Err(Wrong::Changed);
                }
                self.finish_part()?;
                self.finish()
            }
            _ => Err(format!("karga notes nothing of the kind {kind:?}").into()),
        }
    }

    fn interval(
        &mut self,
        tag: Option<&str>,
        when: (Duration, Duration),
        payload: &str,
    ) -> Result<(), Wrong> {
        let exact = self.exact.take();
        let exact = exact.ok_or("there are no exact figures before it")?;
        let mut pairs = Vec::new();
        let layout = payload::decode(payload, |_, high, count| {
            pairs.push((bucket_of(high), count));
        })?;
        if layout != Layout::OURS {
            return Err("its histogram has another range than karga's".into());
        }
        let tag = Tag::parse(tag).ok_or("its tag is none that karga writes")?;
        let measured = Measured::new(exact, pairs)?;
        match &mut self.part {
            Some((warm_up, part)) if *warm_up == tag.warm_up => {
                Ok(part.interval(tag.series, when, measured)?)
            }
            _ => Err("it is no part of the aggregate that lines belong to here".into()),
        }
    }

    fn part(&mut self) -> Result<&mut Rebuild, Wrong> {
        match &mut self.part {
            Some((_, part)) => Ok(part),
            None => Err("there is no aggregate before it".into()),
        }
    }

    fn finish_part(&mut self) -> Result<(), Wrong> {
        if let Some((warm_up, part)) = self.part.take() {
            let place = if warm_up {
                &mut self.warm_up
            } else {
                &mut self.main
            };
            if place.replace(part.finish()?).is_some() {
                return Err("the aggregate before it is a second one".into());
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Wrong> {
        let head = self.head.take().ok_or("it ends without a run")?;
        let main = self.main.take().ok_or("it ends without an aggregate")?;
        let accounts = [
            Some(&head.account),
            head.warm_up.as_ref().map(|it| &it.account),
        ];
        for account in accounts.into_iter().flatten() {
            account
                .completed
                .checked_add(account.dropped)
                .and_then(|sum| sum.checked_add(account.interrupted))
                .ok_or("the run's account adds up to more than 2^64 arrivals")?;
        }
        let mut run = head.map(|()| None);
        run.aggregate = Some(main);
        match (&mut run.warm_up, self.warm_up.take()) {
            (None, None) => {}
            (Some(WarmUp { aggregate, .. }), Some(read)) => *aggregate = Some(read),
            (None, Some(_)) => return Err("the run had no warm-up, but there is one".into()),
            (Some(_), None) => return Err("the run had a warm-up, but there is none".into()),
        }
        self.run = Some(run.map(|read| read.expect("invariant: both were set")));
        Ok(())
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    serde_json::from_str(text).map_err(|error| Wrong::Note(error.into()))
}

/// What is wrong with a line.
enum Wrong {
    Foreign,
    Version(String),
    Note(Box<dyn Error + Send + Sync>),
    Histogram(InvalidHistogram),
    Contradiction(String),
    Changed,
}

impl Wrong {
    fn at(self, line: u64) -> ReadError {
        match self {
            Self::Foreign => ReadError::Foreign,
            Self::Version(found) => ReadError::Version {
                line,
                found,
                known: VERSION,
            },
            Self::Note(source) => ReadError::Note { line, source },
            Self::Histogram(source) => ReadError::Histogram { line, source },
            Self::Contradiction(reason) => ReadError::Contradiction { line, reason },
            Self::Changed => ReadError::Changed,
        }
    }
}

impl From<InvalidHistogram> for Wrong {
    fn from(error: InvalidHistogram) -> Self {
        Self::Histogram(error)
    }
}

impl From<String> for Wrong {
    fn from(reason: String) -> Self {
        Self::Contradiction(reason)
    }
}

impl From<&str> for Wrong {
    fn from(reason: &str) -> Self {
        Self::Contradiction(reason.to_owned())
    }
}
