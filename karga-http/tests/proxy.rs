//! Everything goes through a proxy, if there is one.

mod peer;

use std::sync::{Arc, Mutex};

use karga_core::{Action as _, Detail, Metric as _, Scenario as _};
use karga_http::{Engine, HttpRequest, HttpScenario};
use peer::{Peer, answer::Answer, bad, counted, ending, good, iteration, tls::Authority};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A forward proxy that hands on what it gets, as it is.
struct Proxy {
    port: u16,
    /// The first request of each connection, head alone.
    heads: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let accepting = tokio::spawn({
            let heads = Arc::clone(&heads);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(forward(client, Arc::clone(&heads)));
                }
            }
        })
        .abort_handle();
        Self {
            port,
            heads,
            accepting,
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panicked").clone()
    }

    /// "METHOD target" of the first request of each connection.
    fn lines(&self) -> Vec<String> {
        let line = |head: &String| head.split(" HTTP/1.1\r\n").next().map(str::to_owned);
        self.heads().iter().filter_map(line).collect()
    }
}

async fn forward(mut client: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let target = text.split(' ').nth(1).unwrap_or_default();
    let target = target.trim_start_matches("http://");
    let target = target.split('/').next().unwrap_or_default().to_owned();
    let tunnel = text.starts_with("CONNECT ");
    heads.lock().expect("nobody panicked").push(text);
    // The name that a certificate has is that of this machine.
    let target = target.replace("localhost", "127.0.0.1");
    let mut server = TcpStream::connect(target).await?;
    if tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn plain_requests_name_the_server_to_the_proxy() {
    let (peer, proxy) = (Peer::hello().await, Proxy::start().await);
    let scenario = HttpScenario::builder(peer.url("/{{index}}?q"))
        .proxy(proxy.url())
        .build()
        .unwrap();
    assert_eq!(scenario.engine(), Engine::Reqwest);
    let expected = Detail::new("engine", "reqwest (for a proxy)");
    assert_eq!(scenario.details()[0], expected);
    scenario.setup().await.unwrap();
    let user = scenario.connect(0).await.unwrap();
    for index in 0..2 {
        let metric = user.call(iteration(index, 0)).await;
        assert_eq!(ending(&metric), good(200));
        assert_eq!(metric.steps().len(), usize::from(index == 0));
    }
    assert_eq!(peer.lines(), ["GET /0?q", "GET /1?q"]);
    assert_eq!(peer.seen()[0].uri.to_string(), peer.url("/0?q"));
    // There is no look at the server past it.
    assert_eq!((proxy.lines().len(), peer.wires().len()), (1, 1));
    assert_eq!(proxy.lines(), [format!("GET {}", peer.url("/0?q"))]);
}

#[tokio::test]
async fn what_the_proxy_is_told_counts() {
    let peer = Peer::hello().await;
    for credentials in ["", "me:s%3Aecret@", "me@"] {
        let proxy = Proxy::start().await;
        let request = HttpRequest::post(peer.url("/?{{index}}")).body("text");
        let scenario = HttpScenario::builder(request)
            .proxy(proxy.url().replace("//", &format!("//{credentials}")))
            .build()
            .unwrap();
        let user = scenario.connect(0).await.unwrap();
        for index in 0..2 {
            let before = peer.bytes();
            let metric = user.call(iteration(index, 0)).await;
            assert_eq!(ending(&metric), good(200));
            let after = peer.bytes();
            let volume = metric.volume();
            assert_eq!(
                (volume.bytes_sent, volume.bytes_received),
                (after.0 - before.0, after.1 - before.1),
                "{credentials:?}, {index}"
            );
        }
        let seen = peer.seen().pop().unwrap();
        let told = seen.header("proxy-authorization");
        let expected = match credentials {
            "" => None,
            "me@" => Some("Basic bWU6"),
            _ => Some("Basic bWU6czplY3JldA=="),
        };
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let authority = Authority::new();
    let peer = Peer::start_tls(authority.localhost(), |_| Answer::ok("hello")).await;
    let proxy = Proxy::start().await;
    let scenario = HttpScenario::builder(peer.https("/{{index}}"))
        .proxy(proxy.url().replace("//", "//me:secret@"))
        .root_certificates_pem(authority.pem())
        .build()
        .unwrap();
    let user = scenario.connect(0).await.unwrap();
    for index in 0..2 {
        let before = peer.bytes();
        let metric = user.call(iteration(index, 0)).await;
        assert_eq!(ending(&metric), good(200), "{:?}", scenario.remarks());
        let after = peer.bytes();
        let volume = metric.volume();
        assert_eq!(
            (volume.bytes_sent, volume.bytes_received),
            (after.0 - before.0, after.1 - before.1)
        );
    }
    let port = peer.addr.port();
    assert_eq!(proxy.lines(), [format!("CONNECT localhost:{port}")]);
    let authorization = "authorization: basic bwu6c2vjcmv0";
    assert!(proxy.heads()[0].to_lowercase().contains(authorization));
    assert_eq!(peer.lines(), ["GET /0", "GET /1"]);
    assert_eq!(peer.seen()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_by_its_class() {
    let peer = Peer::hello().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let proxy = format!("http://{}", socket.local_addr().unwrap());
    let builder = || HttpScenario::builder(peer.url("/")).proxy(&proxy);
    let (metric, remarks) = peer::remarked(builder().preflight(false)).await;
    assert_eq!(ending(&metric), bad("connect refused", None));
    assert!(
        remarks.contains(&format!("by the proxy {proxy}")),
        "{remarks}"
    );
    // The preflight looks at it in the servers' place.
    let error = builder().build().unwrap().setup().await.unwrap_err();
    let told = format!("connect refused: the proxy {proxy} cannot be reached");
    assert!(error.to_string().starts_with(&told), "{error}");
    assert!(counted(&metric).is_empty());
    assert!(peer.wires().is_empty());
}
