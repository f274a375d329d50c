//! How a client's connections are opened: how long each takes, which the client does not
//! tell, and none beside one that comes back.

use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{task, time::Instant};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    lock,
    patience::{Kept, Patience},
};

/// What happens inside of a client.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Whether there are any events: most requests have none.
    any: AtomicBool,
    events: Mutex<Events>,
    /// The connection that the user should have.
    kept: Mutex<Option<Kept>>,
    patience: Arc<Patience>,
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
    pub(super) fn new(patience: &Arc<Patience>) -> Arc<Self> {
        Arc::new(Self {
            patience: Arc::clone(patience),
            ..Self::default()
        })
    }

    fn note(&self, note: impl FnOnce(&mut Events)) {
        note(&mut lock(&self.events));
        self.any.store(true, Ordering::Release);
    }

    /// A request begins, to a server whose last answer kept this connection.
    pub(super) fn begin(&self, kept: Option<Kept>) {
        *lock(&self.kept) = kept;
        // An iteration that was cut off may have been connecting.
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
///
/// A client that finds its pool empty opens a connection while it waits for one to come
/// back. One does come back a moment after the end of its answer, when the client's own
/// tasks have had their turn: so they are given it first. If the client takes what came
/// back it goes on connecting in a task of its own, for later; nobody here has a use for
/// that, and a server would see twice the connections.
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
    S: Service<R> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: From<io::Error>,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        lock(&self.0.0).poll_ready(cx)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let (connector, watch) = &*shared;
            let mut dialing = Dialing {
                watch,
                ended: false,
            };
            let home = task::try_id();
            let mut connecting = pin!(async {
                let kept = *lock(&watch.kept);
                if let Some(kept) = kept {
                    watch.patience.wait(kept).await;
                }
                let start = Instant::now();
                let connecting = lock(connector).call(to);
                connecting
                    .await
                    .map(|connection| (connection, start.elapsed()))
            });
            let connected = poll_fn(|cx| {
                if task::try_id() == home {
                    connecting.as_mut().poll(cx)
                } else {
                    watch.patience.restore();
                    Poll::Ready(Err(io::Error::other("a connection came back").into()))
                }
            })
            .await;
            dialing.ended = true;
            let (connection, took) = connected?;
            watch.note(|events| events.connects.push(took));
            Ok(connection)
        })
    }
}

/// A connection that is being opened.
struct Dialing<'a> {
    watch: &'a Watch,
    ended: bool,
}

impl Drop for Dialing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.watch.note(|events| events.cut_off = true);
        }
    }
}
