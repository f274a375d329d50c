//! Every request that the summary counts is in nginx's access log, with the same
//! status and the same bytes, and no other is.
//!
//! Needs nginx, which `cargo test` alone does not ask for:
//!
//! ```sh
//! cargo test --test http_access_log -- --ignored
//! ```

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    collections::BTreeSet,
    env, fs,
    net::{SocketAddr, TcpListener},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use karga::{
    http::{Engine, HttpMetric},
    prelude::*,
};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, Signal, kill_process},
};

const RATE: f64 = 10_000.0;
const LENGTH: Duration = Duration::from_secs(3);
const WORKERS: u64 = 64;
const STATUSES: [u16; 4] = [200, 404, 204, 503];

/// An nginx that ends with the test.
struct Nginx {
    child: Child,
    addr: SocketAddr,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts one that listens already: it is handed the socket, as the new one
    /// is when nginx replaces itself.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("nginx.conf"), config(path, addr)).unwrap();
        fcntl_setfd(&listener, FdFlags::empty()).unwrap();
        let child = Command::new(program())
            .arg("-p")
            .arg(path)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .env("NGINX", format!("{};", listener.as_raw_fd()))
            .spawn()
            .expect("nginx is to be installed, or KARGA_NGINX to name it");
        Self {
            child,
            addr,
            folder,
        }
    }

    /// Ends it, and gives what it logged.
    fn stop(mut self) -> Vec<Entry> {
        self.signal(Signal::QUIT);
        let status = self.child.wait().unwrap();
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap();
        assert!(status.success(), "nginx: {status}\n{}", read("error.log"));
        read("access.log").lines().map(Entry::read).collect()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // One that has ended needs no signal.
        let _ = kill_process(pid.unwrap(), signal);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn program() -> PathBuf {
    let usual = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];
    let usual = usual.map(PathBuf::from).into_iter().find(|at| at.exists());
    let named = env::var_os("KARGA_NGINX").map(PathBuf::from);
    named.or(usual).unwrap_or_else(|| PathBuf::from("nginx"))
}

/// A server that closes each connection after 100 requests.
fn config(folder: &Path, addr: SocketAddr) -> String {
    let folder = folder.display();
    let locations = STATUSES.map(|status| match status {
        204 => "location /204/ { return 204; }".to_owned(),
        _ => format!("location /{status}/ {{ return {status} \"you asked for $uri\\n\"; }}"),
    });
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {folder}/{name};"));
    // As root it would hand its work to a user who may not read the folder.
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
        daemon off;
        worker_processes 1;
        pid {folder}/nginx.pid;
        error_log {folder}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            log_format counted '$uri $status $request_length $bytes_sent $connection';
            access_log {folder}/access.log counted;
            keepalive_requests 100;
            {}
            server {{
                listen {addr};
                {}
            }}
        }}",
        temporary.join("\n"),
        locations.join("\n"),
    )
}

/// One request, as the log or as a sample has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    index: u64,
    status: u16,
    sent: u64,
    received: u64,
    /// The number of its connection, where that is known.
    connection: Option<u64>,
}

impl Entry {
    fn read(line: &str) -> Self {
        let mut words = line.split(' ');
        let uri = words.next().unwrap();
        let mut number = || words.next().unwrap().parse::<u64>().unwrap();
        Self {
            index: uri.rsplit('/').next().unwrap().parse().unwrap(),
            status: number().try_into().unwrap(),
            sent: number(),
            received: number(),
            connection: Some(number()),
        }
    }
}

/// Every sample, for the comparison.
#[derive(Debug, Clone, Default)]
struct Samples(Vec<Entry>);

impl Merge for Samples {
    fn fork(&self) -> Self {
        Self::default()
    }

    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn duplicate(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Aggregate<HttpMetric> for Samples {
    fn record(&mut self, sample: &Sample<HttpMetric>) {
        let volume = sample.metric.volume();
        self.0.push(Entry {
            index: sample.iteration.index,
            status: sample.metric.status().unwrap_or_default(),
            sent: volume.bytes_sent,
            received: volume.bytes_received,
            connection: None,
        });
    }
}

async fn counts_what_nginx_logs(engine: Engine) {
    let nginx = Nginx::start();
    let request = HttpRequest::post(format!(
        "http://{}/{{{{status}}}}/{{{{index}}}}",
        nginx.addr
    ))
    // A body would be thrown away uncounted by nginx.
    .header("x-request", "number {{index}}");
    let scenario = HttpScenario::builder(request)
        .variable("status", |iteration| {
            STATUSES[iteration.index as usize % STATUSES.len()].to_string()
        })
        .engine(engine)
        .build()
        .unwrap();
    let run = LoadTest::builder()
        .scenario(scenario)
        .aggregate((HistogramAggregate::default(), Samples::default()))
        .executor(
            StageExecutor::constant(RATE, LENGTH)
                .workers(WORKERS)
                .build(),
        )
        .build()
        .run()
        .await
        .unwrap();
    let mut logged = nginx.stop();
    logged.sort();
    let connections: BTreeSet<_> = logged.iter().map(|entry| entry.connection).collect();
    for entry in &mut logged {
        entry.connection = None;
    }

    let (histograms, Samples(mut samples)) = run.aggregate;
    samples.sort();
    assert_eq!(run.account.planned, 30_000);
    assert_eq!(run.account.completed, 30_000);
    assert_eq!(logged.len(), samples.len());
    // Not as a whole: a difference is to be readable.
    for (logged, sample) in logged.iter().zip(&samples) {
        assert_eq!(logged, sample, "nginx's log and the sample");
    }

    // The sums of the summary are those of the log.
    let volume = histograms.volume();
    let sum = |figure: fn(&Entry) -> u64| logged.iter().map(figure).sum::<u64>();
    assert_eq!(volume.messages, 30_000);
    assert_eq!(volume.bytes_sent, sum(|entry| entry.sent));
    assert_eq!(volume.bytes_received, sum(|entry| entry.received));
    let count = |wanted: &str| {
        let mut counts = histograms.counts();
        counts
            .find(|(name, _)| *name == wanted)
            .map_or(0, |(_, count)| count)
    };
    for status in STATUSES {
        let logged = logged.iter().filter(|entry| entry.status == status).count();
        assert_eq!(count(&format!("status_{status}")), logged as u64);
    }
    let failed: Vec<_> = histograms.errors().collect();
    assert_eq!(failed, [("http 404", 7_500), ("http 503", 7_500)]);

    // So are the connections: 64 users, each closed after every 100 requests.
    let opened = histograms.steps().find(|(name, _)| *name == "connect");
    assert_eq!(opened.unwrap().1.count(), connections.len() as u64);
    assert_eq!(count("reconnects"), connections.len() as u64 - WORKERS);
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn the_lean_engine_counts_what_nginx_logs() {
    counts_what_nginx_logs(Engine::Lean).await;
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn the_reqwest_engine_counts_what_nginx_logs() {
    counts_what_nginx_logs(Engine::Reqwest).await;
}
