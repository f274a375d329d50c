//! Thresholds as text: what is read, what is refused and where.

use std::time::Duration;

use karga_stats::{
    Comparison, Counted, Figure, InvalidThreshold, Limit, Threshold, Thresholds, Time,
};
use proptest::prelude::*;

fn parse(text: &str) -> Threshold {
    text.parse()
        .unwrap_or_else(|error| panic!("{text} is a condition:\n{error}"))
}

#[test]
fn every_form_is_read_and_written_in_one_way() {
    for (text, canonical) in [
        ("p99(response_time) < 250ms", "p99(response_time) < 250ms"),
        ("p99(response_time)<0.25 s", "p99(response_time) < 250ms"),
        (
            "  p99.90 ( response_time )  <1s ",
            "p99.9(response_time) < 1s",
        ),
        ("max(lateness) <= 1s", "max(lateness) <= 1s"),
        ("min(lateness) >= 1ns", "min(lateness) >= 1ns"),
        ("mean(service_time) < 20 ms", "mean(service_time) < 20ms"),
        ("mean(service_time) < 2m", "mean(service_time) < 120s"),
        ("mean(service_time) < 2min", "mean(service_time) < 120s"),
        ("p0(service_time) > 20us", "p0(service_time) > 20µs"),
        ("p100(service_time) > 20µs", "p100(service_time) > 20µs"),
        ("p100(service_time) > 20μs", "p100(service_time) > 20µs"),
        (
            r#"p50(step("connect")) < 5ms"#,
            r#"p50(step("connect")) < 5ms"#,
        ),
        (r"p50(step(connect)) < 5ms", r#"p50(step("connect")) < 5ms"#),
        ("failures < 1%", "failures < 1%"),
        ("failures < 0.10 %", "failures < 0.1%"),
        ("failures == 0", "failures == 0"),
        ("failures != 3", "failures != 3"),
        ("succeeded >= 99.9%", "succeeded >= 99.9%"),
        ("unknown < 5", "unknown < 5"),
        ("dropped == 0", "dropped == 0"),
        ("interrupted == 0", "interrupted == 0"),
        ("completed > 1000", "completed > 1k"),
        ("completed > 1001", "completed > 1001"),
        ("completed > 1.5k", "completed > 1.5k"),
        ("achieved_rate > 95%", "achieved_rate > 95%"),
        ("achieved_rate > 900/s", "achieved_rate > 900/s"),
        ("rate(messages) > 10k", "rate(messages) > 10k/s"),
        ("rate(messages) > 10000/s", "rate(messages) > 10k/s"),
        ("rate(bytes_sent) > 10MB", "rate(bytes_sent) > 10MB/s"),
        ("rate(bytes_sent) > 1KiB/s", "rate(bytes_sent) > 1024B/s"),
        ("bytes_received < 2MiB", "bytes_received < 2097152B"),
        ("messages >= 2G", "messages >= 2G"),
        ("rate(completed) > 0.5/s", "rate(completed) > 0.5/s"),
        ("count(retries) < 10", "count(retries) < 10"),
        (
            r#"count("slow starts") < 10"#,
            r#"count("slow starts") < 10"#,
        ),
        ("rate(count(retries)) < 10/s", "rate(count(retries)) < 10/s"),
        (r#"errors("timeout") < 0.1%"#, r#"errors("timeout") < 0.1%"#),
        (
            r#"errors("a \"b\" \\ \n \u{e9}") < 2"#,
            r#"errors("a \"b\" \\ \u{a} é") < 2"#,
        ),
        ("lag < 1000", "lag < 1k"),
        ("max(lag) <= 10k", "max(lag) <= 10k"),
        (
            r#"p99(response_time){label="login"} < 250ms"#,
            r#"p99(response_time){label="login"} < 250ms"#,
        ),
        (
            r#"failures { label = login } < 1 %"#,
            r#"failures{label="login"} < 1%"#,
        ),
    ] {
        let threshold = parse(text);
        assert_eq!(threshold.to_string(), canonical);
        assert_eq!(parse(canonical), threshold, "{canonical}");
    }
}

#[test]
fn typed_ones_are_those_that_their_text_says() -> Result<(), InvalidThreshold> {
    let ms = Duration::from_millis;
    for (typed, text) in [
        (
            Threshold::quantile(0.99, Time::Response).below(ms(250))?,
            "p99(response_time) < 250ms",
        ),
        (
            Threshold::quantile(0.9999, Time::Service).at_most(ms(250))?,
            "p99.99(service_time) <= 250ms",
        ),
        (
            Threshold::quantile(0.07, Time::Lateness).at_least(ms(1))?,
            "p7(lateness) >= 1ms",
        ),
        (
            Threshold::mean(Time::step("connect")).above(ms(1))?,
            r#"mean(step("connect")) > 1ms"#,
        ),
        (
            Threshold::min(Time::Response).below(ms(1))?,
            "min(response_time) < 1ms",
        ),
        (
            Threshold::max(Time::Response).below(ms(1))?,
            "max(response_time) < 1ms",
        ),
        (Threshold::failures().below_share(0.07)?, "failures < 7%"),
        (
            Threshold::failures().label("login").at_most(3)?,
            r#"failures{label="login"} <= 3"#,
        ),
        (Threshold::unknown().exactly(0)?, "unknown == 0"),
        (
            Threshold::unknown().compare(Comparison::Unequal, 7)?,
            "unknown != 7",
        ),
        (Threshold::dropped().below_share(0.001)?, "dropped < 0.1%"),
        (Threshold::interrupted().exactly(0)?, "interrupted == 0"),
        (Threshold::completed().above(1000)?, "completed > 1000"),
        (
            Threshold::errors("timeout").below(5)?,
            r#"errors("timeout") < 5"#,
        ),
        (Threshold::count("retries").below(5)?, "count(retries) < 5"),
        (
            Threshold::counted(Counted::BytesSent).above(1500)?,
            "bytes_sent > 1.5kB",
        ),
        (
            Threshold::rate(Counted::BytesSent).above_per_second(1e7)?,
            "rate(bytes_sent) > 10MB/s",
        ),
        (
            Threshold::achieved_rate().above_share(0.95)?,
            "achieved_rate > 95%",
        ),
        (
            Threshold::achieved_rate().below_per_second(900.0)?,
            "achieved_rate < 900/s",
        ),
        (Threshold::lag().below(1000)?, "lag < 1000"),
        (Threshold::max_lag().below(1000)?, "max(lag) < 1000"),
    ] {
        assert_eq!(typed, parse(text));
    }
    Ok(())
}

#[test]
fn an_invalid_one_cannot_be_built() {
    let refused = |figure: Figure, limit: Limit| figure.below(limit).unwrap_err().to_string();
    let second = Limit::Time(Duration::from_secs(1));
    for (message, expected) in [
        (
            refused(Threshold::quantile(1.01, Time::Response), second),
            "p101 is no percentile: it must be from p0 to p100, as a share 0 to 1",
        ),
        (
            refused(Threshold::quantile(f64::NAN, Time::Response), second),
            "pNaN is no percentile: it must be from p0 to p100, as a share 0 to 1",
        ),
        (
            refused(Threshold::failures(), Limit::share(1.5)),
            "150% is no share: it must be from 0% to 100%",
        ),
        (
            refused(Threshold::failures(), Limit::Percent(f64::NAN)),
            "NaN% is no share: it must be from 0% to 100%",
        ),
        (
            refused(Threshold::failures(), Limit::share(-0.1)),
            "-10% is no share: it must be from 0% to 100%",
        ),
        (
            refused(Threshold::achieved_rate(), Limit::PerSecond(f64::INFINITY)),
            "inf/s is no rate: it must be finite and not below 0/s",
        ),
        (
            refused(Threshold::max(Time::step("")), second),
            "the step has no name",
        ),
        (
            refused(Threshold::errors(""), Limit::Count(1)),
            "the error class has no name",
        ),
        (
            refused(Threshold::failures().label(""), Limit::Count(1)),
            "the label has no name",
        ),
        (
            refused(Threshold::failures(), second),
            "failures cannot be compared with 1s; it needs a share in %, or a count: no unit, k, \
             M, G",
        ),
        (
            refused(Threshold::dropped().label("login"), Limit::Count(1)),
            "dropped cannot have a label: an arrival that was not completed has no label",
        ),
        (
            refused(Threshold::failures(), Limit::Count(0)),
            "\"failures < 0\" is never true, whatever the run is like",
        ),
    ] {
        assert_eq!(message, expected);
    }
    let exact = Threshold::max(Time::Response).exactly(Duration::from_secs(1));
    assert!(matches!(exact, Err(InvalidThreshold::Exact { .. })));
    let always = Threshold::failures().compare(Comparison::AtMost, Limit::share(1.0));
    assert!(matches!(
        always,
        Err(InvalidThreshold::Decided { always: true, .. })
    ));
    let minus_nothing = Threshold::achieved_rate().above_per_second(-0.0);
    assert_eq!(minus_nothing.unwrap().to_string(), "achieved_rate > 0/s");
}

#[test]
fn what_is_wrong_is_pointed_at() {
    // The text, the column and the beginning of what is said of it.
    for (text, column, problem) in [
        ("", 1, "the condition is empty"),
        ("   ", 4, "the condition is empty"),
        ("% < 1", 1, "a figure is missing; there is \"%\""),
        (
            "(response_time) < 1s",
            1,
            "a figure is missing; there is \"(\"",
        ),
        // Unknown names.
        (
            "p99(response_tme) < 250ms",
            5,
            "there is no time \"response_tme\"; did you mean \"response_time\"?",
        ),
        ("p99(banana) < 250ms", 5, "there is no time \"banana\""),
        (
            "  failrues < 1%",
            3,
            "there is no figure \"failrues\"; did you mean \"failures\"?",
        ),
        (
            "avg(response_time) < 1s",
            1,
            "there is no function \"avg\"; did you mean \"mean\"?",
        ),
        (
            "p(99) < 1s",
            1,
            "there is no function \"p\"; did you mean \"p99\"?",
        ),
        (
            "latency < 1s",
            1,
            "there is no figure \"latency\"; did you mean \"p99(response_time)\"?",
        ),
        (
            "response_time < 1s",
            1,
            "response_time needs a function: p99(response_time)",
        ),
        (
            "rate(mesages) > 1",
            6,
            "\"mesages\" is nothing that is counted; did you mean \"messages\"?",
        ),
        (
            "rate() > 1",
            6,
            "rate needs what is counted; there is \")\"",
        ),
        (
            "failures{lable=\"x\"} < 1",
            10,
            "iterations have no \"lable\" to be told apart by, only a label",
        ),
        (
            "failures{=\"x\"} < 1",
            10,
            "\"label\" is missing; there is \"=\"",
        ),
        // Percentiles.
        (
            "p101(response_time) < 1s",
            1,
            "p101 is no percentile: it must be from p0 to p100",
        ),
        ("p99.9.9(response_time) < 1s", 1, "p99.9.9 is no percentile"),
        ("p99x(response_time) < 1s", 1, "p99x is no percentile"),
        // Structure.
        (
            "p99 < 250ms",
            5,
            "p99 needs an argument in (); there is \"<\"",
        ),
        (
            "p99(response_time < 1s",
            19,
            "\")\" is missing; there is \"<\"",
        ),
        ("p99() < 1s", 5, "a time is missing; there is \")\""),
        ("p99(", 5, "a time is missing; there is nothing more"),
        (
            "errors() < 1",
            8,
            "the name of the error class is missing; there is \")\"",
        ),
        (
            "errors(\"\") < 1",
            8,
            "the name of the error class is empty",
        ),
        (
            "count < 1",
            7,
            "count needs an argument in (); there is \"<\"",
        ),
        ("errors(\"timeout) < 1", 8, "the quote is never closed"),
        ("errors(\"timeout\\", 8, "the quote is never closed"),
        ("errors(\"a\\q\") < 1", 10, "\"\\q\" has no meaning"),
        ("errors(\"\\u{110000}\") < 1", 9, "this names no character"),
        (
            "failures{label \"x\"} < 1",
            16,
            "\"=\" is missing; there is \"\\\"\"",
        ),
        (
            "failures{label=} < 1",
            16,
            "the name of the label is missing; there is \"}\"",
        ),
        (
            "failures{label=\"x\" < 1",
            20,
            "\"}\" is missing; there is \"<\"",
        ),
        (
            "failures",
            9,
            "a comparison is missing; there is nothing more",
        ),
        ("failures 1%", 10, "a comparison is missing; there is \"1\""),
        (
            "failures = 0",
            10,
            "a comparison is missing; there is \"=\"; did you mean \"==\"?",
        ),
        (
            "failures ≤ 1%",
            10,
            "a comparison is missing; there is \"≤\"; did you mean \"<=\"?",
        ),
        // Numbers.
        (
            "failures <",
            11,
            "a number is missing; there is nothing more",
        ),
        ("failures < %", 12, "a number is missing; there is \"%\""),
        ("failures < -1%", 12, "failures is never negative"),
        ("failures < NaN", 12, "\"NaN\" is no number"),
        ("failures < inf%", 12, "\"inf\" is no number"),
        ("failures < .5%", 12, "\".5\" is no number"),
        ("failures < 1.2.3%", 12, "\"1.2.3\" is no number"),
        (
            "failures < 1.5",
            12,
            "failures is a count: it needs a whole number",
        ),
        (
            "unknown < 18446744073709551616",
            11,
            "unknown is a count: it needs a whole number",
        ),
        (
            "max(lateness) < 0.1ns",
            17,
            "times are whole nanoseconds; this is finer",
        ),
        (
            "max(lateness) < 999999999999999999999s",
            17,
            "this time is too long",
        ),
        (
            "failures < 101%",
            12,
            "101% is no share: it must be from 0% to 100%",
        ),
        (
            "failures < 0",
            12,
            "\"failures < 0\" is never true, whatever the run is like",
        ),
        (
            "failures >= 0%",
            13,
            "\"failures >= 0%\" is always true, whatever the run is like",
        ),
        // Units.
        (
            "p99(response_time) < 250",
            25,
            "p99(response_time) needs a unit",
        ),
        (
            "p99(response_time) < 250 ",
            25,
            "p99(response_time) needs a unit",
        ),
        (
            "p99(response_time) < 5%",
            23,
            "p99(response_time) has no unit \"%\"",
        ),
        (
            "p99(response_time) < 5 sec",
            24,
            "p99(response_time) has no unit \"sec\"",
        ),
        (
            "p99(response_time) < 5MB",
            23,
            "p99(response_time) has no unit \"MB\"",
        ),
        ("failures < 5ms", 13, "failures has no unit \"ms\""),
        ("failures < 5/s", 13, "failures has no unit \"/s\""),
        (
            "failures < 1,000",
            13,
            "there is more after the condition: \",000\"",
        ),
        (
            "count(retries) < 1%",
            19,
            "count(retries) has no unit \"%\"",
        ),
        ("achieved_rate > 900", 20, "achieved_rate needs a unit"),
        (
            "achieved_rate > 900MB/s",
            20,
            "achieved_rate has no unit \"MB/s\"",
        ),
        (
            "rate(messages) > 10%",
            20,
            "rate(messages) has no unit \"%\"",
        ),
        (
            "rate(messages) > 10MB",
            20,
            "rate(messages) has no unit \"MB\"",
        ),
        ("rate(bytes_sent) > 10", 22, "rate(bytes_sent) needs a unit"),
        (
            "rate(bytes_sent) > 10M/s",
            22,
            "rate(bytes_sent) has no unit \"M/s\"",
        ),
        ("lag < 5s", 8, "lag has no unit \"s\""),
        ("lag < 5Ki", 8, "lag has no unit \"Ki\""),
        // What comes after.
        (
            "failures < 1% or so",
            15,
            "there is more after the condition: \"or so\"",
        ),
        (
            "failures < 1%;",
            14,
            "there is more after the condition: \";\"",
        ),
        (
            "dropped == 0 0",
            14,
            "there is more after the condition: \"0\"",
        ),
        // What the figure does not have.
        (
            "p99(response_time) == 1s",
            20,
            "p99(response_time) is measured and never exactly",
        ),
        (
            "dropped{label=\"a\"} == 0",
            8,
            "dropped cannot have a label",
        ),
        (
            "achieved_rate{label=\"a\"} > 5%",
            14,
            "achieved_rate cannot have a label",
        ),
        (
            "max(step(\"a\")){label=\"a\"} < 5s",
            15,
            "max(step(\"a\")) cannot have a label",
        ),
        // Columns are characters, not bytes.
        (
            "errors(\"zeitüberschreitung\") < 5ms",
            33,
            "errors(\"zeitüberschreitung\") has no unit \"ms\"",
        ),
    ] {
        let error = text.parse::<Threshold>().unwrap_err();
        assert!(error.problem().starts_with(problem), "{text}:\n{error}");
        assert_eq!(error.column(), column, "{text}:\n{error}");
        assert_eq!(error.text(), text);
    }
}

#[test]
fn an_error_shows_the_place_and_lists_what_is_known_there() {
    let shown = |text: &str| text.parse::<Threshold>().unwrap_err().to_string();
    assert_eq!(
        shown("p99(response_time) < 250"),
        "\
p99(response_time) needs a unit
  p99(response_time) < 250
                          ^
p99(response_time) needs a time: ns, us (µs), ms, s, m (min)"
    );
    assert_eq!(
        shown("errrs(\"ü\tü\") < 1"),
        "\
there is no function \"errrs\"; did you mean \"errors\"?
  errrs(\"ü ü\") < 1
  ^
functions: p50, p95, p99, p99.9 (any percentile), mean, min, max, rate, errors, count"
    );
    assert_eq!(
        shown("failures << 1"),
        "\
a number is missing; there is \"<\"
  failures << 1
            ^
failures needs a share in %, or a count: no unit, k, M, G"
    );
    let all = shown("banana < 1");
    for known in [
        "achieved_rate",
        "p99.9",
        "lateness",
        "errors(\"class\")",
        "max(lag)",
    ] {
        assert!(all.contains(known), "{all}");
    }
}

#[test]
fn a_set_is_read_whole_or_not_at_all() {
    let set = Thresholds::parse(["failures < 1%", "dropped == 0"]).unwrap();
    let texts: Vec<String> = set.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["failures < 1%", "dropped == 0"]);
    let texts = vec!["failures < 1%".to_owned(), "dropped = 0".to_owned()];
    let error = Thresholds::parse(&texts).unwrap_err();
    assert_eq!((error.text(), error.column()), ("dropped = 0", 9));
    assert!(Thresholds::new([]).is_empty());
}

fn times() -> impl Strategy<Value = Time> {
    prop_oneof![
        Just(Time::Response),
        Just(Time::Service),
        Just(Time::Lateness),
        names().prop_map(Time::step),
    ]
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{1,8}",
        "\\PC{1,8}",
        any::<String>().prop_filter("a name", |name| !name.is_empty())
    ]
}

fn counted() -> impl Strategy<Value = Counted> {
    prop_oneof![
        Just(Counted::Completed),
        Just(Counted::Succeeded),
        Just(Counted::Failures),
        Just(Counted::Unknown),
        Just(Counted::Dropped),
        Just(Counted::Interrupted),
        Just(Counted::Messages),
        Just(Counted::BytesSent),
        Just(Counted::BytesReceived),
        names().prop_map(Counted::Errors),
        names().prop_map(Counted::Count),
    ]
}

fn figures() -> impl Strategy<Value = Figure> {
    let figure = prop_oneof![
        (0.0..=1.0, times()).prop_map(|(q, time)| Threshold::quantile(q, time)),
        times().prop_map(Threshold::mean),
        times().prop_map(Threshold::min),
        times().prop_map(Threshold::max),
        counted().prop_map(Threshold::counted),
        counted().prop_map(Threshold::rate),
        Just(Threshold::achieved_rate()),
        Just(Threshold::lag()),
        Just(Threshold::max_lag()),
    ];
    (figure, proptest::option::of(names())).prop_map(|(figure, label)| match label {
        Some(label) => figure.label(label),
        None => figure,
    })
}

fn limits() -> impl Strategy<Value = Limit> {
    prop_oneof![
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, ns)| Limit::Time(Duration::new(s, ns))),
        (0..10_000_000_000_u64).prop_map(|ns| Limit::Time(Duration::from_nanos(ns))),
        any::<u64>().prop_map(Limit::Count),
        (0..10_000_u64).prop_map(|n| Limit::Count(n * 100)),
        (0.0..=100.0).prop_map(Limit::Percent),
        (0.0..=1e12).prop_map(Limit::PerSecond),
        any::<f64>().prop_map(Limit::PerSecond),
        (0..10_000_u32).prop_map(|n| Limit::PerSecond(f64::from(n) * 100.0)),
    ]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    prop_oneof![
        Just(Comparison::Below),
        Just(Comparison::AtMost),
        Just(Comparison::Above),
        Just(Comparison::AtLeast),
        Just(Comparison::Equal),
        Just(Comparison::Unequal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_was_written_is_read_back(
        figure in figures(),
        comparison in comparisons(),
        limit in limits(),
    ) {
        if let Ok(threshold) = figure.compare(comparison, limit) {
            let text = threshold.to_string();
            let read = text.parse::<Threshold>();
            prop_assert_eq!(read.map_err(|error| error.to_string()), Ok(threshold));
        }
    }

    #[test]
    fn any_text_is_read_or_refused_at_one_of_its_places(text in "[a-z0-9()<>={}\"% ._µ\\\\-]{0,40}|\\PC{0,20}") {
        if let Err(error) = text.parse::<Threshold>() {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column()));
            prop_assert!(!error.problem().is_empty() && !error.problem().contains('\n'));
        }
    }
}
