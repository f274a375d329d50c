//! Connections that stay: one that the server keeps carries the user's next request, at whatever
//! moment that comes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use karga_core::Scenario as _;
use karga_http::HttpScenario;
use support::{ENGINES, Peer, SUCCESS, Server, User, settle};

/// Sends an answer in these parts, the next one when the client may have read the last.
async fn in_parts(mut peer: Peer, parts: &[&str]) {
    'answers: while peer.request().await.is_some() {
        for part in parts {
            if peer.send(part).await.is_none() {
                break 'answers;
            }
            settle().await;
        }
    }
}

/// However its answer comes, a connection that is kept carries the next request, sent in the
/// very moment in which the answer ended.
#[tokio::test(start_paused = true)]
async fn a_user_has_one_connection_while_its_server_keeps_it() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    const OLD: &str = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\n";
    let parted: [&'static [&'static str]; 7] = [
        &[HEAD, "0123456789"],
        &[HEAD, "01234", "56789"],
        &["HTTP/1.1 200 OK\r\ncontent", "-length: 5\r\n\r\nhello"],
        &[CHUNKED, "5\r\nhello\r\n", "0\r\n\r\n"],
        &[CHUNKED, "5\r\nhello\r\n0\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
        &[OLD, "hello"],
    ];
    for engine in ENGINES {
        for parts in parted {
            let server = Server::start(move |peer| in_parts(peer, parts)).await;
            let user = User::new(engine, server.url()).await;
            // A task among others, as every user of a run is.
            let work = async move {
                for call in 0..50 {
                    let told = user.call().await;
                    assert_eq!(told.verdict(), SUCCESS, "{engine}, {parts:?}");
                    let opened = (usize::from(call == 0), 0);
                    assert_eq!(told.opened(), opened, "{engine}, {parts:?}, call {call}");
                }
                user.scenario.remarks()
            };
            let remarks = tokio::spawn(work).await.unwrap();
            assert!(remarks.is_empty(), "{engine}, {parts:?}: {remarks:?}");
            assert_eq!(server.connections(), 1, "{engine}, {parts:?}");
        }
    }
}

/// A redirect's next request goes out in the very moment in which its answer ended, too.
#[tokio::test(start_paused = true)]
async fn a_redirect_within_a_server_stays_on_its_connection() {
    let server = Server::start(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let head = if request.starts_with("GET / ") {
                "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 5\r\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
            };
            peer.send(head).await;
            settle().await;
            peer.send("hello").await;
        }
    })
    .await;
    let user = User::of(HttpScenario::builder(server.url()).redirects(1)).await;
    let work = async move {
        for call in 0..20 {
            let told = user.call().await;
            assert_eq!(told.verdict(), SUCCESS);
            assert_eq!(told.opened(), (usize::from(call == 0), 0), "call {call}");
        }
    };
    tokio::spawn(work).await.unwrap();
    assert_eq!((server.connections(), server.requests().len()), (1, 40));
}
