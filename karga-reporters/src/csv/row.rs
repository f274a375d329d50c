//! One sample as one line, and each of its parts as another.

use std::{borrow::Cow, time::Duration};

use karga_core::{Iteration, Metric, Outcome, Parts, Sample, Volume};

/// The names of the columns, in order, and the end of the line.
pub(super) const HEADER: &[u8] = b"scenario,index,user,label,due,start,end,response_time,\
service_time,lateness,outcome,error_class,messages,bytes_sent,bytes_received,lag,part\n";

/// Room for every column of a row but those that are text.
pub(super) const USUAL: usize = 256;

/// Appends the rows of `sample`, its own last; `scenario` is quoted already.
#[inline]
pub(super) fn write<M: Metric>(out: &mut Vec<u8>, scenario: &[u8], sample: &Sample<M>) {
    // The metric is asked for everything before anything is written, so that
    // one which panics leaves no half row behind.
    let metric = &sample.metric;
    let outcome = metric.outcome();
    let volume = metric.volume();
    let class = match outcome {
        Outcome::Success => None,
        _ => metric.error_class(),
    };
    let label = metric.label();
    let lag = metric.lag();
    let parts = sample.parts();

    if parts.len() > 0 {
        write_parts(out, scenario, parts);
    }
    let row = Row {
        label: label.as_ref(),
        times: [sample.iteration.due, sample.start, sample.end],
        outcome,
        class: class.as_ref(),
        volume,
        lag,
        part: None,
    };
    row.write(out, scenario, &sample.iteration);
}

/// Out of the way of metrics that have none.
fn write_parts(out: &mut Vec<u8>, scenario: &[u8], parts: Parts<'_>) {
    for (number, sample) in parts.enumerate() {
        let part = sample.metric;
        let is_success = part.outcome == Outcome::Success;
        let row = Row {
            label: Some(&part.label),
            times: [sample.iteration.due, sample.start, sample.end],
            outcome: part.outcome,
            class: part.error_class.as_ref().filter(|_| !is_success),
            volume: part.volume,
            lag: None,
            part: Some(number as u64),
        };
        row.write(out, scenario, &sample.iteration);
    }
}

/// What stands in a row beside the iteration.
struct Row<'a> {
    label: Option<&'a Cow<'static, str>>,
    /// Due, start and end.
    times: [Duration; 3],
    outcome: Outcome,
    class: Option<&'a Cow<'static, str>>,
    volume: Volume,
    lag: Option<u64>,
    part: Option<u64>,
}

impl Row<'_> {
    /// Always inlined, so that an iteration's row is never put together in
    /// memory.
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>, scenario: &[u8], iteration: &Iteration) {
        out.extend_from_slice(scenario);
        integer(out, iteration.index);
        integer(out, iteration.user);
        out.push(b',');
        if let Some(label) = self.label {
            text(out, label.as_bytes());
        }
        let [due, start, end] = self.times;
        for time in [
            due,
            start,
            end,
            end.saturating_sub(due),
            end.saturating_sub(start),
            start.saturating_sub(due),
        ] {
            seconds(out, time);
        }
        out.extend_from_slice(match self.outcome {
            Outcome::Success => b",success,".as_slice(),
            Outcome::Failure => b",failure,",
            // There are only three; a later one is nothing that is known here.
            _ => b",unknown,",
        });
        if let Some(class) = self.class {
            text(out, class.as_bytes());
        }
        integer(out, self.volume.messages);
        integer(out, self.volume.bytes_sent);
        integer(out, self.volume.bytes_received);
        for number in [self.lag, self.part] {
            match number {
                Some(number) => integer(out, number),
                None => out.push(b','),
            }
        }
        out.push(b'\n');
    }
}

/// Appends a field, in quotes if it takes them (RFC 4180, 2.5 to 2.7).
pub(super) fn text(out: &mut Vec<u8>, field: &[u8]) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !field.iter().any(special) {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// How many whole samples are in `bytes`, and where the last of them ends. A
/// line break in quotes ends no row, and that of a part ends no sample: its last
/// column is not empty.
pub(super) fn whole_samples(bytes: &[u8]) -> (u64, usize) {
    let (mut samples, mut end, mut quoted) = (0, 0, false);
    let mut before = b'\n';
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            // A quote in a quoted field is doubled: out and in again.
            b'"' => quoted = !quoted,
            b'\n' if !quoted && before == b',' => (samples, end) = (samples + 1, at + 1),
            _ => {}
        }
        before = byte;
    }
    (samples, end)
}

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

fn pair(value: u32) -> [u8; 2] {
    let at = value as usize % 100 * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// ",1234"
#[inline]
fn integer(out: &mut Vec<u8>, value: u64) {
    let mut digits = [b','; 21];
    let begin = fill(&mut digits, 21, value);
    out.extend_from_slice(&digits[begin - 1..]);
}

/// Puts the digits of `value` before `end`; gives where they begin.
#[inline]
fn fill(digits: &mut [u8], end: usize, mut value: u64) -> usize {
    let mut at = end;
    while value >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair((value % 100) as u32));
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value as u32));
    } else {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    at
}

/// ",12.345678901"
#[inline]
fn seconds(out: &mut Vec<u8>, time: Duration) {
    let mut digits = [b','; 31];
    let nanos = time.subsec_nanos();
    let (high, low) = (nanos / 10_000, nanos % 10_000);
    digits[21] = b'.';
    digits[22] = b'0' + (high / 10_000) as u8;
    digits[23..25].copy_from_slice(&pair(high / 100));
    digits[25..27].copy_from_slice(&pair(high));
    digits[27..29].copy_from_slice(&pair(low / 100));
    digits[29..31].copy_from_slice(&pair(low));
    let begin = fill(&mut digits, 21, time.as_secs());
    out.extend_from_slice(&digits[begin - 1..]);
}

#[cfg(test)]
mod tests {
    use karga_core::Part;
    use proptest::prelude::*;

    use super::*;

    struct Named(&'static str);

    impl Metric for Named {
        fn outcome(&self) -> Outcome {
            Outcome::Unknown
        }
        fn volume(&self) -> Volume {
            Volume::new(1, 20, 300)
        }
        fn error_class(&self) -> Option<Cow<'static, str>> {
            Some(self.0.into())
        }
        fn label(&self) -> Option<Cow<'static, str>> {
            Some(self.0.into())
        }
        fn lag(&self) -> Option<u64> {
            Some(u64::MAX)
        }
    }

    fn row<M: Metric>(metric: M) -> String {
        let ms = Duration::from_millis;
        let iteration = Iteration::new(7, 3, ms(1_100));
        let sample = Sample::new(iteration, ms(1_102), ms(61_100), metric);
        let mut out = Vec::new();
        write(&mut out, b"shop", &sample);
        String::from_utf8(out).expect("a row is UTF-8")
    }

    #[test]
    fn a_row_has_a_field_for_each_column() {
        assert_eq!(
            row(()),
            "shop,7,3,,1.100000000,1.102000000,61.100000000,60.000000000,59.998000000,0.002000000,\
             success,,0,0,0,,\n"
        );
        assert_eq!(
            row(Named("a")),
            "shop,7,3,a,1.100000000,1.102000000,61.100000000,60.000000000,59.998000000,\
             0.002000000,unknown,a,1,20,300,18446744073709551615,\n"
        );
        let columns = |row: &[u8]| row.iter().filter(|byte| **byte == b',').count();
        assert_eq!(columns(HEADER), columns(row(()).as_bytes()));
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let cases = [
            ("plain text", "plain text"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ];
        for (field, written) in cases {
            let mut out = Vec::new();
            text(&mut out, field.as_bytes());
            assert_eq!(String::from_utf8_lossy(&out), written);
        }
    }

    struct Flow([Part; 2]);

    impl Flow {
        fn new() -> Self {
            let ms = Duration::from_millis;
            let mut pay = Part::new("pay\n,", ms(30_000), ms(59_998));
            (pay.outcome, pay.error_class) = (Outcome::Failure, Some("http 503".into()));
            pay.volume = Volume::new(1, 20, 300);
            let mut login = Part::new("login", ms(0), ms(30_000));
            login.error_class = Some("of a success".into());
            Self([login, pay])
        }
    }

    impl Metric for Flow {
        fn outcome(&self) -> Outcome {
            Outcome::Failure
        }
        fn parts(&self) -> &[Part] {
            &self.0
        }
    }

    #[test]
    fn parts_stand_before_their_iteration() {
        assert_eq!(
            row(Flow::new()),
            "shop,7,3,login,1.100000000,1.102000000,31.102000000,30.002000000,30.000000000,\
             0.002000000,success,,0,0,0,,0\n\
             shop,7,3,\"pay\n,\",31.102000000,31.102000000,61.100000000,29.998000000,29.998000000,\
             0.000000000,failure,http 503,1,20,300,,1\n\
             shop,7,3,,1.100000000,1.102000000,61.100000000,60.000000000,59.998000000,\
             0.002000000,failure,,0,0,0,,\n"
        );
    }

    #[test]
    fn a_cut_sample_is_not_whole() {
        for (one, other) in [
            (row(Named("a\n\"b\"\nc")), row(())),
            (row(Named("a,\nb")), row(Flow::new())),
            (row(Flow::new()), row(Flow::new())),
        ] {
            let two = one.clone() + &other;
            for end in 0..=two.len() {
                let whole = match end {
                    end if end == two.len() => (2, end),
                    end if end >= one.len() => (1, one.len()),
                    _ => (0, 0),
                };
                assert_eq!(whole_samples(&two.as_bytes()[..end]), whole);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn numbers_are_written_as_the_standard_library_does(
            bits in 0_u32..64, value: u64, nanos in 0_u32..1_000_000_000,
        ) {
            let value = value >> bits;
            let mut out = Vec::new();
            integer(&mut out, value);
            seconds(&mut out, Duration::new(value, nanos));
            let expected = format!(",{value},{value}.{nanos:09}");
            prop_assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
