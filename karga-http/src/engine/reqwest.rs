//! Requests by the crate reqwest, which can do everything: a client for each
//! user, and so a pool and a cookie jar for each.

use std::{
    error::Error,
    future::Future,
    io,
    io::ErrorKind,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use karga_core::error_chain;
use reqwest::{Client, Request, Response, Url, Version, cookie::CookieStore, redirect};
use rustls::ClientConfig;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::{Exchange, alarm::Alarm, proxy::Proxy};
use crate::{
    BuildError, HttpVersion,
    answer::{Answer, Body},
    fault::Fault,
    request::Prepared,
    target::Origin,
    template::Values,
};

/// What the clients of all users are made of.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) version: HttpVersion,
    /// The most redirects to follow.
    pub(crate) redirects: u32,
    pub(crate) cookies: bool,
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) tls: ClientConfig,
}

/// A user with a client of its own.
pub(crate) struct ReqwestUser {
    client: Client,
    jar: Option<Arc<reqwest::cookie::Jar>>,
    proxy: Option<Arc<Proxy>>,
    watch: Arc<Watch>,
    /// Taken along by a request that is under way.
    alarm: Mutex<Option<Box<Alarm>>>,
    /// The servers that the user had a connection to.
    known: Mutex<Vec<String>>,
}

/// What happens inside of a client.
#[derive(Debug, Default)]
struct Watch {
    /// Whether there are any events: most requests have none.
    any: AtomicBool,
    events: Mutex<Events>,
}

/// What happened during a request, beside that it was sent and answered.
#[derive(Debug, Default)]
struct Events {
    /// How long connections took that were opened.
    connects: Vec<Duration>,
    /// Whether one was given up before it was open.
    cut_off: bool,
    /// Where redirects led that were followed.
    redirects: Vec<Url>,
}

impl Watch {
    fn note(&self, note: impl FnOnce(&mut Events)) {
        note(&mut lock(&self.events));
        self.any.store(true, Ordering::Release);
    }

    fn forget_cut_off(&self) {
        if self.any.load(Ordering::Acquire) {
            lock(&self.events).cut_off = false;
        }
    }

    #[inline]
    fn take(&self) -> Events {
        if self.any.swap(false, Ordering::Acquire) {
            mem::take(&mut *lock(&self.events))
        } else {
            Events::default()
        }
    }
}

impl ReqwestUser {
    pub(crate) fn new(settings: &ClientSettings) -> Result<Self, reqwest::Error> {
        let watch = Arc::<Watch>::default();
        let mut builder = Client::builder()
            // Whatever is sent is counted, and nothing is sent twice.
            .retry(reqwest::retry::never())
            .referer(false)
            // Bodies are counted as they come, whatever features others switch on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // A task that looks for idle connections has nothing to do here.
            .pool_idle_timeout(None)
            // Shared by all users; a client that makes its own reads every certificate of
            // the system.
            .tls_backend_preconfigured(settings.tls.clone())
            .connector_layer(WatchLayer(Arc::clone(&watch)))
            .redirect(policy(settings.redirects, &watch));
        builder = match settings.version {
            HttpVersion::Auto => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        builder = match &settings.proxy {
            Some(proxy) => builder.proxy(proxy.of_reqwest()),
            // One that the environment names would be loaded in the server's place.
            None => builder.no_proxy(),
        };
        let jar = settings.cookies.then(Arc::<reqwest::cookie::Jar>::default);
        if let Some(jar) = &jar {
            builder = builder.cookie_provider(Arc::clone(jar));
        }
        Ok(Self {
            client: builder.build()?,
            jar,
            proxy: settings.proxy.clone(),
            watch,
            alarm: Mutex::default(),
            known: Mutex::default(),
        })
    }

    /// Sends a request. `version` learns what HTTP the answer was.
    pub(crate) async fn send(
        &self,
        prepared: &Prepared,
        origin: &Origin,
        message: Message,
        version: &AtomicU8,
    ) -> Exchange {
        let mut alarm = lock(&self.alarm)
            .take()
            .unwrap_or_else(|| Box::new(Alarm::new()));
        alarm.start(prepared.deadline);
        // An iteration that was cut off may have been connecting.
        self.watch.forget_cut_off();
        let Message { request, len } = message;
        let to_proxy = self.proxy.as_ref().map_or(0, |proxy| proxy.len(&request));
        let sent = len + self.cookie_len(&request) + to_proxy;
        let progress = Progress::default();
        let exchanged = self.exchange(prepared, request, version, &progress);
        // Large, and most of what a user is made of otherwise.
        let result = alarm.within(Box::pin(exchanged)).await;
        *lock(&self.alarm) = Some(alarm);

        let result = match result {
            Some(result) => result,
            None => Err(Fault::timeout(prepared.deadline, progress.phase())),
        };
        let events = self.watch.take();
        let unsent = events.cut_off || matches!(&result, Err(fault) if is_before_sending(fault));
        Exchange {
            // Whoever was redirected had sent something before.
            sent: if unsent && events.redirects.is_empty() {
                0
            } else {
                sent
            },
            received: progress.received.into_inner(),
            status: result.as_ref().ok().map(|answer| answer.status),
            reconnects: self.reconnects(origin, &events),
            connects: events.connects,
            unsolicited: 0,
            redirects: events.redirects.len() as u64,
            result,
        }
    }

    /// What reqwest adds to the request for the user's cookies.
    fn cookie_len(&self, request: &Request) -> u64 {
        let jar = self.jar.as_ref();
        let jar = jar.filter(|_| !request.headers().contains_key(header::COOKIE));
        let cookie = jar.and_then(|jar| jar.cookies(request.url()));
        cookie.map_or(0, |cookie| ("cookie: \r\n".len() + cookie.len()) as u64)
    }

    async fn exchange(
        &self,
        prepared: &Prepared,
        request: Request,
        version: &AtomicU8,
        progress: &Progress,
    ) -> Result<Answer, Fault> {
        let fault = |error: &reqwest::Error| classify(error, &prepared.title);
        let sent = self.client.execute(request).await;
        let mut response = sent.map_err(|error| fault(&error))?;
        version.store(version_code(response.version()), Ordering::Relaxed);
        progress.add(head_len(&response));
        let status = response.status().as_u16();
        if status == 101 {
            return Err(Fault::switched());
        }
        let wanted = prepared.want.headers;
        let headers = wanted.then(|| Box::new(mem::take(response.headers_mut())));
        let mut body = Body::new(prepared.want);
        loop {
            match response.chunk().await {
                Ok(Some(part)) => {
                    progress.add(part.len() as u64);
                    body.push(&part);
                }
                Ok(None) => return Ok(Answer::new(status, headers, body)),
                Err(error) => return Err(fault(&error)),
            }
        }
    }

    /// How many of the new connections took the place of another: all but the
    /// first to a server, that of a redirect's target too.
    fn reconnects(&self, origin: &Origin, events: &Events) -> u64 {
        if events.connects.is_empty() {
            return 0;
        }
        let led_to = events.redirects.iter();
        let led_to = led_to.map(|url| url.origin().ascii_serialization());
        let mut known = lock(&self.known);
        let mut firsts = 0;
        for server in std::iter::once(origin.to_string()).chain(led_to) {
            if !known.contains(&server) {
                known.push(server);
                firsts += 1;
            }
        }
        events.connects.len().saturating_sub(firsts) as u64
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a fault says that there was no connection to send anything over.
fn is_before_sending(fault: &Fault) -> bool {
    fault.class.starts_with("connect ")
        || fault.class.starts_with("connect:")
        || matches!(&*fault.class, "connect" | "dns" | "tls" | "request")
}

/// How far a request came.
#[derive(Debug, Default)]
struct Progress {
    received: AtomicU64,
}

impl Progress {
    fn add(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn phase(&self) -> &'static str {
        match self.received.load(Ordering::Relaxed) {
            0 => "connecting, or waiting for the answer",
            _ => "while the body was read",
        }
    }
}

fn policy(most: u32, watch: &Arc<Watch>) -> redirect::Policy {
    if most == 0 {
        return redirect::Policy::none();
    }
    let watch = Arc::clone(watch);
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > most as usize {
            return attempt.error(format!("more than {most} redirects"));
        }
        watch.note(|events| events.redirects.push(attempt.url().clone()));
        attempt.follow()
    })
}

/// Measures how long connections take to open.
#[derive(Debug, Clone)]
struct WatchLayer(Arc<Watch>);

impl<S> Layer<S> for WatchLayer {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched(Arc::new((Mutex::new(inner), Arc::clone(&self.0))))
    }
}

/// A connector, shared: a client clones its own for each request, whether or not
/// there is anything to connect, and a clone of reqwest's allocates.
struct Watched<S>(Arc<(Mutex<S>, Arc<Watch>)>);

impl<S> Clone for Watched<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, R> Service<R> for Watched<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        lock(&self.0.0).poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let mut dialing = Dialing {
            watch: Arc::clone(&self.0.1),
            start: Instant::now(),
            ended: false,
        };
        let connecting = lock(&self.0.0).call(to);
        Box::pin(async move {
            let connected = connecting.await;
            dialing.ended = true;
            let connection = connected?;
            let took = dialing.start.elapsed();
            dialing.watch.note(|events| events.connects.push(took));
            Ok(connection)
        })
    }
}

/// A connection that is being opened.
struct Dialing {
    watch: Arc<Watch>,
    start: Instant,
    ended: bool,
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if !self.ended {
            self.watch.note(|events| events.cut_off = true);
        }
    }
}

/// A request of reqwest's, and how many bytes it is on the wire.
#[derive(Debug)]
pub(crate) struct Message {
    request: Request,
    len: u64,
}

impl Message {
    /// One that is the same for every iteration.
    pub(crate) fn fixed(prepared: &Prepared, origin: &Origin) -> Result<Self, BuildError> {
        let made = Self::new(prepared, origin, &Values::none());
        made.map_err(|fault| BuildError::Url {
            url: prepared.title.clone(),
            why: fault.words,
        })
    }

    /// One with the values of an iteration.
    pub(crate) fn new(
        prepared: &Prepared,
        origin: &Origin,
        values: &Values,
    ) -> Result<Self, Fault> {
        let request = request(prepared, origin, values)?;
        let len = request_len(&request);
        Ok(Self { request, len })
    }

    /// The same once more. None for one whose body is no bytes, which none of
    /// ours is.
    pub(crate) fn again(&self) -> Option<Self> {
        Some(Self {
            request: self.request.try_clone()?,
            len: self.len,
        })
    }
}

fn request(prepared: &Prepared, origin: &Origin, values: &Values) -> Result<Request, Fault> {
    let mut scratch = origin.to_string().into_bytes();
    prepared.render_path(values, &mut scratch)?;
    let url = String::from_utf8_lossy(&scratch).into_owned();
    let url = Url::parse(&url)
        .map_err(|error| Fault::failure("request", format!("{url:?} is no URL: {error}")))?;
    let mut request = Request::new(prepared.method.clone(), url);
    let headers = request.headers_mut();
    for (name, template) in &prepared.headers {
        let value = Prepared::header_value(name, template, values, &mut scratch)?;
        headers.append(name.clone(), value);
    }
    if let Some(template) = &prepared.host {
        let value = Prepared::header_value(&header::HOST, template, values, &mut scratch)?;
        headers.insert(header::HOST, value);
    }
    if let Some(template) = &prepared.body {
        let mut body = Vec::new();
        template.render(values, prepared.body_escape, &mut body);
        if !body.is_empty() {
            *request.body_mut() = Some(Bytes::from(body).into());
            return Ok(request);
        }
    }
    // hyper says nothing of the length of what is empty.
    if prepared.body.is_some() || prepared.declares_empty_body() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    Ok(request)
}

/// What HTTP/1.1 writes for this request: its head, and its body.
fn request_len(request: &Request) -> u64 {
    let url = request.url();
    let path = url[url::Position::BeforePath..url::Position::AfterQuery].len();
    let line = request.method().as_str().len() + 1 + path + " HTTP/1.1\r\n".len();
    let headers = request.headers();
    let mut len = line + fields_len(headers) + "\r\n".len();
    if !headers.contains_key(header::HOST) {
        let host = url[url::Position::BeforeHost..url::Position::AfterPort].len();
        len += "host: \r\n".len() + host;
    }
    // One that is empty is none, and has its length among the headers.
    if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
        len += "content-length: \r\n".len() + body.len().to_string().len() + body.len();
    }
    len as u64
}

/// What HTTP/1.1 writes for the head of this answer.
fn head_len(response: &Response) -> u64 {
    let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
        Some(reason) => reason.as_bytes().len(),
        None => response.status().canonical_reason().map_or(0, str::len),
    };
    let line = "HTTP/1.1 200 \r\n".len() + reason;
    (line + fields_len(response.headers()) + "\r\n".len()) as u64
}

fn fields_len(headers: &HeaderMap) -> usize {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + ": \r\n".len() + value.len()
    };
    headers.iter().map(field).sum()
}

/// A version of HTTP as a number that an atomic can hold; 0 is none.
const fn version_code(version: Version) -> u8 {
    match version {
        Version::HTTP_10 => 10,
        Version::HTTP_11 => 11,
        Version::HTTP_2 => 20,
        Version::HTTP_3 => 30,
        _ => 9,
    }
}

/// The version that a number stands for.
pub(crate) const fn version_name(code: u8) -> Option<&'static str> {
    match code {
        0 => None,
        9 => Some("HTTP/0.9"),
        10 => Some("HTTP/1.0"),
        20 => Some("HTTP/2"),
        30 => Some("HTTP/3"),
        _ => Some("HTTP/1.1"),
    }
}

/// What an error of reqwest's counts as.
fn classify(error: &reqwest::Error, to: &str) -> Fault {
    let words = error_chain(error);
    if error.is_redirect() {
        return Fault::failure("too many redirects", words);
    }
    if error.is_builder() {
        return Fault::failure("request", words);
    }
    if error.is_dns() {
        return Fault::failure("dns", words);
    }
    let io = find::<io::Error>(error);
    if error.is_connect() {
        return match (find::<rustls::Error>(error), io) {
            (Some(_), _) => Fault::failure("tls", words),
            (None, Some(io)) if is_of_handshake(io) => Fault::failure("tls", words),
            (None, Some(io)) => Fault {
                words,
                ..Fault::connect(io, &to)
            },
            (None, None) => Fault::failure("connect", words),
        };
    }
    let lies =
        |io: &io::Error| matches!(io.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData);
    let hyper = find::<hyper::Error>(error);
    if hyper.is_some_and(hyper::Error::is_parse) || io.is_some_and(lies) {
        return Fault::protocol(words);
    }
    if let Some(io) = io {
        return Fault {
            words,
            ..Fault::broken(io, "")
        };
    }
    let is_closed = |error: &hyper::Error| {
        error.is_incomplete_message() || error.is_closed() || error.is_canceled()
    };
    if hyper.is_some_and(is_closed) {
        return Fault::unknown("connection closed", words);
    }
    Fault::unknown("protocol", words)
}

/// Whether the connection broke after it was open: hyper-rustls wraps what went wrong
/// in the handshake once more.
fn is_of_handshake(error: &io::Error) -> bool {
    let carried = error.get_ref();
    carried.is_some_and(|carried| carried.is::<io::Error>())
}

/// The first error of this kind among an error's causes. What an `io::Error`
/// carries is not its source, but one of its own.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|carried| carried as &(dyn Error + 'static));
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}
