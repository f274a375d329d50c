//! Runs as histogram logs: whole or not at all, and the same when read back.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs::{self, File},
    io::BufReader,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use common::{failing, healthy, lagging};
use karga_core::{Report, Reporter};
use karga_reporters::{Fanout, HdrLogReporter, HdrLogReporterError};
use karga_stats::{Summary, hdr_log};
use tempfile::TempDir;

fn read(path: &Path) -> Summary {
    let run = hdr_log::read(BufReader::new(File::open(path).unwrap())).unwrap();
    Summary::derive(&run)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_run_is_read_back_and_the_file_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.hlog");
    let reporter = HdrLogReporter::to_file(&path);
    reporter.check().unwrap();
    for run in [failing(), healthy()] {
        reporter.report(&run).await.unwrap();
        assert_eq!(read(&path), Summary::derive(&run));
    }
    assert_eq!(names(folder.path()), ["run.hlog"]);
}

#[tokio::test]
async fn with_more_than_histograms_in_the_aggregate() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.hlog");
    let run = healthy().map(|histograms| (histograms, ()));
    let fanout = Fanout::new().with(HdrLogReporter::to_file(&path));
    fanout.report(&run).await.unwrap();
    assert_eq!(read(&path), Summary::derive(&healthy()));
}

#[tokio::test]
async fn each_run_of_a_suite_has_its_file() {
    let folder = TempDir::new().unwrap();
    let mut runs = [healthy(), lagging()];
    runs[1].name = "fetch/all".into();
    let reporter = HdrLogReporter::to_file(folder.path().join("run.hlog"));
    reporter.report(&runs[..]).await.unwrap();
    assert_eq!(
        names(folder.path()),
        ["run-fetch-all.hlog", "run-produce.hlog"]
    );
    let fetch = read(&folder.path().join("run-fetch-all.hlog"));
    assert_eq!(fetch, Summary::derive(&runs[1]));
}

#[tokio::test]
async fn a_suite_of_which_one_cannot_be_written_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    let produce = folder.path().join("run-produce.hlog");
    fs::write(&produce, "old").unwrap();
    let reporter = HdrLogReporter::to_file(folder.path().join("run.hlog"));

    // The place of the second is taken by a folder.
    fs::create_dir(folder.path().join("run-fetch.hlog")).unwrap();
    let error = reporter
        .report(&[healthy(), lagging()][..])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("run-fetch.hlog"), "{error}");
    assert_eq!(fs::read_to_string(&produce).unwrap(), "old");

    // The second has no form.
    let mut runs = [healthy(), lagging()];
    runs[1].started_at = UNIX_EPOCH.checked_sub(Duration::from_secs(1));
    let error = reporter.report(&runs[..]).await.unwrap_err();
    assert!(
        matches!(error, HdrLogReporterError::Run { .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the run \"fetch\" cannot be expressed as a histogram log"
    );
    assert_eq!(fs::read_to_string(&produce).unwrap(), "old");
    assert_eq!(
        names(folder.path()),
        ["run-fetch.hlog", "run-produce.hlog"],
        "nothing is left beside them"
    );
}

#[tokio::test]
async fn an_unwritable_path_is_named_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "old").unwrap();
    for path in [
        folder.path().join("missing").join("run.hlog"),
        folder.path().to_owned(),
        file.join("run.hlog"),
        Path::new("").to_owned(),
    ] {
        let reporter = HdrLogReporter::to_file(&path);
        let before = reporter.check().unwrap_err().to_string();
        let after = reporter.report(&healthy()).await.unwrap_err().to_string();
        assert_eq!(before, after);
        assert!(after.contains(&format!("{path:?}; name a file")), "{after}");
    }
}
