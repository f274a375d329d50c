//! HTTP as a load.

mod builder;
mod user;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use karga_core::{Detail, FirstErrors, Scenario};

pub use builder::HttpScenarioBuilder;
pub use user::HttpUser;

use crate::{
    Engine, HttpRequest, SetupError,
    engine::{
        alarm::Alarm,
        dial::Dialer,
        lean::{self, LeanUser, Opened},
        reqwest::{ClientSettings, Message, ReqwestUser, version_name},
    },
    prepared::Prepared,
};
use user::Carrier;

/// Sends HTTP requests: each iteration sends one, or a flow of several one after
/// the other.
///
/// A flow ends at the first request that does not succeed: the iteration's
/// outcome, class and status are those of its last request, its volume and counts
/// the sums. Each request of a flow has a row of its own, by its
/// [name](HttpRequest::name).
///
/// Response time is that of the executor, from the due time, however long a
/// server stalls: there is nothing to switch on. Answers are read to their last
/// byte and counted, and only what [checks](crate::Check) and
/// [captures](crate::Capture) look at is kept, so that a large answer takes no
/// memory.
///
/// # Connections
///
/// Each virtual user has connections of its own. With the lean engine they are
/// opened before the load begins; reqwest opens them with the first request. A
/// connection that the server closed between two requests is opened again by the
/// next one and counted as a reconnect; the time that it takes is part of that
/// request's, and its own step `connect`. Where a connection breaks with a request
/// under way, nobody knows what became of it: it is
/// [`Unknown`](karga_core::Outcome::Unknown), and never sent again. So is a request
/// that was on its way when the server closed: one that closes right after an answer,
/// without saying so, meets users who go straight on with their next request.
///
/// A user resumes its own TLS sessions when it connects again, and nobody else's.
///
/// Before the load, [`setup`](Scenario::setup) connects to each server once, so
/// that a wrong name or a refused connection is an error at once; see
/// [`preflight`](HttpScenarioBuilder::preflight).
///
/// # Classes
///
/// | class | outcome | what happened |
/// |---|---|---|
/// | `http 503` and the like | failure | a status of 400 or more, or one that a [check](crate::Check::status) does not accept |
/// | `check: header`, `check: body` | failure | a check does not hold |
/// | `capture: NAME` | failure | a capture found nothing |
/// | `connect refused`, `connect reset`, `connect unreachable`, `connect timeout`, `connect` | failure | no connection |
/// | `connect: too many open files`, `connect: no free local port` | failure | the same, for want of something on this machine |
/// | `dns` | failure | the host's name has no address |
/// | `tls` | failure | no agreement, or a certificate that is not trusted |
/// | `protocol` | failure (unknown where reqwest cannot tell) | what came is not HTTP, or lies about its length; a redirect to what is no URL of HTTP |
/// | `too many redirects` | failure | more than [asked for](HttpScenarioBuilder::redirects) |
/// | `header value`, `request` | failure | a value that cannot stand where a template puts it; nothing was sent |
/// | `timeout` | unknown | the deadline passed |
/// | `connection closed`, `connection reset` | unknown | the connection broke with the request under way |
///
/// [`remarks`](Scenario::remarks) give the first of each class in full words, and
/// what a server said first that nobody had asked.
///
/// A server that says a content length which is too small is found out by the lean
/// engine: `protocol` if the rest comes with the answer, `unsolicited_answers` if it
/// comes later. reqwest drops the rest unseen, and the connection with it. All that
/// shows then is that the user's next request has to open another one although the
/// answer before kept it open: a reconnect, and, where that comes twice in a row and
/// within a second, a remark.
///
/// ```
/// use karga_http::{Capture, Check, HttpRequest, HttpScenario};
///
/// let one = HttpScenario::builder("http://127.0.0.1:8080/items/{{index}}").build()?;
///
/// let flow = HttpScenario::builder(
///         HttpRequest::post("http://127.0.0.1:8080/login")
///             .name("login")
///             .json(&serde_json::json!({ "user": "user-{{user}}" }))
///             .capture("token", Capture::json("/token")),
///     )
///     .then(
///         HttpRequest::get("http://127.0.0.1:8080/me")
///             .name("me")
///             .header("authorization", "Bearer {{token}}")
///             .check(Check::status(200)),
///     )
///     .build()?;
///
/// assert!(HttpScenario::builder("127.0.0.1:8080").build().is_err()); // no scheme
/// # fn is_scenario(_: impl karga_core::Scenario) {}
/// # is_scenario(one);
/// # is_scenario(flow);
/// # Ok::<(), karga_http::BuildError>(())
/// ```
pub struct HttpScenario {
    name: String,
    plan: Arc<Plan>,
    /// Connections that [`Scenario::setup`] opened, for the first user.
    opened: Mutex<Vec<Option<Opened>>>,
}

/// What every user works by.
pub(crate) struct Plan {
    pub(crate) requests: Box<[Planned]>,
    /// One for each server.
    pub(crate) dialers: Box<[Dialer]>,
    /// How many captured values an iteration holds.
    pub(crate) captures: usize,
    pub(crate) variables: usize,
    pub(crate) engine: EnginePlan,
    /// Why it is this engine, if the scenario asked for something.
    pub(crate) because: Option<&'static str>,
    /// What stands between users and servers.
    pub(crate) proxy: Option<Dialer>,
    pub(crate) preflight: bool,
    /// For connecting, before the load.
    pub(crate) deadline: Duration,
    pub(crate) firsts: FirstErrors,
    /// What HTTP the last answer was, as reqwest tells.
    pub(crate) version: AtomicU8,
}

/// A request and what is made of it before the load.
pub(crate) struct Planned {
    pub(crate) prepared: Prepared,
    pub(crate) fixed: Fixed,
}

/// What does not differ from iteration to iteration is made once.
pub(crate) enum Fixed {
    /// Each iteration fills in its values.
    No,
    Lean(Bytes),
    Reqwest(Box<Message>),
}

pub(crate) enum EnginePlan {
    Lean,
    Reqwest(Box<ClientSettings>),
}

impl HttpScenario {
    /// A builder of scenarios that send this request, the first of a flow if
    /// [others](HttpScenarioBuilder::then) follow. A text is the URL of a GET.
    pub fn builder(request: impl Into<HttpRequest>) -> HttpScenarioBuilder {
        HttpScenarioBuilder::new(request.into())
    }

    fn new(name: String, plan: Plan) -> Self {
        Self {
            name,
            plan: Arc::new(plan),
            opened: Mutex::default(),
        }
    }

    /// What it sends, as "GET http://host/path": without values filled in, and without
    /// user and password.
    pub fn requests(&self) -> impl Iterator<Item = &str> {
        let requests = self.plan.requests.iter();
        requests.map(|planned| planned.prepared.title.as_str())
    }

    /// The engine that carries the requests: never [`Engine::Auto`].
    pub fn engine(&self) -> Engine {
        match &self.plan.engine {
            EnginePlan::Lean => Engine::Lean,
            EnginePlan::Reqwest(_) => Engine::Reqwest,
        }
    }
}

impl Scenario for HttpScenario {
    type Action = HttpUser;
    type Error = SetupError;

    fn name(&self) -> &str {
        &self.name
    }

    async fn setup(&self) -> Result<(), SetupError> {
        self.plan.firsts.clear();
        self.plan.version.store(0, Ordering::Relaxed);
        let mut opened = Vec::new();
        if self.plan.preflight {
            let (what, dialers) = match &self.plan.proxy {
                Some(proxy) => ("the proxy ", std::slice::from_ref(proxy)),
                None => ("", &*self.plan.dialers),
            };
            for dialer in dialers {
                let mut alarm = Alarm::new();
                alarm.start(self.plan.deadline);
                match lean::open(dialer, &mut alarm, self.plan.deadline).await {
                    Ok(connection) => opened.push(Some(connection)),
                    Err(fault) => {
                        return Err(SetupError::Unreachable {
                            class: fault.class.into_owned(),
                            origin: format!("{what}{}", dialer.origin),
                            why: fault.words,
                        });
                    }
                }
            }
        }
        if matches!(self.plan.engine, EnginePlan::Lean) {
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        }
        Ok(())
    }

    async fn connect(&self, user: u64) -> Result<HttpUser, SetupError> {
        let plan = &self.plan;
        let speaks_tls = plan.dialers.iter().any(|dialer| dialer.origin.tls);
        let own = matches!(plan.engine, EnginePlan::Lean) && speaks_tls;
        let dialers: Option<Box<[Dialer]>> =
            own.then(|| plan.dialers.iter().map(Dialer::of_user).collect());
        let carrier = match &plan.engine {
            EnginePlan::Reqwest(settings) => {
                let user = ReqwestUser::new(settings, plan.dialers.len());
                Carrier::Reqwest(user.map_err(|source| SetupError::Client {
                    source: source.into(),
                })?)
            }
            EnginePlan::Lean => {
                let lean = LeanUser::new(plan.dialers.len());
                for (server, dialer) in dialers.as_ref().unwrap_or(&plan.dialers).iter().enumerate()
                {
                    // One that cannot be had now is tried for again by the first
                    // iteration, which tells what became of it.
                    let opened = match self.take_opened(server) {
                        Some(opened) => Ok(opened),
                        None => {
                            let mut alarm = Alarm::new();
                            alarm.start(plan.deadline);
                            lean::open(dialer, &mut alarm, plan.deadline).await
                        }
                    };
                    if let Ok(opened) = opened {
                        lean.adopt(server, opened);
                    }
                }
                Carrier::Lean(lean)
            }
        };
        Ok(HttpUser::new(Arc::clone(plan), user, carrier, dialers))
    }

    async fn teardown(&self) -> Result<(), SetupError> {
        // The users have closed theirs.
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(())
    }

    /// The first error of each class since setup with its whole message, of at
    /// most 8 classes.
    fn remarks(&self) -> Vec<String> {
        self.plan.firsts.remarks()
    }

    /// Which engine carried the requests, and over which HTTP.
    fn details(&self) -> Vec<Detail> {
        let engine = match self.plan.because {
            None => self.engine().to_string(),
            Some(because) => format!("{} (for {because})", self.engine()),
        };
        let mut details = vec![Detail::new("engine", engine)];
        let version = match &self.plan.engine {
            EnginePlan::Lean => Some("HTTP/1.1"),
            EnginePlan::Reqwest(_) => version_name(self.plan.version.load(Ordering::Relaxed)),
        };
        details.extend(version.map(|version| Detail::new("protocol", version)));
        details
    }
}

impl HttpScenario {
    fn take_opened(&self, server: usize) -> Option<Opened> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get_mut(server).and_then(Option::take)
    }
}

impl fmt::Debug for HttpScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpScenario")
            .field("name", &self.name)
            .field("engine", &self.engine())
            .field("requests", &self.requests().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
