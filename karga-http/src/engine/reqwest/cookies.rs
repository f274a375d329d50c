//! The cookies of one user.

use std::sync::{Mutex, PoisonError};

use cookie_store::CookieStore;
use http::{HeaderMap, HeaderValue, header};
use reqwest::Url;

/// What servers have set, kept over all iterations of a user.
#[derive(Debug, Default)]
pub(super) struct Cookies(Mutex<CookieStore>);

impl Cookies {
    /// The value of the header `cookie` for a request to this URL.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut value = String::new();
        {
            let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, set) in store.get_request_values(url) {
                let semicolon = if value.is_empty() { "" } else { "; " };
                value.extend([semicolon, name, "=", set]);
            }
        }
        if value.is_empty() {
            return None;
        }
        HeaderValue::try_from(value).ok()
    }

    /// Keeps what an answer from this URL sets, and forgets what it takes back.
    /// One that cannot be read is none (RFC 6265, 5.2).
    pub(super) fn take(&self, headers: &HeaderMap, url: &Url) {
        for value in headers.get_all(header::SET_COOKIE) {
            if let Ok(text) = value.to_str() {
                let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                // One of another server is refused, which is as it should be.
                let _ = store.parse(text, url);
            }
        }
    }
}
