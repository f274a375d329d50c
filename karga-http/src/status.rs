//! Names of statuses, made once at compile time: an answer allocates nothing.

use karga_core::Count;

/// The first and the last status that an answer may have (RFC 9110, 15).
const FIRST: u16 = 100;
const LAST: u16 = 999;
const STATUSES: usize = (LAST - FIRST + 1) as usize;

/// "http 100" and so on.
static CLASSES: [[u8; 8]; STATUSES] = texts(b"http ___");

/// "status_100" and so on.
static NAMES: [[u8; 10]; STATUSES] = texts(b"status____");

static COUNTS: [Count; STATUSES] = {
    let mut counts = [Count::new("", 1); STATUSES];
    let mut at = 0;
    while at < STATUSES {
        if let Ok(name) = std::str::from_utf8(&NAMES[at]) {
            counts[at] = Count::new(name, 1);
        }
        at += 1;
    }
    counts
};

/// The text with each status for its last three bytes.
const fn texts<const N: usize>(text: &[u8; N]) -> [[u8; N]; STATUSES] {
    let mut texts = [*text; STATUSES];
    let mut at = 0;
    while at < STATUSES {
        let status = at + FIRST as usize;
        let digits = [status / 100, status / 10 % 10, status % 10];
        let mut digit = 0;
        while digit < 3 {
            texts[at][N - 3 + digit] = b'0' + digits[digit] as u8;
            digit += 1;
        }
        at += 1;
    }
    texts
}

const fn place(status: u16) -> Option<usize> {
    match status {
        FIRST..=LAST => Some((status - FIRST) as usize),
        _ => None,
    }
}

/// Whether an answer may have this status.
pub(crate) const fn is_status(status: u16) -> bool {
    place(status).is_some()
}

/// The class of an answer that was refused for its status: "http 503".
pub(crate) fn class(status: u16) -> &'static str {
    let text = place(status).and_then(|place| std::str::from_utf8(&CLASSES[place]).ok());
    text.unwrap_or("http")
}

/// One answer of this status, as a count: "status_200".
#[inline]
pub(crate) fn count(status: Option<u16>) -> &'static [Count] {
    match status.and_then(place) {
        Some(place) => std::slice::from_ref(&COUNTS[place]),
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_names() {
        for status in FIRST..=LAST {
            assert_eq!(class(status), format!("http {status}"));
            assert_eq!(count(Some(status))[0].name, format!("status_{status}"));
            assert_eq!(count(Some(status))[0].count, 1);
        }
        for status in [0, 99, 1000] {
            assert!(!is_status(status));
            assert_eq!((class(status), count(Some(status))), ("http", &[][..]));
        }
        assert!(count(None).is_empty());
    }
}
