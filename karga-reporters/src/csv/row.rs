//! One sample as one line.

use std::time::Duration;

use karga_core::{Metric, Outcome, Sample};

/// The names of the columns, in order, and the end of the line.
pub(super) const HEADER: &[u8] = b"scenario,index,user,label,due,start,end,response_time,\
service_time,lateness,outcome,error_class,messages,bytes_sent,bytes_received,lag\n";

/// Room for every column of a row but those that are text.
pub(super) const USUAL: usize = 256;

/// Appends the row of `sample`; `scenario` is quoted already.
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

    out.extend_from_slice(scenario);
    integer(out, sample.iteration.index);
    integer(out, sample.iteration.user);
    out.push(b',');
    if let Some(label) = label {
        text(out, label.as_bytes());
    }
    for time in [
        sample.iteration.due,
        sample.start,
        sample.end,
        sample.response_time(),
        sample.service_time(),
        sample.lateness(),
    ] {
        seconds(out, time);
    }
    out.extend_from_slice(match outcome {
        Outcome::Success => b",success,".as_slice(),
        Outcome::Failure => b",failure,",
        // There are only three; a later one is nothing that is known here.
        _ => b",unknown,",
    });
    if let Some(class) = class {
        text(out, class.as_bytes());
    }
    integer(out, volume.messages);
    integer(out, volume.bytes_sent);
    integer(out, volume.bytes_received);
    match lag {
        Some(lag) => integer(out, lag),
        None => out.push(b','),
    }
    out.push(b'\n');
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

/// How many whole rows are in `bytes`, and where the last of them ends. A line
/// break in quotes ends no row.
pub(super) fn whole_rows(bytes: &[u8]) -> (u64, usize) {
    let (mut rows, mut end, mut quoted) = (0, 0, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            // A quote in a quoted field is doubled: out and in again.
            b'"' => quoted = !quoted,
            b'\n' if !quoted => (rows, end) = (rows + 1, at + 1),
            _ => {}
        }
    }
    (rows, end)
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
    use std::borrow::Cow;

    use karga_core::{Iteration, Volume};
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
             success,,0,0,0,\n"
        );
        assert_eq!(
            row(Named("a")),
            "shop,7,3,a,1.100000000,1.102000000,61.100000000,60.000000000,59.998000000,\
             0.002000000,unknown,a,1,20,300,18446744073709551615\n"
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

    #[test]
    fn a_cut_row_is_not_whole() {
        let one = row(Named("a\n\"b\"\nc"));
        let two = one.clone() + &row(());
        for end in 0..=two.len() {
            let whole = match end {
                end if end == two.len() => (2, end),
                end if end >= one.len() => (1, one.len()),
                _ => (0, 0),
            };
            assert_eq!(whole_rows(&two.as_bytes()[..end]), whole);
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
