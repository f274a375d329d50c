//! The client's own connection, for what any broker can answer: metadata and administration.

use tokio::sync::MutexGuard;

use super::{Client, Phase, Progress, failed};
use crate::error::{Error, Tried};
use crate::wire::exclusive::Exclusive;
use crate::wire::link::CallError;
use crate::wire::message::Call;

/// One connection to whichever broker could be reached.
#[derive(Debug, Default)]
pub(crate) struct Control {
    connection: Option<Exclusive>,
    opened_before: bool,
}

impl Client {
    pub(super) async fn control(&self, progress: &Progress) -> MutexGuard<'_, Control> {
        if let Ok(control) = self.shared.control.try_lock() {
            return control;
        }
        let phase = progress.phase();
        progress.enter(Phase::Queued);
        let control = self.shared.control.lock().await;
        progress.enter(phase);
        control
    }

    /// Asks any broker something that changes nothing: when a connection that was open before
    /// turns out to be lost, the question goes over a new one.
    pub(super) async fn ask_any<C: Call>(
        &self,
        control: &mut Control,
        call: &mut C,
        progress: &Progress,
    ) -> Result<C::Answer, Error> {
        let was_open = control.connection.is_some();
        match self.call_any(control, call, progress).await {
            Err(Error::Link { .. }) if was_open => self.call_any(control, call, progress).await,
            result => result,
        }
    }

    /// Sends any broker a request, once.
    pub(super) async fn call_any<C: Call>(
        &self,
        control: &mut Control,
        call: &mut C,
        progress: &Progress,
    ) -> Result<C::Answer, Error> {
        // Taken out, so that a cancelled call leaves no connection with an answer under way.
        let mut connection = match control.connection.take() {
            Some(connection) if !connection.is_stale() => connection,
            _ => self.open_any(control, progress).await?,
        };
        match connection.call(call, progress).await {
            Ok(answered) => {
                control.connection = Some(connection);
                Ok(answered.answer)
            }
            Err(error) => {
                let keep = matches!(error, CallError::Request(_));
                let error = failed(C::API, connection.endpoint(), error);
                control.connection = keep.then_some(connection);
                Err(error)
            }
        }
    }

    /// Connects to the first broker that can be reached, the bootstrap brokers before others.
    async fn open_any(
        &self,
        control: &mut Control,
        progress: &Progress,
    ) -> Result<Exclusive, Error> {
        progress.enter(Phase::Connecting);
        let mut endpoints = self.config().bootstrap().to_vec();
        for known in self.brokers().all() {
            if !endpoints.contains(&known) {
                endpoints.push(known);
            }
        }
        let mut tried = Vec::new();
        for endpoint in endpoints {
            match self
                .shared
                .link
                .open(&endpoint, control.opened_before)
                .await
            {
                Ok(connection) => {
                    control.opened_before = true;
                    return Ok(connection);
                }
                Err(error) => tried.push((endpoint, error)),
            }
        }
        let tried = Tried(tried);
        Err(Error::Bootstrap { tried })
    }
}
