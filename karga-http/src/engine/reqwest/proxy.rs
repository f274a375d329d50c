//! A proxy between users and servers.

use http::header;
use karga_core::error_chain;
use reqwest::{Request, Url};

use crate::{
    BuildError,
    target::{Origin, authorization, without_password},
};

/// What stands between users and servers.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    proxy: reqwest::Proxy,
    pub(crate) origin: Origin,
    /// Bytes of the header that says to it who asks.
    authorization: usize,
}

impl Proxy {
    pub(crate) fn new(given: &str) -> Result<Self, BuildError> {
        let wrong = |why: String| BuildError::Proxy {
            url: without_password(given),
            why,
        };
        let refuse = |why: &str| wrong(format!("{why}: write http://host:port"));
        let url = Url::parse(given).map_err(|error| refuse(&error.to_string()))?;
        // reqwest goes without a proxy where it does not know the scheme.
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse(&format!("its scheme is {:?}", url.scheme())));
        }
        let origin = Origin::of(&url).map_err(wrong)?;
        let authorization = authorization(&url);
        let field = |value: String| "proxy-authorization: \r\n".len() + value.len();
        let proxy = reqwest::Proxy::all(url).map_err(|error| refuse(&error_chain(&error)))?;
        Ok(Self {
            proxy,
            origin,
            authorization: authorization.map_or(0, field),
        })
    }

    pub(crate) fn of_reqwest(&self) -> reqwest::Proxy {
        self.proxy.clone()
    }

    /// What a request has in it for the proxy, if that reads it: the server, and
    /// who asks.
    pub(crate) fn len(&self, request: &Request) -> u64 {
        let url = request.url();
        if url.scheme() != "http" {
            return 0; // it goes through a tunnel
        }
        let own = request.headers().contains_key(header::PROXY_AUTHORIZATION);
        let authorization = if own { 0 } else { self.authorization };
        (url[..url::Position::BeforePath].len() + authorization) as u64
    }
}
