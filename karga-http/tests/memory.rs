//! What an answer allocates: nothing by its size or its claims, and of what is kept no more than
//! was asked for.
//!
//! On the real clock, as all that moves much: the kernel has timers of its own.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Duration,
};

use karga_core::Outcome;
use karga_http::{Check, Engine, HttpRequest, HttpScenario};
use support::{ENGINES, Peer, SUCCESS, Server, Told, User, settle};

/// Counts what the current thread holds: client and server are both on it.
struct Counting;

thread_local! {
    static BYTES: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn note(bytes: i64) {
    BYTES.set(BYTES.get() + bytes);
    PEAK.set(PEAK.get().max(BYTES.get()));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(
    unsafe_code,
    reason = "an allocator cannot be counted without being one"
)]
// SAFETY: every call goes to the system's allocator as it came; counting
// allocates nothing, because the thread's counters are const-initialized.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as i64);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as i64));
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

const MB: i64 = 1_000_000;

/// What came of a second call, and the most that was held during it beyond what was held before.
/// The first one opens the connection, and makes the buffers.
async fn peak(user: &User) -> (Told, i64) {
    user.call().await;
    let before = BYTES.get();
    PEAK.set(before);
    let told = user.call().await;
    (told, PEAK.get() - before)
}

fn user(engine: Engine, request: HttpRequest) -> impl Future<Output = User> {
    let builder = HttpScenario::builder(request).engine(engine);
    User::of(builder.deadline(Duration::from_secs(600)))
}

const PIECE: usize = 64 * 1024;

/// What all large answers are made of.
static PIECES: [u8; PIECE] = [b'x'; PIECE];

const GIGABYTE: u64 = 1 << 30;

/// Answers a request by so many bytes, the first one by one piece.
async fn large(mut peer: Peer, bytes: u64) {
    let mut length = PIECE as u64;
    while peer.request().await.is_some() {
        peer.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        for _ in 0..length / PIECE as u64 {
            peer.send(&PIECES).await;
        }
        length = bytes;
    }
}

#[tokio::test]
async fn an_answer_of_a_gigabyte_is_counted_and_takes_no_memory() {
    for engine in ENGINES {
        let server = Server::start(|peer| large(peer, GIGABYTE)).await;
        let user = user(engine, HttpRequest::get(server.url())).await;
        let (told, peak) = peak(&user).await;
        assert_eq!(told.verdict(), SUCCESS, "{engine}");
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n".len() as u64;
        assert_eq!(told.received, head + GIGABYTE, "{engine}");
        assert!(peak < 2 * MB, "{engine}: {peak} bytes");
    }
}

#[tokio::test]
async fn of_a_body_that_is_looked_at_no_more_is_kept_than_was_asked_for() {
    const BODY: u64 = 64 << 20;
    for engine in ENGINES {
        let server = Server::start(|peer| large(peer, BODY)).await;
        let request = HttpRequest::get(server.url()).check(Check::body_contains("x"));
        let builder = HttpScenario::builder(request).engine(engine);
        let user = User::of(builder.max_kept_body(1 << 20)).await;
        let (told, peak) = peak(&user).await;
        assert_eq!(
            told.verdict(),
            (Outcome::Failure, "check: body", 200),
            "{engine}"
        );
        assert!(told.received > BODY, "{engine}");
        assert!(peak < 6 * MB, "{engine}: {peak} bytes");
    }
}

/// What an answer claims is not what is made room for.
#[tokio::test]
async fn a_claim_takes_no_memory() {
    let length = "HTTP/1.1 200 OK\r\ncontent-length: 4611686018427387904\r\n\r\nhello";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7fffffffffffffff\r\nhello";
    for engine in ENGINES {
        for answer in [length, chunk] {
            let server = Server::answers_once(answer).await;
            let request = HttpRequest::get(server.url()).check(Check::body_contains("x"));
            let user = user(engine, request).await;
            let (told, peak) = peak(&user).await;
            assert_eq!(
                told.verdict(),
                (Outcome::Unknown, "connection closed", 0),
                "{engine}"
            );
            assert!(peak < MB, "{engine}: {peak} bytes");
        }
    }
}

/// 64 MB of each, if anybody wanted it.
#[tokio::test]
async fn a_head_chunk_line_or_trailer_without_an_end_takes_no_memory() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for engine in ENGINES {
        for (start, more) in [
            ("HTTP/1.1 200 OK\r\n".to_owned(), "x-y: z\r\n"),
            ("HTTP/1.1 200 OK\r\nx: ".to_owned(), "xxxxxxxx"),
            (chunked.to_owned(), "00000000"),
            (format!("{chunked}5;"), "xxxxxxxx"),
            (format!("{chunked}0\r\n"), "x-y: z\r\n"),
            (format!("{chunked}0\r\nx: "), "xxxxxxxx"),
        ] {
            // hyper reads a size of zeros to its end, without keeping them.
            if engine == Engine::Reqwest && more == "00000000" {
                continue;
            }
            let server = Server::start(move |mut peer| {
                let (start, more) = (start.clone(), more.repeat(PIECE / 8));
                async move {
                    peer.request().await;
                    peer.send(&start).await;
                    for _ in 0..1024 {
                        if peer.send(&more).await.is_none() {
                            return;
                        }
                    }
                }
            })
            .await;
            let user = user(engine, HttpRequest::get(server.url())).await;
            let (told, peak) = peak(&user).await;
            assert!(peak < 3 * MB, "{engine}, {more:?}: {peak} bytes");
            assert_eq!(
                told.verdict(),
                (Outcome::Failure, "protocol", 0),
                "{engine}, {more:?}"
            );
            settle().await;
            assert!(
                server.wire().1 < 64 << 20,
                "{engine}, {more:?}: somebody read all of it"
            );
        }
    }
}
