//! Raw samples as CSV: what was recorded is in the file once, or counted as
//! lost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use common::{Screen, Told, ms};
use karga_core::{
    Aggregate, Executor, Iteration, Merge, Metric, Observer, Outcome, Panicked, Part, Reporter,
    Sample, Snapshot, StopReason, action_fn, scenario, schedule::Stage,
};
use karga_executors::StageExecutor;
use karga_reporters::{CsvReporter, CsvReporterError, CsvSamples};
use karga_stats::HistogramAggregate;

fn sample(index: u64) -> Sample<()> {
    let due = ms(index);
    Sample::new(Iteration::new(index, index % 8, due), due, due + ms(2), ())
}

fn record(samples: &mut CsvSamples, indices: std::ops::Range<u64>) {
    for index in indices {
        samples.record(&sample(index));
    }
}

/// The indices in the file, sorted; every line must be whole.
fn indices(text: &str) -> Vec<u64> {
    assert!(text.ends_with('\n'), "the last line is cut");
    let mut lines = text.lines();
    let columns = lines.next().unwrap().split(',').count();
    let mut indices: Vec<u64> = lines
        .map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            assert_eq!(fields.len(), columns, "{line}");
            fields[1].parse().unwrap()
        })
        .collect();
    indices.sort_unstable();
    indices
}

/// Takes nothing while it is closed.
#[derive(Clone, Default)]
struct Gate {
    open: Arc<(Mutex<bool>, Condvar)>,
    screen: Screen,
}

impl Gate {
    fn open(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
    fn close(&self) {
        *self.open.0.lock().unwrap() = false;
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = self.open.0.lock().unwrap();
        drop(self.open.1.wait_while(open, |open| !*open).unwrap());
        self.screen.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_form_is_pinned() {
    let screen = Screen::default();
    let csv = CsvReporter::to_writer(screen.clone()).unwrap();
    let mut shop = csv.samples_of("shop, \"new\"");
    let iteration = Iteration::new(3, 1, ms(100));
    let told = Told {
        class: Some("timeout"),
        label: Some("pay"),
        lag: Some(7),
        volume: karga_core::Volume::new(1, 20, 300),
        ..Told::default()
    };
    shop.record(&Sample::new(iteration, ms(102), ms(1_150), told.clone()));
    let mut pay = Part::new("pay", ms(48), ms(1_048));
    (pay.outcome, pay.error_class) = (Outcome::Failure, Some("http 503".into()));
    let flow = Told {
        parts: vec![Part::new("log, in", ms(0), ms(48)), pay],
        label: Some("buy"),
        ..told
    };
    shop.record(&Sample::new(iteration, ms(102), ms(1_150), flow));
    let mut other = csv.samples();
    other.record(&Sample::new(iteration, ms(99), ms(150), ()));
    let panicked = Sample::new(iteration, ms(100), ms(101), Panicked::new());
    Aggregate::<()>::record_panic(&mut shop, &panicked);
    assert_eq!(shop.finish().await, [""; 0]);
    assert_eq!(other.finish().await, [""; 0]);
    insta::assert_snapshot!(screen.text(), @r#"
    scenario,index,user,label,due,start,end,response_time,service_time,lateness,outcome,error_class,messages,bytes_sent,bytes_received,lag,part
    "shop, ""new""",3,1,pay,0.100000000,0.102000000,1.150000000,1.050000000,1.048000000,0.002000000,unknown,timeout,1,20,300,7,
    "shop, ""new""",3,1,"log, in",0.100000000,0.102000000,0.150000000,0.050000000,0.048000000,0.002000000,success,,0,0,0,,0
    "shop, ""new""",3,1,pay,0.150000000,0.150000000,1.150000000,1.000000000,1.000000000,0.000000000,failure,http 503,0,0,0,,1
    "shop, ""new""",3,1,buy,0.100000000,0.102000000,1.150000000,1.050000000,1.048000000,0.002000000,unknown,timeout,1,20,300,7,
    "shop, ""new""",3,1,,0.100000000,0.100000000,0.101000000,0.001000000,0.001000000,0.000000000,failure,panic,0,0,0,,
    ,3,1,,0.100000000,0.099000000,0.150000000,0.050000000,0.051000000,0.000000000,success,,0,0,0,,
    "#);
}

#[tokio::test]
async fn forks_write_and_copies_do_not() {
    let screen = Screen::default();
    let csv = CsvReporter::to_writer(screen.clone()).unwrap();
    let mut total = csv.samples();
    for interval in 0..10 {
        let mut shard = total.fork();
        record(&mut shard, 10 * interval..10 * (interval + 1));
        let mut whole = total.fork();
        whole.merge(shard);
        let copy = whole.duplicate().unwrap();
        assert_eq!(copy.recorded(), 10);
        total.merge(copy);
    }
    assert_eq!(total.recorded(), 100);
    // A warm-up's, and its forks.
    let mut apart = total.fork_apart();
    let mut fork = apart.fork();
    record(&mut fork, 1_000..1_010);
    record(&mut apart, 1_010..1_020);
    apart.merge(fork);
    assert_eq!(apart.recorded(), 20);
    assert_eq!(apart.finish().await, [""; 0]);

    assert_eq!(total.finish().await, [""; 0]);
    assert_eq!(indices(&screen.text()), Vec::from_iter(0..100));
    csv.report("any report").await.unwrap();
}

#[tokio::test]
async fn what_was_recorded_into_dropped_forks_is_written() {
    let screen = Screen::default();
    let csv = CsvReporter::to_writer(screen.clone()).unwrap();
    let samples = csv.samples();
    drop(csv);
    let mut fork = samples.fork();
    record(&mut fork, 0..3);
    drop(samples);
    // The last one: waits until it is written.
    drop(fork);
    assert_eq!(indices(&screen.text()), [0, 1, 2]);
}

#[tokio::test]
async fn what_a_slow_writer_has_no_room_for_is_counted() {
    let gate = Gate::default();
    gate.open();
    let csv = CsvReporter::builder()
        .buffer(4 << 10)
        .to_writer(gate.clone())
        .unwrap();
    gate.close();
    let mut samples = csv.samples();
    // Nobody writes, and yet this does not wait.
    record(&mut samples, 0..10_000);
    let before = csv.counts();
    assert_eq!(before.written, 0);
    assert!(before.lost_to_full_buffer > 9_000, "{before:?}");
    assert!(before.lost_to_full_buffer < 10_000, "{before:?}");

    // `finish` waits without blocking: the gate is opened by the same thread.
    let (warnings, ()) = tokio::join!(samples.finish(), async { gate.open() });
    let counts = csv.counts();
    assert_eq!(counts.recorded, 10_000);
    assert_eq!(counts.written + counts.lost_to_full_buffer, 10_000);
    assert_eq!(counts.lost_to_error, 0);
    let written = indices(&gate.screen.text());
    assert_eq!(written.len() as u64, counts.written);
    assert!(written.windows(2).all(|pair| pair[0] < pair[1]));
    let lost = karga_stats::text::count(counts.lost_to_full_buffer);
    let warning = format!(
        "CSV: {lost} of 10,000 samples were not written: the buffer of 4.10 kB was full; give it \
         more room, or a faster disk"
    );
    assert_eq!(warnings, [warning.as_str()]);
    // Whoever asked for every sample is told, though the file is fine.
    let error = csv.report("any report").await.unwrap_err();
    assert_eq!(error.to_string(), warning);
}

#[tokio::test]
async fn a_buffer_that_is_free_again_takes_samples_again() {
    let gate = Gate::default();
    gate.open();
    let csv = CsvReporter::builder()
        .buffer(4 << 10)
        .to_writer(gate.clone())
        .unwrap();
    gate.close();
    let mut first = csv.samples();
    record(&mut first, 0..1_000);
    let (warnings, ()) = tokio::join!(first.finish(), async { gate.open() });
    assert_eq!(warnings.len(), 1);
    let lost = csv.counts().lost();
    let mut second = csv.samples();
    record(&mut second, 1_000..1_010);
    // The warnings of a run are about this run.
    assert_eq!(second.finish().await, [""; 0]);
    assert_eq!(csv.counts().lost(), lost);
    assert_eq!(indices(&gate.screen.text()).last(), Some(&1_009));
}

/// Panics when it is asked for its lag, which is asked for last.
struct Faulty;

impl Metric for Faulty {
    fn outcome(&self) -> Outcome {
        Outcome::Success
    }
    fn lag(&self) -> Option<u64> {
        panic!("no lag")
    }
}

#[tokio::test]
async fn a_metric_that_panics_leaves_no_half_row() {
    let screen = Screen::default();
    let csv = CsvReporter::to_writer(screen.clone()).unwrap();
    let mut samples = csv.samples();
    record(&mut samples, 0..1);
    let faulty = Sample::new(Iteration::new(1, 0, ms(1)), ms(1), ms(2), Faulty);
    let panicked = catch_unwind(AssertUnwindSafe(|| samples.record(&faulty)));
    assert!(panicked.is_err());
    record(&mut samples, 2..3);
    assert_eq!(samples.finish().await, [""; 0]);
    assert_eq!(samples.recorded(), 2);
    assert_eq!(indices(&screen.text()), [0, 2]);
}

/// Panics when it is to write a sample.
struct Bomb(bool);

impl Write for Bomb {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(std::mem::replace(&mut self.0, false), "the bomb went off");
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_panics_loses_samples_and_nothing_else() {
    let csv = CsvReporter::to_writer(Bomb(true)).unwrap();
    let mut samples = csv.samples();
    for _ in 0..2 {
        let mut fork = samples.fork();
        record(&mut fork, 0..5);
        samples.merge(fork);
    }
    assert_eq!(
        samples.finish().await,
        [
            "CSV: 10 of 10 samples were not written: the writer panicked: the bomb went off; the \
          first 0 are in the file"
        ]
    );
    assert_eq!(csv.counts().lost_to_error, 10);
}

/// Keeps everything until it is flushed, which fails.
struct Unflushable(bool);

impl Write for Unflushable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.0, false) {
            return Ok(());
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[tokio::test]
async fn what_was_not_flushed_is_not_written() {
    let csv = CsvReporter::to_writer(Unflushable(true)).unwrap();
    let mut samples = csv.samples();
    record(&mut samples, 0..5);
    let warnings = samples.finish().await;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("CSV: 5 of 5 samples were not written: connection reset"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn a_path_that_cannot_be_written_to_is_known_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for path in [
        folder.path().join("missing/samples.csv"),
        folder.path().to_owned(),
        file.join("samples.csv"),
        Path::new("").to_owned(),
    ] {
        let error = CsvReporter::create(&path).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{path:?}")), "{text}");
        assert!(text.contains("name a file in a folder"), "{text}");
        assert!(matches!(error, CsvReporterError::File { .. }), "{error:?}");
    }
    let error = CsvReporter::builder().buffer(0).create(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a buffer of 0 bytes cannot keep samples; give it at least 4096"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "x", "it was not opened");
}

fn load(rate: f64, seconds: f64) -> StageExecutor {
    load_after(Duration::ZERO, rate, seconds)
}

fn load_after(warm_up: Duration, rate: f64, seconds: f64) -> StageExecutor {
    let duration = Duration::from_secs_f64(seconds);
    let stages = [Stage::new(Duration::ZERO, rate), Stage::new(duration, rate)];
    StageExecutor::builder()
        .stages(stages)
        .workers(64)
        .interval(ms(50))
        .warm_up(warm_up)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_every_index_is_in_the_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.csv");
    let csv = CsvReporter::create(&path).unwrap();
    let scenario = scenario(
        "mixed",
        action_fn(|iteration: Iteration| async move {
            tokio::task::yield_now().await;
            assert!(iteration.index % 1_000 != 999, "every thousandth panics");
        }),
    );
    let aggregate = (HistogramAggregate::default(), csv.samples_of("mixed"));
    let run = load(20_000.0, 1.0)
        .execute(&scenario, aggregate, &mut ())
        .await
        .unwrap();
    csv.report(&run).await.unwrap();
    assert_eq!(run.warnings, [""; 0]);
    let (histograms, samples) = run.aggregate;

    assert!(run.account.is_balanced());
    assert_eq!(run.account.completed, 20_000);
    assert_eq!(histograms.outcomes().failed, 20);
    assert_eq!(samples.recorded(), 20_000);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(indices(&text), Vec::from_iter(0..20_000));
    assert_eq!(text.matches(",failure,panic,").count(), 20);
    let counts = csv.counts();
    assert_eq!(
        (counts.recorded, counts.written, counts.lost()),
        (20_000, 20_000, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_of_a_warm_up_are_not_in_the_file() {
    let screen = Screen::default();
    let csv = CsvReporter::to_writer(screen.clone()).unwrap();
    let scenario = scenario("warm", action_fn(|_| async {}));
    // One that cannot be copied has its samples recorded twice.
    let aggregate = (HistogramAggregate::default(), csv.samples(), NoCopy);
    let run = load_after(ms(400), 5_000.0, 1.0)
        .execute(&scenario, aggregate, &mut ())
        .await
        .unwrap();
    let warm = run.warm_up.unwrap();
    assert_eq!(
        (warm.account.completed, run.account.completed),
        (2_000, 3_000)
    );
    assert_eq!(warm.aggregate.1.recorded(), 2_000);
    assert_eq!(indices(&screen.text()), Vec::from_iter(2_000..5_000));
}

struct NoCopy;

impl Merge for NoCopy {
    fn fork(&self) -> Self {
        Self
    }
    fn merge(&mut self, _: Self) {}
}

impl<M> Aggregate<M> for NoCopy {
    fn record(&mut self, _: &Sample<M>) {}
}

/// Opens the gate when the load is over.
struct Opens(Gate);

impl<A> Observer<A> for Opens {
    fn on_interval(&mut self, snapshot: &Snapshot<'_, A>) -> ControlFlow<StopReason> {
        if snapshot.stopped.is_some() {
            self.0.open();
        }
        ControlFlow::Continue(())
    }
}

#[tokio::test]
async fn what_was_lost_stands_among_the_warnings_of_the_run() {
    let gate = Gate::default();
    gate.open();
    let csv = CsvReporter::builder()
        .buffer(4 << 10)
        .to_writer(gate.clone())
        .unwrap();
    gate.close();
    let scenario = scenario("much", action_fn(|_| async {}));
    let aggregate = (HistogramAggregate::default(), csv.samples());
    // Nothing is written while it goes on, and the load does not notice.
    let run = load(5_000.0, 0.4)
        .execute(&scenario, aggregate, &mut Opens(gate.clone()))
        .await
        .unwrap();
    assert_eq!(run.account.completed, 2_000);
    let counts = csv.counts();
    assert_eq!(
        (counts.recorded, counts.written + counts.lost()),
        (2_000, 2_000)
    );
    assert!(counts.lost_to_full_buffer > 1_900, "{counts:?}");
    assert_eq!(indices(&gate.screen.text()).len() as u64, counts.written);
    let lost = karga_stats::text::count(counts.lost());
    let told = format!("CSV: {lost} of 2,000 samples were not written: the buffer of 4.10 kB");
    assert!(
        run.warnings
            .iter()
            .any(|warning| warning.starts_with(&told)),
        "{:?}",
        run.warnings
    );
}

/// Shows whether its thread, which drops it last, has ended.
struct Alive {
    _alive: Arc<()>,
    screen: Screen,
}

impl Write for Alive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_thread_outlives_a_dropped_run_and_what_was_recorded_is_written() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (alive, screen) = (Arc::new(()), Screen::default());
    let writer = Alive {
        _alive: Arc::clone(&alive),
        screen: screen.clone(),
    };
    let csv = CsvReporter::to_writer(writer).unwrap();
    let samples = csv.samples();
    runtime.block_on(async {
        let (progress, mut done) = tokio::sync::mpsc::unbounded_channel();
        let action = action_fn(move |iteration: Iteration| {
            let _ = progress.send(iteration.index);
            std::future::ready(())
        });
        let scenario = scenario("cut", action);
        let load = load(1_000.0, 3_600.0);
        let mut nobody = ();
        tokio::select! {
            _ = load.execute(&scenario, samples, &mut nobody) => unreachable!("it takes an hour"),
            () = async { while done.recv().await.unwrap() < 100 {} } => {}
        }
    });
    // The load's tasks end with the runtime at the latest.
    drop(runtime);
    drop(csv);
    assert_eq!(Arc::strong_count(&alive), 1, "the thread has ended");
    // Each worker may have been cut off in an iteration.
    let written = indices(&screen.text());
    assert!(written.len() >= 100 - 64, "{} rows", written.len());
    assert!(written.windows(2).all(|pair| pair[0] < pair[1]));
}
