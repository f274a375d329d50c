//! Requests by the crate reqwest, which can do everything: a client for each
//! user, and so a pool and a cookie jar for each.
//!
//! Redirects and cookies are our own: so every exchange of a chain is counted, and
//! users who want neither do not pay for them.

mod cookies;
mod fault;
mod message;
mod patience;
mod proxy;
mod redirect;
mod watch;

use std::{
    future::{Future as _, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use http::header;
use reqwest::{Client, Url, Version};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::{Exchange, alarm::Alarm};
use crate::{
    HttpVersion,
    answer::{Answer, Body},
    fault::Fault,
    prepared::Prepared,
    target::Origin,
    tls::with_own_sessions,
};
use cookies::Cookies;
use fault::{classify, is_before_sending};
use patience::{Kept, Patience};
use watch::{Watch, WatchLayer};

pub(crate) use message::Message;
pub(crate) use proxy::Proxy;

/// What the clients of all users are made of.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) version: HttpVersion,
    /// The most redirects to follow.
    pub(crate) redirects: u32,
    pub(crate) cookies: bool,
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) tls: ClientConfig,
    pub(crate) patience: Arc<Patience>,
}

/// A user with a client of its own.
pub(crate) struct ReqwestUser {
    client: Client,
    cookies: Option<Cookies>,
    /// The most redirects to follow.
    redirects: u32,
    proxy: Option<Arc<Proxy>>,
    /// Whether HTTP/2 is spoken without having been agreed upon.
    http2_only: bool,
    watch: Arc<Watch>,
    /// Taken along by a request that is under way.
    alarm: Mutex<Option<Box<Alarm>>>,
    /// The servers that the user had a connection to.
    known: Mutex<Vec<String>>,
    /// For each server of the scenario, the connection that its last answer kept.
    kept: Box<[Mutex<Option<Kept>>]>,
}

impl ReqwestUser {
    /// A user of so many servers.
    pub(crate) fn new(settings: &ClientSettings, servers: usize) -> Result<Self, reqwest::Error> {
        let watch = Watch::new(&settings.patience);
        let mut builder = Client::builder()
            // Whatever is sent is counted, and nothing is sent twice.
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // Bodies are counted as they come, whatever features others switch on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            // A task that looks for idle connections has nothing to do here.
            .pool_idle_timeout(None)
            // Shared by all users but for their sessions; a client that makes its own reads
            // every certificate of the system.
            .tls_backend_preconfigured(with_own_sessions(&settings.tls))
            .connector_layer(WatchLayer(Arc::clone(&watch)));
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
        Ok(Self {
            client: builder.build()?,
            cookies: settings.cookies.then(Cookies::default),
            redirects: settings.redirects,
            proxy: settings.proxy.clone(),
            http2_only: matches!(settings.version, HttpVersion::Http2),
            watch,
            alarm: Mutex::default(),
            known: Mutex::default(),
            kept: (0..servers).map(|_| Mutex::default()).collect(),
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
        let start = alarm.start(prepared.deadline);
        let kept = &self.kept[prepared.origin];
        let before = lock(kept).take();
        let mut progress = Progress {
            version,
            sent: AtomicU64::new(0),
            sending: AtomicU64::new(0),
            received: AtomicU64::new(0),
            redirects: Mutex::default(),
        };
        let result = if self.redirects == 0 && self.cookies.is_none() {
            alarm
                .within(self.exchange(prepared, message, before, &progress))
                .await
        } else {
            // Large, and seldom asked for.
            let followed = Box::pin(self.follow(prepared, message, before, &progress));
            alarm.within(followed).await
        };
        *lock(&self.alarm) = Some(alarm);

        let (result, now_kept) = match result {
            Some(Ok((answer, kept))) => (Ok(answer), kept),
            Some(Err(fault)) => (Err(fault), None),
            None => (
                Err(Fault::timeout(prepared.deadline, progress.phase())),
                None,
            ),
        };
        let events = self.watch.take();
        let unsent = events.cut_off || matches!(&result, Err(fault) if is_before_sending(fault));
        if !unsent {
            progress.is_sent();
        }
        let redirects = mem::take(
            progress
                .redirects
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut exchange = Exchange::new();
        exchange.sent = progress.sent.into_inner();
        exchange.received = progress.received.into_inner();
        exchange.status = result.as_ref().ok().map(|answer| answer.status);
        exchange.result = result;
        let direct = redirects.is_empty();
        let last = redirects.last();
        let stayed = last.is_none_or(|redirect| redirect.to == origin.to_string());
        let mut losses = 0;
        if !(events.connects.is_empty() && direct) {
            let told = exchange.events();
            told.reconnects = self.reconnects(origin, &redirects, events.connects.len());
            if let Some(before) = before.filter(|_| direct && told.reconnects > 0) {
                losses = before.losses + 1;
                // On several threads the client lets one go now and then, for no reason to be
                // seen; and one that has been idle for long may well be closed.
                let idle = start - before.at;
                told.lost = (losses > 1 && idle < Kept::SURELY).then_some(idle);
            }
            told.connects = events.connects;
            let statuses = redirects.into_iter().map(|redirect| redirect.status);
            told.redirects = statuses.collect();
        }
        if stayed && !prepared.closes {
            *lock(kept) = now_kept.map(|now| Kept { losses, ..now });
        }
        exchange
    }

    /// One exchange after the other, as far as answers lead, with the user's cookies.
    /// `kept` and what is returned are as for [`Self::exchange`].
    async fn follow(
        &self,
        prepared: &Prepared,
        message: Message,
        mut kept: Option<Kept>,
        progress: &Progress<'_>,
    ) -> Result<(Answer, Option<Kept>), Fault> {
        let Message { mut request, .. } = message;
        let has_cookie = request.headers().contains_key(header::COOKIE);
        let mut followed = 0;
        loop {
            // What the program says goes before what servers said.
            if let Some(cookies) = self.cookies.as_ref().filter(|_| !has_cookie) {
                match cookies.header(request.url()) {
                    Some(cookie) => request.headers_mut().insert(header::COOKIE, cookie),
                    None => request.headers_mut().remove(header::COOKIE),
                };
            }
            let message = Message::of(request);
            let Some(Message { request: again, .. }) = message.again() else {
                return self.exchange(prepared, message, kept, progress).await;
            };
            let (answer, now_kept) = self.exchange(prepared, message, kept, progress).await?;
            if let Some(cookies) = &self.cookies {
                cookies.take(answer.headers(), again.url());
            }
            if self.redirects == 0 {
                return Ok((answer, now_kept));
            }
            let Some(to) = redirect::target(answer.status, answer.headers(), again.url())? else {
                return Ok((answer, now_kept));
            };
            if followed == self.redirects {
                progress.was_redirected(answer.status, again.url());
                let words = format!("more than {followed} redirects, the last to {to}");
                return Err(Fault::failure("too many redirects", words));
            }
            progress.was_redirected(answer.status, &to);
            followed += 1;
            let stays = to.origin() == again.url().origin();
            kept = now_kept.filter(|_| stays);
            request = redirect::follow(again, answer.status, to);
        }
    }

    /// Sends a request and reads the answer to its last byte. `kept` is the connection
    /// that the last answer of the same server kept; the one that this answer keeps is
    /// returned with it.
    async fn exchange(
        &self,
        prepared: &Prepared,
        message: Message,
        kept: Option<Kept>,
        progress: &Progress<'_>,
    ) -> Result<(Answer, Option<Kept>), Fault> {
        self.watch.begin(kept);
        let Message { request, len } = message;
        progress.sends(len + self.proxy.as_ref().map_or(0, |proxy| proxy.len(&request)));
        let fault = |error: &reqwest::Error| {
            let mut fault = classify(error, &prepared.title);
            if let Some(proxy) = self.proxy.as_ref().filter(|_| error.is_connect()) {
                fault.words = format!("by the proxy {}: {}", proxy.origin, fault.words);
            }
            if self.http2_only && fault.class == "protocol" {
                fault
                    .words
                    .push_str(" (does the server speak HTTP/2, and without TLS?)");
            }
            fault
        };
        let sent = self.client.execute(request).await;
        let mut response = sent.map_err(|error| fault(&error))?;
        progress.is_sent();
        let version = version_code(response.version());
        progress.version.store(version, Ordering::Relaxed);
        progress.receives(message::head_len(&response));
        let keeps = message::keeps_connection(&response, &prepared.method);
        let status = response.status().as_u16();
        if status == 101 {
            return Err(Fault::switched());
        }
        let wanted = prepared.want.headers || self.redirects > 0 || self.cookies.is_some();
        let headers = wanted.then(|| Box::new(mem::take(response.headers_mut())));
        let mut body = Body::new(prepared.want);
        let mut waited = false;
        loop {
            let mut chunk = pin!(response.chunk());
            let chunk = poll_fn(|cx| {
                let poll = chunk.as_mut().poll(cx);
                waited |= poll.is_pending();
                poll
            });
            match chunk.await {
                Ok(Some(part)) => {
                    progress.receives(part.len() as u64);
                    body.push(&part);
                }
                Ok(None) => break,
                Err(error) => return Err(fault(&error)),
            }
        }
        let kept = keeps.then(|| Kept {
            at: Instant::now(),
            waited,
            losses: 0,
        });
        Ok((Answer::new(status, headers, body), kept))
    }

    /// How many of so many new connections took the place of another: all but
    /// the first to a server, that of a redirect's target too.
    fn reconnects(&self, origin: &Origin, redirects: &[Redirect], connects: usize) -> u64 {
        if connects == 0 {
            return 0;
        }
        let led_to = redirects.iter().map(|redirect| redirect.to.clone());
        let mut known = lock(&self.known);
        let mut firsts = 0;
        for server in std::iter::once(origin.to_string()).chain(led_to) {
            if !known.contains(&server) {
                known.push(server);
                firsts += 1;
            }
        }
        connects.saturating_sub(firsts) as u64
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far a request came; what is left of it when the deadline passes.
struct Progress<'a> {
    version: &'a AtomicU8,
    sent: AtomicU64,
    /// Bytes of a request that may be on the wire or not.
    sending: AtomicU64,
    received: AtomicU64,
    redirects: Mutex<Vec<Redirect>>,
}

/// An answer that led elsewhere.
struct Redirect {
    status: u16,
    /// The server that it led to.
    to: String,
}

impl Progress<'_> {
    fn sends(&self, bytes: u64) {
        self.sending.store(bytes, Ordering::Relaxed);
    }

    fn is_sent(&self) {
        let bytes = self.sending.swap(0, Ordering::Relaxed);
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn receives(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn was_redirected(&self, status: u16, to: &Url) {
        let to = to.origin().ascii_serialization();
        lock(&self.redirects).push(Redirect { status, to });
    }

    fn phase(&self) -> &'static str {
        match self.received.load(Ordering::Relaxed) {
            0 => "connecting, or waiting for the answer",
            _ if self.sending.load(Ordering::Relaxed) > 0 => "after a redirect",
            _ => "while the body was read",
        }
    }
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
