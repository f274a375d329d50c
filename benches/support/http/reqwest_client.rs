//! reqwest as its documentation has it: one client that all users share.

use reqwest::{Client as Reqwest, Url};

use super::{Client, Error};

/// A handle to the shared client.
#[derive(Clone)]
pub struct ReqwestClient {
    client: Reqwest,
    url: Url,
}

impl ReqwestClient {
    /// The client; clones share its pool.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self {
            client: Reqwest::builder().build()?,
            url: url.parse()?,
        })
    }
}

impl Client for ReqwestClient {
    async fn get(&mut self) -> Result<u16, Error> {
        let response = self.client.get(self.url.clone()).send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }
}
