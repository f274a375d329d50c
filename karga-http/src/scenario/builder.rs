use std::{
    fmt,
    sync::{Arc, atomic::AtomicU8},
    time::Duration,
};

use karga_core::{FirstErrors, Iteration};

use super::{EnginePlan, Fixed, HttpScenario, Plan, Planned};
use crate::{
    BuildError, Engine, HttpRequest, HttpVersion,
    engine::{dial::Dialer, lean, reqwest},
    prepared::{Common, Prepared, check_deadline},
    target::{Origin, basic},
    template::{Make, Names, Values},
    tls::TlsSettings,
};

/// The most redirects that can be asked for.
const MOST_REDIRECTS: u32 = 1000;

/// Describes an [`HttpScenario`].
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone)]
pub struct HttpScenarioBuilder {
    name: String,
    requests: Vec<HttpRequest>,
    headers: Vec<(String, String)>,
    variables: Vec<(String, Make)>,
    engine: Engine,
    version: HttpVersion,
    deadline: Duration,
    redirects: u32,
    cookies: bool,
    proxy: Option<String>,
    tls: TlsSettings,
    max_kept_body: usize,
    preflight: bool,
}

impl HttpScenarioBuilder {
    pub(super) fn new(first: HttpRequest) -> Self {
        Self {
            name: "http".to_owned(),
            requests: vec![first],
            headers: Vec::new(),
            variables: Vec::new(),
            engine: Engine::Auto,
            version: HttpVersion::Auto,
            deadline: Duration::from_secs(30),
            redirects: 0,
            cookies: false,
            proxy: None,
            tls: TlsSettings::default(),
            max_kept_body: 8 * 1024 * 1024,
            preflight: true,
        }
    }

    /// The name of the scenario in every report. Default: "http".
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds a request that each iteration sends after those that are there, once
    /// they have succeeded.
    pub fn then(mut self, request: impl Into<HttpRequest>) -> Self {
        self.requests.push(request.into());
        self
    }

    /// Adds a header to every request that has none of this name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Authenticates every request by user and password (RFC 7617).
    pub fn basic_auth(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.header("authorization", basic(user.as_ref(), password.as_ref()))
    }

    /// A value for templates, `{{name}}`, that is made anew for each request that
    /// uses it, and is the same wherever it stands in that request.
    ///
    /// ```
    /// use karga_http::HttpScenario;
    ///
    /// let skus = ["A-1", "B-7", "C-9"];
    /// let scenario = HttpScenario::builder("http://127.0.0.1:8080/items/{{sku}}")
    ///     .variable("sku", move |iteration| skus[iteration.index as usize % skus.len()].to_owned())
    ///     .build()?;
    /// # Ok::<(), karga_http::BuildError>(())
    /// ```
    pub fn variable(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&Iteration) -> String + Send + Sync + 'static,
    ) -> Self {
        self.variables.push((name.into(), Arc::new(make)));
        self
    }

    /// What carries the requests. Default: [`Engine::Auto`].
    pub const fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Which HTTP to speak. Default: [`HttpVersion::Auto`].
    pub const fn version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// How long a request may take, connecting included, from before it is sent
    /// to the last byte of its answer: above zero, a day at most. One that takes
    /// longer is [`Unknown`](karga_core::Outcome::Unknown), of the class
    /// "timeout". Default: 30 s.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most redirects that a request follows, 1000 at most; takes the reqwest
    /// engine. Default: 0, and an answer that redirects is the answer.
    pub const fn redirects(mut self, most: u32) -> Self {
        self.redirects = most;
        self
    }

    /// Keeps the cookies that servers set, for each user its own, over all of its
    /// iterations; takes the reqwest engine. Default: no.
    pub const fn cookies(mut self, keep: bool) -> Self {
        self.cookies = keep;
        self
    }

    /// Sends everything through this proxy, `http://user:password@host:port`, user
    /// and password if it asks for them; takes the reqwest engine. Default: none;
    /// those that the environment names are not asked.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Certificates to trust, in PEM form, beside those of the system; called
    /// again, it adds more.
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.push(pem.into());
        self
    }

    /// The certificate that users show the server, with its private key, in PEM
    /// form. Default: none.
    pub fn client_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.identity = Some(pem.into());
        self
    }

    /// Trusts every certificate, of whatever host and however old. For servers
    /// under test only. Default: no.
    pub const fn accept_invalid_certificates(mut self, accept: bool) -> Self {
        self.tls.accept_invalid = accept;
        self
    }

    /// The most bytes of a body that are kept for [checks](crate::Check) and
    /// [captures](crate::Capture); one that is longer fails them. Bodies that
    /// nobody looks at are not kept at all. Default: 8 MiB.
    pub const fn max_kept_body(mut self, bytes: usize) -> Self {
        self.max_kept_body = bytes;
        self
    }

    /// Whether each server is connected to once before the load, so that one that
    /// cannot be reached is an error of the run. Without it such a run goes
    /// through, and its summary says what failed. Where there is a
    /// [proxy](Self::proxy), that is connected to in the servers' place. Default: yes.
    pub const fn preflight(mut self, look: bool) -> Self {
        self.preflight = look;
        self
    }

    /// Checks and finishes the settings. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// A URL, header, template, check or capture that cannot be used, a setting
    /// outside of its range, or one that the chosen engine does not know.
    pub fn build(self) -> Result<HttpScenario, BuildError> {
        let deadline = check_deadline(self.deadline)?;
        if self.redirects > MOST_REDIRECTS {
            return Err(BuildError::OutOfRange {
                setting: "redirects",
                range: "1000 at most",
                value: self.redirects.to_string(),
            });
        }
        let (uses_lean, because) = self.choose()?;
        let proxy = self.proxy.as_deref().map(reqwest::Proxy::new).transpose()?;

        let later = self.requests.iter().flat_map(HttpRequest::captured_names);
        let later = later.map(str::to_owned).collect();
        let mut names = Names::new(self.variables, later)?;
        let mut origins = Vec::new();
        let common = Common {
            headers: &self.headers,
            deadline,
            max_kept_body: self.max_kept_body,
            label_all: self.requests.len() > 1,
        };
        let requests = self.requests;
        let prepared: Vec<Prepared> = requests
            .into_iter()
            .map(|request| Prepared::new(request, &common, &mut names, &mut origins))
            .collect::<Result<_, _>>()?;

        self.tls.check()?;
        let speaks_tls = origins.iter().any(|origin| origin.tls)
            || self.redirects > 0 // which may lead to whom they like
            || self.proxy.is_some();
        let version = if uses_lean {
            HttpVersion::Http1
        } else {
            self.version
        };
        let tls = Arc::new(if speaks_tls {
            self.tls.config(version.protocols())?
        } else {
            TlsSettings::unused()?
        });
        let proxy_dialer = proxy
            .as_ref()
            .map(|proxy| Dialer::new(proxy.origin.clone(), &tls))
            .transpose()?;
        let engine = if uses_lean {
            EnginePlan::Lean
        } else {
            EnginePlan::Reqwest(Box::new(reqwest::ClientSettings {
                version: self.version,
                redirects: self.redirects,
                cookies: self.cookies,
                proxy: proxy.map(Arc::new),
                tls: (*tls).clone(),
                patience: Arc::default(),
            }))
        };
        let requests = prepared
            .into_iter()
            .map(|prepared| plan(prepared, &origins, uses_lean))
            .collect::<Result<_, _>>()?;
        let dialers = origins
            .into_iter()
            .map(|origin| Dialer::new(origin, &tls))
            .collect::<Result<_, _>>()?;
        Ok(HttpScenario::new(
            self.name,
            Plan {
                requests,
                dialers,
                proxy: proxy_dialer,
                captures: names.captures(),
                variables: names.variables(),
                engine,
                because,
                preflight: self.preflight,
                deadline,
                firsts: FirstErrors::default(),
                version: AtomicU8::new(0),
            },
        ))
    }

    /// Whether the lean engine carries the requests, and what made it be the
    /// other one.
    fn choose(&self) -> Result<(bool, Option<&'static str>), BuildError> {
        let beyond_lean = [
            (self.version == HttpVersion::Http2, "HTTP/2"),
            (self.redirects > 0, "redirects"),
            (self.cookies, "cookies"),
            (self.proxy.is_some(), "a proxy"),
        ];
        let beyond_lean = beyond_lean.into_iter().find(|(asked, _)| *asked);
        match (self.engine, beyond_lean) {
            (Engine::Lean, Some((_, what))) => Err(BuildError::Engine {
                engine: "lean",
                what,
            }),
            (Engine::Lean | Engine::Auto, None) => Ok((true, None)),
            (Engine::Auto, Some((_, what))) => Ok((false, Some(what))),
            (Engine::Reqwest, _) => Ok((false, None)),
        }
    }
}

/// Makes what can be made before the load.
fn plan(prepared: Prepared, origins: &[Origin], lean: bool) -> Result<Planned, BuildError> {
    let origin = &origins[prepared.origin];
    let fixed = match (prepared.is_fixed(), lean) {
        (false, _) => Fixed::No,
        (true, true) => {
            let mut message = Vec::new();
            lean::render(&prepared, origin, &Values::none(), &mut message).map_err(|fault| {
                BuildError::Url {
                    url: prepared.title.clone(),
                    why: fault.words,
                }
            })?;
            Fixed::Lean(message.into())
        }
        (true, false) => Fixed::Reqwest(Box::new(reqwest::Message::fixed(&prepared, origin)?)),
    };
    Ok(Planned { prepared, fixed })
}

impl fmt::Debug for HttpScenarioBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpScenarioBuilder")
            .field("name", &self.name)
            .field("requests", &self.requests)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
