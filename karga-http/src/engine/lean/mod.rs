//! HTTP/1.1 with nothing in between: one connection for each user and server,
//! requests written in one piece, answers read where they arrive. No pool, no
//! proxy, no redirects, no cookies.

mod chunked;
mod connection;
mod head;
mod render;

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use self::connection::{Connection, Idle, Message, Stopped};
use super::{Exchange, alarm::Alarm, dial::Dialer};
use crate::{answer::Answer, fault::Fault, prepared::Prepared};

pub(crate) use self::render::render;

/// The connections of one user.
#[derive(Debug)]
pub(crate) struct LeanUser {
    /// One for each server of the scenario.
    slots: Box<[Mutex<Slot>]>,
}

/// Where a user's connection to one server is kept between requests.
#[derive(Debug, Default)]
struct Slot {
    /// Away while a request is under way. An iteration that is cut off takes it
    /// along, and so closes the connection.
    seat: Option<Box<Seat>>,
    /// Whether there was ever a connection.
    opened: bool,
}

#[derive(Debug)]
struct Seat {
    connection: Option<Connection>,
    alarm: Alarm,
    /// How long connections took to open that no iteration has told of.
    untold: Vec<Duration>,
}

impl Seat {
    fn new() -> Box<Self> {
        Box::new(Self {
            connection: None,
            alarm: Alarm::kept_elsewhere(),
            untold: Vec::new(),
        })
    }
}

/// A connection that is open, and how long that took.
#[derive(Debug)]
pub(crate) struct Opened {
    connection: Connection,
    took: Duration,
}

/// Opens a connection within the time.
pub(crate) async fn open(
    dialer: &Dialer,
    alarm: &mut Alarm,
    deadline: Duration,
) -> Result<Opened, Fault> {
    let start = Instant::now();
    match alarm.within(dialer.dial()).await {
        Some(Ok(stream)) => Ok(Opened {
            connection: Connection::new(stream),
            took: start.elapsed(),
        }),
        Some(Err(fault)) => Err(fault),
        None => {
            let phase = format!("while connecting to {}", dialer.origin);
            Err(Fault::timeout(deadline, &phase))
        }
    }
}

impl LeanUser {
    /// A user without connections to so many servers.
    pub(crate) fn new(servers: usize) -> Self {
        Self {
            slots: (0..servers).map(|_| Mutex::default()).collect(),
        }
    }

    /// Gives the user a connection before its first iteration.
    pub(crate) fn adopt(&self, server: usize, opened: Opened) {
        let mut slot = self.slot(server);
        let seat = slot.seat.get_or_insert_with(Seat::new);
        seat.connection = Some(opened.connection);
        seat.untold.push(opened.took);
        slot.opened = true;
    }

    fn slot(&self, server: usize) -> MutexGuard<'_, Slot> {
        self.slots[server]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request, opening the connection if there is none.
    pub(crate) async fn send(&self, request: &Prepared, dialer: &Dialer, bytes: &[u8]) -> Exchange {
        let (seat, opened) = {
            let mut slot = self.slot(request.origin);
            (slot.seat.take(), slot.opened)
        };
        let mut seat = seat.unwrap_or_else(Seat::new);
        seat.alarm.start(request.deadline);
        let mut exchange = Exchange::new();
        if !seat.untold.is_empty() {
            exchange.events().connects = mem::take(&mut seat.untold);
        }
        let mut reopens = opened;
        let result = seat
            .exchange(request, dialer, bytes, &mut exchange, &mut reopens)
            .await;
        exchange.status = match &result {
            Ok(answer) => Some(answer.status),
            Err(_) => None,
        };
        exchange.result = result;
        let mut slot = self.slot(request.origin);
        slot.opened |= reopens;
        // Another iteration of the same user may have been there in between.
        if slot.seat.is_none() {
            slot.seat = Some(seat);
        }
        exchange
    }
}

impl Seat {
    async fn exchange(
        &mut self,
        request: &Prepared,
        dialer: &Dialer,
        bytes: &[u8],
        exchange: &mut Exchange,
        opened: &mut bool,
    ) -> Result<Answer, Fault> {
        let message = Message {
            bytes,
            is_head: request.method == http::Method::HEAD,
            closes: request.closes,
            want: request.want,
            deadline: request.deadline,
        };
        // One that was opened for this request is not looked at: a server that closes
        // whatever it accepts would be connected to over and over.
        let mut fresh = false;
        loop {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => {
                    let new = open(dialer, &mut self.alarm, request.deadline).await?;
                    let events = exchange.events();
                    events.connects.push(new.took);
                    events.reconnects += u64::from(mem::replace(opened, true));
                    fresh = true;
                    none.insert(new.connection)
                }
            };
            if !fresh {
                let idle = connection.idle().await;
                if idle != Idle::Ready {
                    if let Idle::Unsolicited(said) = idle {
                        let events = exchange.events();
                        events.unsolicited += 1;
                        events.said = Some(said);
                    }
                    self.connection = None;
                    continue;
                }
            }
            let result = connection.exchange(message, &mut self.alarm).await;
            exchange.sent += connection.sent as u64;
            exchange.received += connection.received;
            if !connection.reusable {
                self.connection = None;
            }
            match result {
                Ok(answer) => return Ok(answer),
                // Closed between two requests, and seen only now.
                Err(Stopped::NotSent(_)) if !fresh => self.connection = None,
                Err(Stopped::NotSent(error)) => {
                    let words = format!("a fresh connection took no request: {error}");
                    return Err(Fault::failure("connect reset", words));
                }
                Err(Stopped::Fault(fault)) => return Err(fault),
            }
        }
    }
}
