//! Recorded arrival times: what goes in comes out, and what is no recording is
//! refused with the line, its text and the way out.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which may fail by a panic"
)]

use std::{
    error::Error,
    io::{self, BufReader, Read, Write},
    time::Duration,
};

use karga_core::{Arrivals, Schedule, Stage};
use karga_executors::{ReadRecordingError, Recording, RecordingError};

const fn ns(n: u64) -> Duration {
    Duration::from_nanos(n)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Poisson arrivals, some of them within one nanosecond of another.
fn random(rate: f64, seconds: u64, seed: u64) -> Vec<Duration> {
    let schedule = Schedule::builder()
        .start_rate(rate)
        .stages([Stage::new(Duration::from_secs(seconds), rate)])
        .arrivals(Arrivals::Poisson { seed })
        .build()
        .unwrap();
    let mut times = Vec::new();
    while let Some(block) = schedule.block(times.len() as u64) {
        times.extend((block.first()..block.end()).filter_map(|n| block.due(n)));
    }
    times
}

fn text_of(recording: &Recording) -> String {
    let mut text = Vec::new();
    recording.write(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    for (rate, seconds) in [(0.5, 1000), (1000.0, 3), (1e6, 1)] {
        let times = random(rate, seconds, 7);
        let recording = Recording::from_times(times.iter().copied()).unwrap();
        assert_eq!(recording.len(), times.len() as u64);
        assert_eq!(recording.duration(), *times.last().unwrap());
        assert!(recording.times().eq(times.iter().copied()));
        assert_eq!(recording.due(recording.len()), None);
        for at in (0..times.len()).step_by(97) {
            let time = times[at];
            let until = |t: Duration| times.partition_point(|time| *time <= t) as u64;
            assert_eq!(recording.due(at as u64), Some(time));
            for t in [time, time.saturating_sub(ns(1)), time + ns(1)] {
                assert_eq!(recording.count_until(t), until(t));
            }
        }
        let read = Recording::from_reader(text_of(&recording).as_bytes()).unwrap();
        assert!(read.times().eq(times));
    }
}

#[test]
fn memory_is_what_is_said() {
    // 127 gaps of a block take so many bits; 128 bits of its head are 0.125
    // bytes per arrival.
    for (rate, count, most) in [
        (1.0, 50_000_u64, 4.9),
        (1e3, 50_000, 3.7),
        (1e6, 500_000, 2.4),
    ] {
        let gap = 1e9 / rate;
        let times = (0..count).map(|n| ns((n as f64 * gap) as u64));
        let shown = format!("{:?}", Recording::from_times(times).unwrap());
        let bytes: f64 = shown
            .split_once("bytes: ")
            .and_then(|(_, rest)| rest.trim_end_matches(" }").parse().ok())
            .unwrap();
        let each = bytes / count as f64;
        assert!(each < most && each > most - 0.3, "{each} bytes at {rate}/s");
    }
}

#[test]
fn the_lead_can_be_left_out() {
    let times = [5_000, 5_000, 5_250, 9_000].map(ms);
    let recording = Recording::from_times(times).unwrap().without_lead();
    assert!(recording.times().eq([0, 0, 250, 4_000].map(ms)));
    assert_eq!(recording.duration(), ms(4_000));
    assert_eq!(recording.count_until(Duration::ZERO), 2);
    assert_eq!(recording.count_until(ms(249)), 2);
    assert_eq!(recording.count_until(Duration::MAX), 4);
    // It is what is written, too; and there is nothing more to leave out.
    let read = Recording::from_reader(text_of(&recording).as_bytes()).unwrap();
    assert!(read.without_lead().times().eq(recording.times()));
}

#[test]
fn the_text_is_as_documented() {
    let recording = Recording::from_times([ns(0), ns(12_003_004_005), ns(12_003_004_005)]);
    assert_eq!(
        text_of(&recording.unwrap()),
        "# seconds since the start, one arrival a line\n\
         0.000000000\n12.003004005\n12.003004005\n# end 3 arrivals\n"
    );
}

#[test]
fn files_by_hand_are_read() {
    let text = "\u{feff}# by hand\r\n\r\n 0 \r\n0.25\r\n  # at noon\r\n1e0\r\n#end 3 arrivals";
    let recording = Recording::from_reader(text.as_bytes()).unwrap();
    assert!(recording.times().eq([0, 250, 1000].map(ms)));
    let list = Recording::from_list("0\n.25\n\n1\n# the end".as_bytes()).unwrap();
    assert!(list.times().eq(recording.times()));
}

#[test]
fn a_file_is_read_by_its_path() {
    let path = std::env::temp_dir().join(format!("karga-recording-{}", std::process::id()));
    let recording = Recording::from_times([ms(1), ms(2)]).unwrap();
    recording
        .write(std::fs::File::create(&path).unwrap())
        .unwrap();
    let read = Recording::read(&path);
    std::fs::remove_file(&path).unwrap();
    assert!(read.unwrap().times().eq(recording.times()));

    let error = Recording::read(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open the recording {}", path.display())
    );
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let text = text_of(&Recording::from_times(random(100.0, 1, 3)).unwrap());
    for end in 1..text.len() - 1 {
        let error = Recording::from_reader(&text.as_bytes()[..end]).unwrap_err();
        assert!(
            matches!(error, ReadRecordingError::Truncated { .. }),
            "{end}: {error}"
        );
    }
    assert!(Recording::from_reader(&text.as_bytes()[..text.len() - 1]).is_ok());
    let message = Recording::from_reader("0.5\n1.5\n2".as_bytes())
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "line 3: the recording ends with \"2\", without `# end 2 arrivals`, so it was cut off: \
         take a whole one; a list from elsewhere, which has no such line, is read by \
         `Recording::from_list`"
    );
}

#[test]
fn what_is_no_recording_is_refused() {
    for (text, message) in [
        (
            "",
            "there is no time in 0 lines, so there is nothing to replay",
        ),
        ("# a\n\n# end 0 arrivals\n", "there is no time in 3 lines"),
        (
            "0\n1,5\n# end 2 arrivals\n",
            "line 2: \"1,5\" is no time: give seconds as a decimal number",
        ),
        ("0\n\nNaN\n# end 2 arrivals\n", "line 3: \"NaN\" is no time"),
        ("inf\n# end 1 arrivals\n", "line 1: \"inf\" is no time"),
        (
            "0.5 GET /\n# end 1 arrivals\n",
            "line 1: \"0.5 GET /\" is no time",
        ),
        (
            "0\n-0.25\n# end 2 arrivals\n",
            "line 2: \"-0.25\" is before the start: give seconds since",
        ),
        (
            "1763719200123456789\n# end 1 arrivals\n",
            "line 1: \"1763719200123456789\" is more than 584 years",
        ),
        (
            "0\n2\n1.5\n# end 3 arrivals\n",
            "line 3: \"1.5\" comes after a time of 2s: sort the times",
        ),
        (
            "0\n# end 1 arrivals\n1\n",
            "line 3: \"1\" comes after the line that ends the recording",
        ),
        (
            "0\n# end 1 arrivals\n1",
            "line 3: \"1\" comes after the line that ends the recording",
        ),
        (
            "0\n1\n# end 3 arrivals\n",
            "line 3: \"# end 3 arrivals\", and 2 are before it: the file is damaged",
        ),
        (
            "0\n1\n# end 1 arrivals\n",
            "line 3: \"# end 1 arrivals\", and 2 are before it",
        ),
        (
            "0\n1\n# end 2\n",
            "line 3: the recording ends with \"# end 2\", without",
        ),
    ] {
        let error = Recording::from_reader(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
    for (text, message) in [
        ("", "there is no time in 0 lines"),
        (
            "0\n1.2",
            "line 2: \"1.2\" has no line end, so the list may be cut off",
        ),
        (
            "0\n1\n# end 3 arrivals\n",
            "line 3: \"# end 3 arrivals\", and 2 are before it",
        ),
        ("0\n-1\n", "line 2: \"-1\" is before the start"),
    ] {
        let error = Recording::from_list(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn what_is_no_text_is_refused_in_little_memory() {
    // A gigabyte without a line end: the first 64 KiB are enough to see it.
    let endless = BufReader::new(io::repeat(b'7').take(1 << 30));
    let error = Recording::from_reader(endless).unwrap_err().to_string();
    let shown = "7".repeat(40);
    assert!(
        error.starts_with(&format!(
            "line 1: \"{shown}...\" goes on beyond 65536 bytes: give one time a line"
        )),
        "{error}"
    );
    let binary = Recording::from_list(&b"\xff\xfe\x00\n"[..])
        .unwrap_err()
        .to_string();
    assert!(
        binary.starts_with("line 1: \"\u{fffd}\u{fffd}\u{0}\" is no time"),
        "{binary}"
    );
}

#[test]
fn what_is_left_of_a_long_line_is_no_arrival() {
    const MOST: usize = 1 << 16;
    let after = |comment: usize| format!("\n#{}\n1\n# end 1 arrivals\n", "x".repeat(comment));
    // With the line end it is as long as a line may be.
    let recording = Recording::from_reader(after(MOST - 2).as_bytes()).unwrap();
    assert!(recording.times().eq([ms(1000)]));
    // Of the last, a part of the comment would be a time.
    let hidden = format!("\n#{}2\n# end 1 arrivals\n", "x".repeat(MOST - 1));
    for text in [after(MOST - 1), hidden] {
        let as_list = Recording::from_list(text.as_bytes());
        for read in [Recording::from_reader(text.as_bytes()), as_list] {
            assert!(
                matches!(
                    read,
                    Err(ReadRecordingError::TooLong {
                        line: 2,
                        most: MOST,
                        ..
                    })
                ),
                "{read:?}"
            );
        }
    }
}

#[test]
fn times_that_make_no_recording_are_refused() {
    assert_eq!(
        Recording::from_times([]).unwrap_err(),
        RecordingError::Empty
    );
    let error = Recording::from_times([ms(5), ms(7), ms(6)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "arrival 2 at 6ms comes after one at 7ms: sort the times"
    );
    let error = Recording::from_times([ms(5), Duration::MAX]).unwrap_err();
    assert!(
        matches!(error, RecordingError::TooLate { arrival: 1, .. }),
        "{error}"
    );
}

/// A disk that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let recording = Recording::from_times([ms(5), ms(7)]).unwrap();
    let length = text_of(&recording).len();
    let error = recording.write(Full(length - 1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    recording.write(Full(length)).unwrap();
}
