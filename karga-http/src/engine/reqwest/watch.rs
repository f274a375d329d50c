//! How long a client's connections take to open, which it does not tell.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::lock;

/// What happens inside of a client.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Whether there are any events: most requests have none.
    any: AtomicBool,
    events: Mutex<Events>,
}

/// What happened during a request, beside that it was sent and answered.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// How long connections took that were opened.
    pub(super) connects: Vec<Duration>,
    /// Whether one was given up before it was open.
    pub(super) cut_off: bool,
}

impl Watch {
    fn note(&self, note: impl FnOnce(&mut Events)) {
        note(&mut lock(&self.events));
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn forget_cut_off(&self) {
        if self.any.load(Ordering::Acquire) {
            lock(&self.events).cut_off = false;
        }
    }

    #[inline]
    pub(super) fn take(&self) -> Events {
        if self.any.swap(false, Ordering::Acquire) {
            mem::take(&mut *lock(&self.events))
        } else {
            Events::default()
        }
    }
}

/// Measures how long connections take to open.
#[derive(Debug, Clone)]
pub(super) struct WatchLayer(pub(super) Arc<Watch>);

impl<S> Layer<S> for WatchLayer {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched(Arc::new((Mutex::new(inner), Arc::clone(&self.0))))
    }
}

/// A connector, shared: a client clones its own for each request, whether or not
/// there is anything to connect, and a clone of reqwest's allocates.
pub(super) struct Watched<S>(Arc<(Mutex<S>, Arc<Watch>)>);

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
