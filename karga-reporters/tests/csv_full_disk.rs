//! A disk that is full: the file ends with a whole line, and what is not in it
//! is counted.
//!
//! The disk is a small tmpfs. Where none can be mounted, a pipe that its reader
//! closes after as many bytes stands in, for the same assertions but that on the
//! last line, which cannot be taken back there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs,
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
};

use common::{Told, ms};
use karga_core::{Aggregate, Iteration, Merge, Reporter, Sample};
use karga_reporters::{CsvReporter, CsvReporterError};
use karga_stats::text::count;

/// More than the disk has room for.
const SAMPLES: u64 = 5_000;

/// A tmpfs of 64 KiB, unmounted when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where the system does not let us mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// Records from several forks; gives the warnings.
async fn record(csv: &CsvReporter) -> Vec<String> {
    let mut samples = csv.samples();
    let mut forks = [samples.fork(), samples.fork(), samples.fork()];
    for index in 0..SAMPLES {
        let due = ms(index);
        let iteration = Iteration::new(index, 0, due);
        let fork = &mut forks[index as usize % 3];
        let told = Told {
            class: Some("a \"b\"\nc"),
            ..Told::default()
        };
        fork.record(&Sample::new(iteration, due, due + ms(1), told));
    }
    for fork in forks {
        samples.merge(fork);
    }
    samples.finish().await
}

/// What must hold of a disk that was full after some of the samples.
async fn assert_told(csv: &CsvReporter, warnings: &[String], cause: &str) {
    let counts = csv.counts();
    assert_eq!(counts.recorded, SAMPLES);
    assert_eq!(counts.written + counts.lost_to_error, SAMPLES, "{counts:?}");
    assert!(counts.written > 0 && counts.lost_to_error > 0, "{counts:?}");
    let [warning] = warnings else {
        panic!("{warnings:?}")
    };
    let told = format!(
        "{} of 5,000 samples were not written: ",
        count(counts.lost_to_error)
    );
    assert!(warning.contains(&told), "{warning}");
    assert!(warning.contains(cause), "{warning}");
    let rest = format!("; the first {} are in the file", count(counts.written));
    assert!(warning.ends_with(&rest), "{warning}");
    let error = csv.report("any report").await.unwrap_err();
    assert_eq!(error.to_string(), *warning);
}

#[tokio::test]
async fn a_full_disk_leaves_whole_lines_and_is_told() {
    let Some(disk) = SmallDisk::mount() else {
        return instead_of_a_disk().await;
    };
    let path = disk.0.path().join("samples.csv");
    let csv = CsvReporter::create(&path).unwrap();
    let warnings = record(&csv).await;
    let cause = io::Error::from_raw_os_error(28).to_string();
    assert_told(&csv, &warnings, &cause).await;
    assert!(
        warnings[0].starts_with(&path.display().to_string()),
        "{warnings:?}"
    );
    // Each sample is a line and the second line of its class.
    let text = fs::read_to_string(&path).unwrap();
    let rows = csv.counts().written as usize;
    assert_eq!(text.lines().count(), 1 + 2 * rows);
    assert!(
        text.ends_with("\nc\",0,0,0,,\n"),
        "{:?}",
        text.lines().last()
    );
    assert!(
        text.len() > 63 << 10,
        "the disk was used to its end: {}",
        text.len()
    );
    drop(csv);

    // Nothing fits any more: known before any load.
    fs::write(disk.0.path().join("rest"), vec![0; 64 << 10]).unwrap_err();
    let path = disk.0.path().join("another.csv");
    let error = CsvReporter::create(&path).unwrap_err();
    assert!(matches!(error, CsvReporterError::File { .. }), "{error:?}");
    assert!(
        fs::read(&path).unwrap_or_default().is_empty(),
        "no half line"
    );
}

async fn instead_of_a_disk() {
    let (mut reader, writer) = io::pipe().unwrap();
    let csv = CsvReporter::to_writer(writer).unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        reader.read_exact(&mut bytes).unwrap();
    });
    let warnings = record(&csv).await;
    reader.join().unwrap();
    let cause = io::Error::from_raw_os_error(32).to_string();
    assert_told(&csv, &warnings, &cause).await;
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_from_the_start_is_known_before_any_load() {
    let error = CsvReporter::create(Path::new("/dev/full")).unwrap_err();
    assert!(error.to_string().contains("\"/dev/full\""), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}
