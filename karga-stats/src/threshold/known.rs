//! The names that texts may use, for those who mistype them.

/// Functions of a time.
pub(super) const FUNCTIONS: &str = "p50, p95, p99, p99.9 (any percentile), mean, min, max";
pub(super) const TIMES: &str = "response_time, service_time, lateness, step(\"name\")";
pub(super) const COUNTED: &str = "completed, succeeded, failures, unknown, dropped, interrupted, \
     messages, bytes_sent, bytes_received, errors(\"class\"), count(name)";
pub(super) const COMPARISONS: &str = "comparisons: <, <=, >, >=, ==, !=";

/// All that a condition may begin with.
pub(super) fn figures() -> String {
    format!(
        "figures: p99(response_time), {COUNTED}, rate(messages), achieved_rate, lag, max(lag)\n\
         functions: {FUNCTIONS}\n\
         times: {TIMES}"
    )
}

/// What people say elsewhere, and what it is called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("avg", "mean"),
    ("average", "mean"),
    ("med", "p50"),
    ("median", "p50"),
    ("p", "p99"),
    ("latency", "response_time"),
    ("http_req_duration", "response_time"),
    ("iteration_duration", "response_time"),
    ("duration", "response_time"),
    ("failed", "failures"),
    ("http_req_failed", "failures"),
    ("error", "errors"),
    ("iterations", "completed"),
    ("http_reqs", "completed"),
    ("requests", "completed"),
    ("dropped_iterations", "dropped"),
    ("throughput", "achieved_rate"),
    ("rps", "achieved_rate"),
];

pub(super) const FUNCTION_NAMES: &[&str] = &[
    "p50", "p95", "p99", "p99.9", "mean", "min", "max", "rate", "errors", "count",
];
pub(super) const TIME_NAMES: &[&str] = &["response_time", "service_time", "lateness", "step"];
pub(super) const FIGURE_NAMES: &[&str] = &[
    "completed",
    "succeeded",
    "failures",
    "unknown",
    "dropped",
    "interrupted",
    "messages",
    "bytes_sent",
    "bytes_received",
    "errors",
    "count",
    "rate",
    "achieved_rate",
    "lag",
];
pub(super) const COUNTED_NAMES: &[&str] = &[
    "completed",
    "succeeded",
    "failures",
    "unknown",
    "dropped",
    "interrupted",
    "messages",
    "bytes_sent",
    "bytes_received",
    "errors",
    "count",
];

/// "; did you mean "..."?", if one of the names is near enough.
pub(super) fn did_you_mean(written: &str, names: &[&str]) -> String {
    match nearest(written, names) {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None => String::new(),
    }
}

fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    let meant = ELSEWHERE.iter().find(|(said, _)| *said == written);
    if let Some(&(_, meant)) = meant
        && let Some(name) = names.iter().find(|name| **name == meant)
    {
        return Some(name);
    }
    names
        .iter()
        .map(|name| (distance(&written, name), *name))
        // A third of the characters may be wrong.
        .filter(|&(wrong, name)| wrong * 3 <= name.chars().count().max(3))
        .min_by_key(|&(wrong, _)| wrong)
        .map(|(_, name)| name)
}

/// How many characters must be inserted, removed, replaced or exchanged with
/// their neighbour to make one of the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("response_tme", TIME_NAMES), Some("response_time"));
        assert_eq!(nearest("Latenes", TIME_NAMES), Some("lateness"));
        assert_eq!(nearest("latency", TIME_NAMES), Some("response_time"));
        assert_eq!(nearest("failrues", FIGURE_NAMES), Some("failures"));
        assert_eq!(nearest("failed", FIGURE_NAMES), Some("failures"));
        assert_eq!(nearest("lga", FIGURE_NAMES), Some("lag"));
        assert_eq!(nearest("banana", FIGURE_NAMES), None);
        assert_eq!(nearest("", FIGURE_NAMES), None);
    }

    #[test]
    fn neighbours_that_changed_places_are_one_mistake() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("acb", "abc"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn every_name_from_elsewhere_is_one_of_ours_here() {
        for (_, ours) in ELSEWHERE {
            let all = [FUNCTION_NAMES, TIME_NAMES, FIGURE_NAMES].concat();
            assert!(all.contains(ours), "{ours}");
        }
    }
}
