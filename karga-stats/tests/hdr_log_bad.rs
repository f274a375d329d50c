//! What is not a whole log of karga's is refused, with the line and the reason,
//! whatever it is.

use std::{error::Error as _, io::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use karga_core::{Account, Aggregate, Iteration, Metric, Outcome, Report, Run, Sample};
use karga_stats::{
    HistogramAggregate, Summary,
    hdr_log::{self, ReadError},
};
use proptest::prelude::*;

struct Labelled(&'static str);

impl Metric for Labelled {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn label(&self) -> Option<std::borrow::Cow<'static, str>> {
        Some(self.0.into())
    }
}

/// A small log: four slots, two labels.
fn log() -> String {
    let mut aggregate = HistogramAggregate::default();
    for n in 0..60 {
        let end = Duration::from_millis(50 * (n + 1));
        let start = end - Duration::from_micros(700 + n * n);
        let due = Iteration::new(n, 0, start - Duration::from_micros(n));
        match n % 3 {
            0 => aggregate.record(&Sample::new(due, start, end, ())),
            1 => aggregate.record(&Sample::new(due, start, end, Labelled("login"))),
            _ => aggregate.record(&Sample::new(due, start, end, Labelled("a, b"))),
        }
    }
    let account = Account::new(60, 60, 0, 0);
    let run = Run::new("small", aggregate, account, Duration::from_secs(3));
    let mut log = Vec::new();
    hdr_log::write(&run, &mut log).expect("it can be written");
    String::from_utf8(log).expect("it is text")
}

/// The error of a log that is none, with its cause.
fn error(log: impl AsRef<[u8]>) -> String {
    let error = hdr_log::read(log.as_ref()).expect_err("it must be refused");
    explained(&error)
}

fn explained(error: &ReadError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A histogram's text with these bytes deflated in it.
fn payload(cookie: u32, plain: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory takes it");
    let packed = encoder.finish().expect("memory takes it");
    let mut bytes = cookie.to_be_bytes().to_vec();
    bytes.extend((packed.len() as u32).to_be_bytes());
    bytes.extend(packed);
    STANDARD.encode(bytes)
}

/// What is deflated of a histogram.
fn plain(cookie: u32, len: u32, digits: u32, highest: u64, counts: &[u8]) -> Vec<u8> {
    let mut plain = cookie.to_be_bytes().to_vec();
    plain.extend(len.to_be_bytes());
    plain.extend(0_u32.to_be_bytes());
    plain.extend(digits.to_be_bytes());
    plain.extend(1_u64.to_be_bytes());
    plain.extend(highest.to_be_bytes());
    plain.extend(1_f64.to_be_bytes());
    plain.extend(counts);
    plain
}

const HOUR: u64 = 3_600_000_000_000;

/// One interval by another program, with this histogram.
fn foreign(payload: &str) -> String {
    format!("#[Histogram log format version 1.3]\n0.000,1.000,1.0,{payload}\n")
}

#[test]
fn an_empty_file_is_named_so() {
    assert_eq!(error(""), "the histogram log is empty");
    let error = hdr_log::intervals(&b""[..]).expect_err("it is empty");
    assert!(matches!(error, ReadError::Empty));
}

#[test]
fn a_log_that_ends_early_is_cut_off_wherever_that_is() {
    let log = log();
    let lines: Vec<usize> = log.match_indices('\n').map(|(at, _)| at).collect();
    // The last line break alone is not missed.
    for end in (1..log.len() - 1)
        .filter(|end| end % 7 == 0 || lines.contains(end) || lines.contains(&(end - 1)))
    {
        let cut = &log[..end];
        let line = cut.lines().count() as u64;
        let error = hdr_log::read(cut.as_bytes()).expect_err("it is cut off");
        // In the head it cannot be told yet whose log it is.
        let is_head = line < 2 || (line == 2 && !cut.ends_with('\n'));
        match error {
            ReadError::CutOff { line: named } => assert_eq!(named, line),
            ReadError::Foreign if is_head => {}
            _ => panic!("{error:?} after {end} bytes"),
        }
    }
    assert!(hdr_log::read(log.trim_end().as_bytes()).is_ok());
    let windows = log.replace('\n', "\r\n");
    assert!(hdr_log::read(windows.as_bytes()).is_ok());
}

#[test]
fn intervals_of_a_log_that_was_cut_off_say_so_too() {
    let log = log();
    let whole = hdr_log::intervals(log.as_bytes()).expect("it can be read");
    // Two kinds for the total and each label, three seconds of three, and the
    // last sample, which ended at the third.
    assert_eq!(whole.len(), 6 + 9 + 2);
    let end = log.find("#[karga end").expect("it has an end");
    for cut in [&log[..end], &log[..end - 9]] {
        let error = hdr_log::intervals(cut.as_bytes()).expect_err("it is cut off");
        assert!(matches!(error, ReadError::CutOff { .. }), "{error:?}");
    }
}

#[test]
fn a_log_by_another_program_is_foreign_and_its_intervals_can_be_read() {
    let good = payload(0x1c84_9314, &plain(0x1c84_9313, 2, 3, HOUR, &[2, 4]));
    let log = foreign(&good);
    assert_eq!(
        error(&log),
        "the histogram log is not one of karga's: it has no line `#[karga version: ...]`, so it \
         holds no whole run; `hdr_log::intervals` reads its histograms"
    );
    let [interval] = hdr_log::intervals(log.as_bytes())
        .expect("it can be read")
        .try_into()
        .expect("there is one");
    assert_eq!(interval.length, Duration::from_secs(1));
    assert_eq!(interval.histogram.count(), 3);
    assert_eq!(interval.histogram.max(), Duration::from_nanos(1));
    // A log without any interval is one.
    assert!(
        hdr_log::intervals(&b"#[Histogram log format version 1.3]\n"[..])
            .is_ok_and(|all| all.is_empty())
    );
}

#[test]
fn what_is_no_log_at_all_is_named_with_its_line() {
    assert_eq!(
        error("# a comment\n{\"json\": true}\n"),
        "line 2 is none of a histogram log: the start is \"{\\\"json\\\": true}\", not in seconds"
    );
    assert_eq!(
        error(b"\xff\xfe\n"),
        "line 1 is none of a histogram log: it is not UTF-8"
    );
    let long = "x".repeat((16 << 20) + 1);
    assert_eq!(error(long), "line 1 is longer than 16777216 bytes");
}

#[test]
fn another_version_is_named() {
    let later = log().replace("#[karga version: 1]", "#[karga version: 2]");
    assert_eq!(
        error(later),
        "line 2: the log is of version 2; this karga reads version 1"
    );
}

#[test]
fn a_log_that_was_changed_is_refused() {
    let log = log();
    let end = log.find("#[karga end").expect("it has an end");
    let cases = [
        (log.replace("\"small\"", "\"large\""), "the histogram log was changed after it was written: its checksum does not match".to_owned()),
        (log.replace("\"small\"", "\"small"), "line 4: what karga noted there cannot be read: expected `,` or `}` at line 1 column 17".to_owned()),
        (format!("{log}{log}"), format!("line {}: something follows the end", log.lines().count() + 2)),
        (format!("{}{log}", &log[..end]), format!("line {}: another log begins here; read one at a time and merge the runs", log.lines().count() + 1)),
        (log.replace("#[karga exact", "#[exact"), "line 8: there are no exact figures before it".to_owned()),
        (log.replace("Tag=service_time", "Tag=Service"), "line 8: its tag is none that karga writes".to_owned()),
        (log.replace("\"slot\":1", "\"slot\":7"), "line 28: slot 7 does not belong here".to_owned()),
    ];
    for (changed, expected) in cases {
        assert_ne!(changed, log);
        let error = error(&changed);
        assert_eq!(error, expected);
    }
}

#[test]
fn lines_that_are_missing_show() {
    let log = log();
    let lines: Vec<&str> = log.lines().collect();
    // The first comment, the explanation and the legend may go, but for the
    // checksum.
    for missing in 0..lines.len() - 1 {
        let mut rest = lines.clone();
        rest.remove(missing);
        let error = hdr_log::read((rest.join("\n") + "\n").as_bytes());
        assert!(error.is_err(), "{}", lines[missing]);
    }
}

#[test]
fn bad_histograms_are_named_with_their_line() {
    let counts_too_long = plain(0x1c84_9313, 5, 3, HOUR, &[0xff; 9]);
    let cases = [
        ("".to_owned(), "it is cut off"),
        (
            "!!!!".to_owned(),
            "it is not base64: Invalid symbol 33, offset 0.",
        ),
        ("HISTFA".to_owned(), "it is not base64: Invalid padding"),
        ("AAAA".to_owned(), "it is cut off"),
        (
            STANDARD.encode([7; 99]),
            "it is not a compressed HdrHistogram: it begins with 0x07070707",
        ),
        (
            payload(0x1c84_9309, b"old"),
            "it is encoded in version 0; only version 2 is read",
        ),
        (
            payload(0x1c84_9302, b"old"),
            "it is encoded in version 1; only version 2 is read",
        ),
        (
            payload(0x0c72_124f, b"double"),
            "it is one of fractional or shifted values, which are not read",
        ),
        (
            payload(0x1c84_9314, &plain(0x1c84_9301, 0, 3, HOUR, &[])),
            "it is encoded in version 1; only version 2 is read",
        ),
        (payload(0x1c84_9314, b"it"), "it is cut off"),
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, 5, 3, HOUR, &[2, 2])),
            "it is cut off",
        ),
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, 1, 3, HOUR, &[2, 2])),
            "it has more counts than its range has buckets",
        ),
        (payload(0x1c84_9314, &counts_too_long), "it is cut off"),
        // It claims four gigabytes of counts.
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, u32::MAX, 3, HOUR, &[2])),
            "it has more counts than its range has buckets",
        ),
        // 300 kilobytes of counts for a range of two buckets.
        (
            payload(
                0x1c84_9314,
                &plain(0x1c84_9313, 300_000, 0, 2, &[2; 300_000]),
            ),
            "it has more counts than its range has buckets",
        ),
        // An empty run as long as there are numbers, then one more.
        (
            payload(
                0x1c84_9314,
                &plain(
                    0x1c84_9313,
                    10,
                    3,
                    HOUR,
                    &[255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
                ),
            ),
            "it has more counts than its range has buckets",
        ),
        (
            payload(
                0x1c84_9314,
                &plain(
                    0x1c84_9313,
                    18,
                    3,
                    HOUR,
                    &[254, 255, 255, 255, 255, 255, 255, 255, 255].repeat(2),
                ),
            ),
            "it counts more than 2^63 values",
        ),
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, 1, 9, HOUR, &[2])),
            "no histogram has 9 digits from 1 to 3600000000000",
        ),
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, 1, 3, 1, &[2])),
            "no histogram has 3 digits from 1 to 1",
        ),
        (
            payload(0x1c84_9314, &plain(0x1c84_9313, 1, 3, u64::MAX, &[2])),
            "no histogram has 3 digits from 1 to 18446744073709551615",
        ),
    ];
    for (payload, reason) in cases {
        let error = hdr_log::intervals(foreign(&payload).as_bytes()).expect_err(reason);
        assert_eq!(
            explained(&error),
            format!("line 2: the histogram cannot be read: {reason}")
        );
    }
}

#[test]
fn a_histogram_whose_bytes_were_changed_is_refused() {
    let good = payload(0x1c84_9314, &plain(0x1c84_9313, 2, 3, HOUR, &[2, 4]));
    let mut bytes = STANDARD.decode(&good).expect("it is base64");
    // The last four are the checksum.
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = hdr_log::intervals(foreign(&STANDARD.encode(bytes)).as_bytes())
        .expect_err("it was changed");
    assert_eq!(
        explained(&error),
        "line 2: the histogram cannot be read: it cannot be inflated"
    );
}

/// One thing that happens to a file.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Digit(usize, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>().prop_map(|at| at.index(1 << 20));
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Flip(at, byte)),
        at.clone().prop_map(Mutation::Cut),
        (at.clone(), 1_usize..200).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (at.clone(), 1_usize..200).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        (at, b'0'..=b'9').prop_map(|(at, digit)| Mutation::Digit(at, digit)),
    ]
}

fn mutate(log: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: usize| at % log.len();
    match *mutation {
        Mutation::Flip(at, byte) => {
            let at = place(at);
            log[at] ^= byte;
        }
        Mutation::Cut(at) => log.truncate(place(at) + 1),
        Mutation::Remove(at, len) => {
            let at = place(at);
            log.drain(at..(at + len).min(log.len()));
        }
        Mutation::Repeat(at, len) => {
            let at = place(at);
            let part = log[at..(at + len).min(log.len())].to_vec();
            log.splice(at..at, part);
        }
        Mutation::Digit(at, digit) => {
            let at = place(at);
            let next = log[at..].iter().position(u8::is_ascii_digit);
            if let Some(next) = next {
                log[at + next] = digit;
            }
        }
    }
    if log.is_empty() {
        log.push(b'\n');
    }
}

/// With the checksum that belongs to it, so that what is behind is reached.
fn sealed(log: &[u8]) -> Vec<u8> {
    let end = log
        .windows(12)
        .rposition(|window| window == b"#[karga end:");
    let Some(end) = end else { return log.to_vec() };
    let mut crc = flate2::Crc::new();
    for line in log[..end].split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        crc.update(line.strip_suffix(b"\r").unwrap_or(line));
        crc.update(b"\n");
    }
    let mut sealed = log[..end].to_vec();
    sealed.extend(format!("#[karga end: {{\"crc32\":{}}}]\n", crc.sum()).into_bytes());
    sealed
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn a_mutated_log_is_refused_or_the_same(mutations in prop::collection::vec(mutation(), 1..4)) {
        let original = log();
        let mut bytes = original.clone().into_bytes();
        mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
        let run = hdr_log::read(original.as_bytes()).expect("it can be read");
        match hdr_log::read(bytes.as_slice()) {
            Ok(read) => prop_assert_eq!(read.aggregate, run.aggregate),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        // Whatever passes with a checksum of its own holds together.
        if let Ok(read) = hdr_log::read(sealed(&bytes).as_slice()) {
            let total = read.aggregate.total();
            let slots = read.aggregate.timeline().map(|slot| slot.response_time.count());
            prop_assert_eq!(total.outcomes().completed(), slots.sum::<u64>());
            let summary = Summary::derive(&read);
            prop_assert_eq!(summary.scenarios.len(), 1);
            let mut again = Vec::new();
            hdr_log::write(&read, &mut again).expect("it can be written");
            let again = hdr_log::read(again.as_slice()).expect("it can be read");
            prop_assert_eq!(again.aggregate, read.aggregate);
        }
        if let Ok(intervals) = hdr_log::intervals(bytes.as_slice()) {
            prop_assert!(intervals.len() <= 40);
        }
    }
}
