use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    time::{Duration, UNIX_EPOCH},
};

use flate2::Crc;
use karga_core::Run;
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::{
    WriteError,
    lines::{MOST, NOTE},
    notes::{
        AggregateNote, EndNote, ExactNote, LabelNote, LimitsNote, SlotNote, StatsNote, VERSION,
        head,
    },
    payload,
    tag::{Kind, Series, Tag},
};
use crate::{Histogram, HistogramAggregate, Histograms, labelled::LabelSlot};

/// Writes a run as a histogram log, from which [`read`](super::read) makes an
/// equal one.
///
/// Writes are buffered.
///
/// # Errors
///
/// If the target fails, or if the run holds something that has no form there,
/// such as a start before 1970. What was written by then is incomplete, and
/// reading it says so.
///
/// ```
/// use std::time::Duration;
/// use karga_core::{Account, Aggregate, Iteration, Run, Sample};
/// use karga_stats::{HistogramAggregate, Summary, hdr_log};
///
/// let ms = Duration::from_millis;
/// let mut aggregate = HistogramAggregate::default();
/// aggregate.record(&Sample::new(Iteration::new(0, 0, ms(100)), ms(102), ms(150), ()));
/// let run = Run::new("example", aggregate, Account::new(1, 1, 0, 0), ms(200));
///
/// let mut log = Vec::new();
/// hdr_log::write(&run, &mut log)?;
/// let again = hdr_log::read(log.as_slice())?;
/// assert_eq!(again.aggregate.response_time().max(), ms(50));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write<A: Histograms>(run: &Run<A>, to: impl Write) -> Result<(), WriteError> {
    let mut log = Log {
        to: BufWriter::new(to),
        crc: Crc::new(),
        line: String::new(),
    };
    log.comment("[Histogram log format version 1.3]")?;
    log.comment(&format!("[karga version: {VERSION}]"))?;
    log.comment("[Values are nanoseconds. Without a tag: the response time of all iterations.]")?;
    if let Some(since) = run
        .started_at
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
    {
        let since = seconds(since);
        log.comment(&format!("[StartTime: {since} (seconds since epoch)]"))?;
    }
    log.note("run", "description", &head(run))?;
    log.text(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
    )?;
    if let Some(warm_up) = &run.warm_up {
        log.aggregate(warm_up.aggregate.histograms(), true, warm_up.duration)?;
    }
    log.aggregate(run.aggregate.histograms(), false, run.elapsed)?;
    let crc32 = log.crc.sum();
    log.note("end", "end", &EndNote { crc32 })?;
    log.to.flush()?;
    Ok(())
}

/// A log that is being written.
struct Log<W: Write> {
    to: BufWriter<W>,
    crc: Crc,
    /// Kept for its memory.
    line: String,
}

impl<W: Write> Log<W> {
    fn aggregate(
        &mut self,
        all: &HistogramAggregate,
        warm_up: bool,
        elapsed: Duration,
    ) -> Result<(), WriteError> {
        let tag = |series| Tag { warm_up, series };
        self.note(
            "aggregate",
            "limits",
            &AggregateNote {
                warm_up,
                limits: LimitsNote::of(all.limits()),
                latest: all.seconds().latest(),
                total: StatsNote::of(all.total()),
            },
        )?;
        let whole = (Duration::ZERO, elapsed);
        let kinds = [Kind::Service, Kind::Lateness];
        for kind in kinds {
            let times = kind.of(all.total());
            self.histogram(&tag(Series::Total(kind)), whole, times)?;
        }
        for (label, stats) in all.labels() {
            self.note(
                "label",
                "label",
                &LabelNote {
                    label: label.to_owned(),
                    stats: StatsNote::of(stats),
                },
            )?;
            for kind in kinds {
                let tag = tag(Series::Label(label.to_owned(), kind));
                self.histogram(&tag, whole, kind.of(stats))?;
            }
        }
        for (step, times) in all.steps() {
            self.histogram(&tag(Series::Step(step.to_owned())), whole, times)?;
        }
        let shift = all.seconds().shift();
        for number in all.slot_numbers() {
            self.slot(all, (number, shift), warm_up)?;
        }
        Ok(())
    }

    fn slot(
        &mut self,
        all: &HistogramAggregate,
        (number, shift): (u64, u32),
        warm_up: bool,
    ) -> Result<(), WriteError> {
        let tag = |series| Tag { warm_up, series };
        let rest = all.seconds().slot(number, shift);
        let labels: Vec<(&str, LabelSlot)> = all
            .labelled()
            .map(|(label, held)| (label, held.slot(number, shift)))
            .collect();
        let mut total = Histogram::new();
        rest.add_to(&mut total);
        for (_, slot) in &labels {
            slot.iterations.add_to(&mut total);
        }

        self.note(
            "slot",
            "timeline",
            &SlotNote::of(number, rest.tally, rest.exact),
        )?;
        let when = (
            Duration::from_secs(number << shift),
            Duration::from_secs(1 << shift),
        );
        self.histogram(&tag(Series::Total(Kind::Response)), when, &total)?;
        for (label, slot) in labels {
            let LabelSlot { iterations, parts } = slot;
            if iterations.exact.count + parts.exact.count == 0 {
                continue;
            }
            let tag = tag(Series::Label(label.to_owned(), Kind::Response));
            for (note, times) in [
                (ExactNote::of(iterations.exact), iterations),
                (ExactNote::of_parts(parts.exact), parts),
            ] {
                self.interval(&tag, when, note, times.buckets.pairs())?;
            }
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        tag: &Tag,
        when: (Duration, Duration),
        times: &Histogram,
    ) -> Result<(), WriteError> {
        self.interval(tag, when, ExactNote::of(times.exact()), times.occupied())
    }

    fn interval(
        &mut self,
        tag: &Tag,
        (start, length): (Duration, Duration),
        note: ExactNote,
        pairs: impl Iterator<Item = (usize, u64)>,
    ) -> Result<(), WriteError> {
        let exact = note.exact();
        if exact.count == 0 {
            return Ok(());
        }
        self.note("exact", "times", &note)?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if !tag.is_headline() {
            let _ = write!(line, "Tag={tag},");
        }
        let max = exact.max / 1_000;
        let _ = write!(
            line,
            "{},{},{}.{:03},",
            seconds(start),
            seconds(length),
            max / 1_000,
            max % 1_000
        );
        if !payload::encode(pairs, &mut line) {
            return Err(WriteError::Unwritable {
                what: "histogram",
                source: "it counted one value more than 2^63 times".into(),
            });
        }
        let written = self.text(&line);
        self.line = line;
        written
    }

    fn note(
        &mut self,
        kind: &str,
        what: &'static str,
        note: &impl Serialize,
    ) -> Result<(), WriteError> {
        let json = to_ascii_json(note).map_err(|source| WriteError::Unwritable {
            what,
            source: source.into(),
        })?;
        let line = format!("{NOTE}{kind}: {json}]");
        if line.len() >= MOST {
            return Err(WriteError::TooLong {
                what,
                len: line.len(),
                most: MOST,
            });
        }
        self.text(&line)
    }

    fn comment(&mut self, text: &str) -> Result<(), WriteError> {
        self.text(&format!("#{text}"))
    }

    fn text(&mut self, line: &str) -> Result<(), WriteError> {
        for part in [line, "\n"] {
            self.crc.update(part.as_bytes());
            self.to.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

/// Seconds to three decimals, as other writers have it.
fn seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// JSON without any character that some reader takes for the end of a line:
/// Java's does so with several of Unicode.
fn to_ascii_json(note: &impl Serialize) -> serde_json::Result<String> {
    let mut json = Vec::new();
    note.serialize(&mut Serializer::with_formatter(&mut json, Ascii))?;
    Ok(String::from_utf8(json).expect("invariant: JSON is UTF-8"))
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if matches!(c, ' '..='~') {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
