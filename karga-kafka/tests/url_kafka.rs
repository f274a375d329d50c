//! Targets in one line: what is read, what is printed, what is refused and how.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use karga_kafka::config::{Acks, Backend, Connections, Isolation};
use karga_kafka::records::Compression;
use karga_kafka::{KafkaUrl, Partitioning, UrlError};
use proptest::prelude::*;

fn parse(url: &str) -> KafkaUrl {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The error of a bad URL, with its causes.
fn refuse(url: &str) -> String {
    let error: UrlError = url.parse::<KafkaUrl>().expect_err(url);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

#[test]
fn every_option_reaches_its_setting() {
    let url = parse(
        "kafka://a:1,[::1]:2/orders?acks=1&compression=zstd&connect_timeout=3s\
         &request_timeout=1500ms&retries=2&retry_backoff=10ms&client_id=tester%20one\
         &backend=rskafka&connections=4&in_flight=9&batch=100&partition=7&max_wait=250ms\
         &min_bytes=10&max_bytes=20&isolation=read_committed",
    );
    let hosts: Vec<_> = url.endpoints().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["a:1", "[::1]:2"]);
    assert_eq!(url.topic(), "orders");
    assert_eq!(url.acks(), Acks::Leader);
    assert_eq!(url.compression(), Compression::Zstd);
    assert_eq!(url.batch(), NonZeroU32::new(100).unwrap());
    assert_eq!(url.partition(), Partitioning::Explicit(7));
    assert_eq!(url.backend(), Backend::Rskafka);
    let client = url.client_config();
    assert_eq!(client.bootstrap(), url.endpoints());
    assert_eq!(client.connect_timeout(), Duration::from_secs(3));
    assert_eq!(client.request_timeout(), Duration::from_millis(1500));
    assert_eq!(client.retry().retries(), 2);
    assert_eq!(
        client.retry().wait_before(0),
        Some(Duration::from_millis(10))
    );
    assert_eq!(client.client_id(), "tester one");
    let shared = Connections::Shared {
        connections: NonZeroUsize::new(4).unwrap(),
        in_flight: NonZeroUsize::new(9).unwrap(),
    };
    assert_eq!(client.connections(), shared);
    let fetch = url.fetch_settings();
    assert_eq!(fetch.max_wait(), Duration::from_millis(250));
    assert_eq!((fetch.min_bytes(), fetch.max_bytes()), (10, 20));
    assert_eq!(fetch.isolation(), Isolation::ReadCommitted);
}

#[test]
fn without_options_the_defaults_hold() {
    let url = parse("kafka://broker/t");
    let client = url.client_config();
    assert_eq!(
        client.retry().retries(),
        0,
        "nothing is sent again under load"
    );
    assert_eq!(client.connections(), Connections::PerWorker);
    assert_eq!((url.acks(), url.batch().get()), (Acks::All, 1));
    assert_eq!(url.compression(), Compression::None);
    assert_eq!(url.backend(), Backend::Native);
    assert_eq!(url.to_string(), "kafka://broker:9092/t");
}

#[test]
fn what_is_no_target_is_refused_with_the_way_out() {
    for (url, parts) in [
        ("", &["no scheme", "kafka://host:9092"][..]),
        ("broker:9092/t", &["\"broker:9092/t\" has no scheme"]),
        (
            "http://broker/t",
            &["unknown scheme \"http\"", "kafka://host:9092"],
        ),
        ("kafka://broker", &["topic is missing", "/topic"]),
        ("kafka://broker/", &["topic is missing"]),
        ("kafka://broker/?acks=1", &["topic is missing"]),
        (
            "kafka://broker/a/b",
            &["\"a/b\" cannot be a topic's name", "letters"],
        ),
        ("kafka://broker/..", &["\"..\" cannot"]),
        ("kafka://broker/t#x", &["\"t#x\" cannot"]),
        ("kafka:///t", &["hosts \"\"", "host is empty"]),
        ("kafka://a,/t", &["hosts \"a,\"", "host is empty"]),
        ("kafka://:9092/t", &["host is empty"]),
        (
            "kafka://a:b/t",
            &["port \"b\" is not a number from 1 to 65535"],
        ),
        ("kafka://a:0/t", &["port \"0\""]),
        ("kafka://a:99999/t", &["port \"99999\""]),
        ("kafka://::1/t", &["\"::1\"", "[::1]:port"]),
        (
            "kafka://a/t?ack=1",
            &["unknown option \"ack\"", "acks, compression", "isolation"],
        ),
        (
            "kafka://a/t?acks",
            &["\"acks\" has no value", "option=value"],
        ),
        ("kafka://a/t?acks=", &["\"acks\" has no value"]),
        ("kafka://a/t?acks=1&acks=0", &["option acks is given twice"]),
        (
            "kafka://a/t?acks=2",
            &["option acks cannot be \"2\"", "0, 1 or all"],
        ),
        (
            "kafka://a/t?compression=brotli",
            &["compression", "brotli", "lz4 or zstd"],
        ),
        (
            "kafka://a/t?connect_timeout=0s",
            &["connect_timeout", "above zero"],
        ),
        (
            "kafka://a/t?request_timeout=5",
            &["request_timeout", "\"5\"", "500ms or 5s"],
        ),
        (
            "kafka://a/t?retries=-1",
            &["retries", "\"-1\"", "whole number from 0"],
        ),
        (
            "kafka://a/t?retry_backoff=soon",
            &["retry_backoff", "\"soon\""],
        ),
        (
            "kafka://a/t?backend=java",
            &["backend", "native or rskafka"],
        ),
        ("kafka://a/t?connections=0", &["connections", "from 1"]),
        ("kafka://a/t?in_flight=5", &["in_flight needs connections="]),
        ("kafka://a/t?batch=0", &["batch", "from 1"]),
        (
            "kafka://a/t?partition=-1",
            &["partition", "round_robin, sticky or key"],
        ),
        ("kafka://a/t?max_wait=2h", &["max_wait", "\"2h\""]),
        ("kafka://a/t?max_wait=61m", &["max_wait", "at most an hour"]),
        ("kafka://a/t?min_bytes=-1", &["min_bytes", "from 0"]),
        ("kafka://a/t?max_bytes=0", &["max_bytes", "from 1"]),
        (
            "kafka://a/t?isolation=none",
            &["isolation", "read_committed"],
        ),
    ] {
        let text = refuse(url);
        for part in parts {
            assert!(text.contains(part), "{url}\n{text}\nlacks {part}");
        }
    }
    let long = "x".repeat(40_000);
    assert!(refuse(&format!("kafka://a/t?client_id={long}")).contains("at most 32767 bytes"));
    assert!(refuse(&format!("kafka://a/{}", "t".repeat(250))).contains("249"));
}

#[test]
fn credentials_are_refused_and_never_shown() {
    for url in [
        "kafka://me:secret@a/t",
        "kafka://me:secret@a:9092,me:secret@b/t?acks=all",
        "kafka://secret@a",
        "kafka://me:secret/secret@a/t",
        "kafka://me:secret?secret@a/t",
        "http://me:secret@a/t",
        "me:secret@a/t",
        "me:secret@a/t?x=://",
    ] {
        let text = refuse(url);
        assert!(!text.contains("secret"), "{url}\n{text}");
        assert!(
            text.contains("credentials are not supported"),
            "{url}\n{text}"
        );
    }
    let named: KafkaUrl = "kafka://a/t?client_id=me@home".parse().unwrap();
    assert_eq!(named.client_config().client_id(), "me@home");
}

#[test]
fn errors_and_targets_go_between_threads() {
    fn both<T: Send + Sync + 'static>() {}
    both::<KafkaUrl>();
    both::<UrlError>();
}

/// A value of each option, as text.
fn option() -> impl Strategy<Value = String> {
    let duration = (
        1_u32..5000,
        prop::sample::select(vec!["ns", "us", "ms", "s"]),
    );
    let duration = duration.prop_map(|(number, unit)| format!("{number}{unit}"));
    prop_oneof![
        prop::sample::select(vec!["acks=0", "acks=1", "acks=all"]).prop_map(str::to_owned),
        prop::sample::select(vec![
            "compression=lz4",
            "backend=native",
            "isolation=read_committed"
        ])
        .prop_map(str::to_owned),
        duration
            .clone()
            .prop_map(|value| format!("request_timeout={value}")),
        duration.prop_map(|value| format!("connect_timeout={value}")),
        any::<u32>().prop_map(|value| format!("retries={value}")),
        (1..u32::MAX).prop_map(|value| format!("batch={value}")),
        (0..i32::MAX).prop_map(|value| format!("partition={value}")),
        (0..i32::MAX).prop_map(|value| format!("min_bytes={value}")),
        "[a-z%&=+ é]{1,9}".prop_map(|id| {
            let escaped: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
            format!("client_id={escaped}")
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_the_same(
        hosts in prop::collection::vec("[a-z][a-z0-9.-]{0,9}(:[1-9][0-9]{0,3})?", 1..4),
        topic in "[a-zA-Z0-9_-]{1,20}",
        options in prop::collection::vec(option(), 0..6),
    ) {
        let mut url = format!("kafka://{}/{topic}", hosts.join(","));
        let mut names = std::collections::HashSet::new();
        for option in options {
            let name = option.split('=').next().unwrap().to_owned();
            if names.insert(name) {
                url.push(if names.len() == 1 { '?' } else { '&' });
                url.push_str(&option);
            }
        }
        let read: KafkaUrl = url.parse().map_err(|error| TestCaseError::fail(format!("{url}: {error}")))?;
        let printed = read.to_string();
        prop_assert_eq!(&printed.parse::<KafkaUrl>().unwrap(), &read);
        prop_assert_eq!(read.topic(), topic);
        prop_assert_eq!(read.endpoints().len(), hosts.len());
        let _ = (read.client_config(), read.fetch_settings()); // what is read can be built
    }

    #[test]
    fn any_text_is_a_target_or_an_error(text in ".{0,80}") {
        let _ = text.parse::<KafkaUrl>();
    }

    #[test]
    fn any_query_is_options_or_an_error(query in "([a-z_]{0,12}[=&%]?[^ ]{0,6}&?){0,5}") {
        if let Ok(url) = format!("kafka://a/t?{query}").parse::<KafkaUrl>() {
            prop_assert_eq!(url.to_string().parse::<KafkaUrl>(), Ok(url));
        }
    }
}
