//! A report as JSON: whole or not at all.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{error::Error, fs, io, path::Path};

use common::{Screen, failing, healthy};
use karga_core::{Report, Reporter};
use karga_reporters::{JsonReporter, JsonReporterError};
use karga_stats::Summary;
use serde_json::Value;
use tempfile::TempDir;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// As it is read back: through text, which may cost a float its last bit.
fn value(summary: &Summary) -> Value {
    serde_json::from_str(&serde_json::to_string(summary).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test]
async fn a_file_is_replaced_and_nothing_is_left_beside_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    let reporter = JsonReporter::to_file(&path);
    let (first, second) = (Summary::derive(&healthy()), Summary::derive(&failing()));
    reporter.check().unwrap();
    assert_eq!(
        names(folder.path()),
        [""; 0],
        "a check leaves nothing behind"
    );
    reporter.report(&first).await.unwrap();
    assert_eq!(read(&path), value(&first));
    reporter.check().unwrap();
    assert_eq!(
        read(&path),
        value(&first),
        "a check leaves the old file alone"
    );
    reporter.report(&second).await.unwrap();
    assert_eq!(read(&path), value(&second));
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[tokio::test]
async fn whoever_reads_the_old_file_keeps_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, "old").unwrap();
    let mut old = fs::File::open(&path).unwrap();
    JsonReporter::to_file(&path)
        .report(&Summary::derive(&healthy()))
        .await
        .unwrap();
    assert_eq!(io::read_to_string(&mut old).unwrap(), "old");
}

#[tokio::test]
async fn an_unwritable_path_is_named_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    let summary = Summary::derive(&healthy());
    for path in [
        folder.path().join("missing").join("run.json"),
        folder.path().to_owned(),
        file.join("run.json"),
        Path::new("").to_owned(),
        Path::new("/dev/missing").to_owned(),
    ] {
        let reporter = JsonReporter::to_file(&path);
        let before = reporter.check().unwrap_err();
        let after = reporter.report(&summary).await.unwrap_err();
        assert_eq!(before.to_string(), after.to_string());
        let expected = format!(
            "cannot write the JSON report to {path:?}; name a file in a folder that exists and \
             can be written to"
        );
        assert_eq!(after.to_string(), expected);
        assert!(
            after
                .source()
                .unwrap()
                .downcast_ref::<io::Error>()
                .is_some()
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(names(folder.path()), ["file"]);
}

#[tokio::test]
async fn a_report_that_is_no_json_leaves_the_old_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, "old").unwrap();
    // JSON has no keys but strings.
    let report = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = JsonReporter::to_file(&path)
        .report(&report)
        .await
        .unwrap_err();
    assert!(
        matches!(error, JsonReporterError::Serialize { .. }),
        "{error:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[tokio::test]
    async fn the_file_behind_a_link_is_replaced_and_keeps_its_permissions() {
        let folder = TempDir::new().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        let summary = Summary::derive(&healthy());
        JsonReporter::to_file(&link).report(&summary).await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file), value(&summary));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_device_is_written_to_and_stays_one() {
        let summary = Summary::derive(&healthy());
        let null = JsonReporter::to_file("/dev/null");
        null.check().unwrap();
        null.report(&summary).await.unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_device_is_an_error() {
        let full = JsonReporter::to_file("/dev/full");
        let error = full.report(&Summary::derive(&healthy())).await.unwrap_err();
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    }
}

#[tokio::test]
async fn compact_is_one_line_and_says_the_same() {
    let summary = Summary::derive(&failing());
    let (pretty, compact) = (Screen::default(), Screen::default());
    let reporter = JsonReporter::to_writer(pretty.clone());
    reporter.check().unwrap();
    reporter.report(&summary).await.unwrap();
    let reporter = JsonReporter::to_writer(compact.clone()).compact();
    reporter.report(&summary).await.unwrap();
    let value = |screen: &Screen| serde_json::from_str::<Value>(&screen.text()).unwrap();
    assert_eq!(value(&pretty), value(&compact));
    assert_eq!(compact.text().matches('\n').count(), 1);
    assert!(
        pretty
            .text()
            .starts_with("{\n  \"schema\": 1,\n  \"name\": \"shop\",\n")
    );
}

#[tokio::test]
async fn a_closed_pipe_is_an_error() {
    let mut screen = Screen::default();
    screen.closed = true;
    let reporter = JsonReporter::to_writer(screen);
    let error = reporter
        .report(&Summary::derive(&healthy()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, JsonReporterError::Writer { .. }),
        "{error:?}"
    );
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn the_whole_form_is_pinned() {
    let mut run = healthy();
    run.aggregate = common::aggregate(1_500, |n| common::Told {
        class: (n == 1_000).then_some("timeout"),
        label: Some("batch"),
        parts: Vec::new(),
        steps: vec![karga_core::Step::new("connect", common::ms(1))],
        counts: vec![karga_core::Count::new("retries", n % 2)],
        lag: Some(n),
        volume: karga_core::Volume::new(1, 2, 3),
    });
    run.account = karga_core::Account::new(1_500, 1_500, 0, 0);
    (run.elapsed, run.load_time) = (common::ms(1_502), common::ms(1_500));
    run.details = vec![karga_core::Detail::new("engine", "lean")];
    let screen = Screen::default();
    JsonReporter::to_writer(screen.clone())
        .report(&Summary::derive(&run))
        .await
        .unwrap();
    insta::assert_snapshot!(screen.text());
}
