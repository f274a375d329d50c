//! What is promised of any reporter, held to by the kit of `karga-core`: on a
//! disk that is full after any number of bytes.
//!
//! The limit of the size of files stands in for the full disk. It holds for the
//! whole process, standard output included if that is a file, so this is the
//! only test here.

#![cfg(all(target_os = "linux", feature = "hdr-log"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use karga_core::{
    Account, Report, Run,
    testing::{self, Place},
};
use karga_reporters::{Derived, Fanout, HdrLogReporter, JsonReporter, StdoutReporter};
use karga_stats::{HistogramAggregate, Summary};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use common::{Told, aggregate, ms};

/// A file in a folder of its own, and who writes to it.
struct Disk<F> {
    folder: TempDir,
    reporter: F,
}

const NAME: &str = "run.out";

impl<F> Disk<F> {
    fn new(reporter: F) -> Self {
        // In memory where that can be: every report is synced.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            folder: folder.unwrap(),
            reporter,
        }
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }
}

impl<R, F: Fn(&Path) -> R> Place for Disk<F> {
    type Reporter = R;

    fn reporter(&self) -> R {
        (self.reporter)(&self.path())
    }
    fn limit(&self, bytes: Option<u64>) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit {
            current: bytes.or(maximum),
            maximum,
        };
        setrlimit(Resource::Fsize, limit).unwrap();
    }
    fn read(&self) -> Option<Vec<u8>> {
        fs::read(self.path()).ok()
    }
    fn litter(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != NAME)
            .collect()
    }
}

/// Small, as it is written some thousand times.
fn run(name: &str, samples: u64) -> Run<HistogramAggregate> {
    let aggregate = aggregate(samples, |_| Told::default());
    let account = Account::new(samples, samples, 0, 0);
    Run::new(name, aggregate, account, ms(samples + 5))
}

#[tokio::test]
async fn files_are_replaced_whole_or_not_at_all() {
    // Otherwise the system would end the process.
    let exceeded = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::clone(&exceeded)).unwrap();

    let runs = [&run("first", 30), &run("second", 40)];
    let summaries = runs.map(Summary::derive);
    let [old, new] = &summaries;
    testing::reporter(
        || Disk::new(|path: &Path| JsonReporter::to_file(path)),
        [old, new],
    )
    .run()
    .await;
    testing::reporter(
        || Disk::new(|path: &Path| HdrLogReporter::to_file(path)),
        runs,
    )
    // At fewer places than by default: compression takes long in a debug build.
    .limits((0..6_000).step_by(75))
    .run()
    .await;
    // One that fails among others.
    let fanout = |path: &Path| {
        Fanout::<Run<HistogramAggregate>>::new()
            .with(Derived::new(JsonReporter::to_file(path).compact()))
            .with(Derived::new(StdoutReporter::to_writer(std::io::sink())))
    };
    testing::reporter(|| Disk::new(fanout), runs).run().await;
    assert!(
        exceeded.load(std::sync::atomic::Ordering::Relaxed),
        "the limit was never met"
    );
}
