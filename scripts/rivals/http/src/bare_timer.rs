//! A bare loop at a rate: what sending each request at its own time costs when nothing is kept.
//!
//! One thread sleeps in epoll, and is woken for each request by one of two timerfds, which are
//! armed in turn, one arrival ahead; and for each answer by its socket. No runtime, no histogram.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    event::epoll,
    fd::OwnedFd,
    time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec,
        clock_gettime, timerfd_create, timerfd_settime,
    },
};

use crate::load::{Done, Load};

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    filled: usize,
}

pub(crate) fn run(load: &Load, authority: &str, path: &str) -> Result<Done> {
    let rate = load.rate.context("needs --rate")?;
    ensure!(rate > 0, "--rate is 0");
    ensure!(load.connections > 0, "--connections is 0");
    let planned = u64::from(rate) * load.seconds;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n").into_bytes();

    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for number in 0..u64::from(load.connections) {
        let stream = TcpStream::connect(authority)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number);
        epoll::add(
            &poll,
            &stream,
            data,
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
        connections.push(Connection {
            stream,
            answer: vec![0; 8192],
            filled: 0,
        });
    }
    let timers = [timer()?, timer()?];
    for timer in &timers {
        let data = epoll::EventData::new_u64(u64::MAX);
        epoll::add(
            &poll,
            timer,
            data,
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
    }

    // The first is due a little later, when everything stands.
    let ahead = Duration::from_millis(1);
    let (begun, begun_at) = (Instant::now() + ahead, clock_gettime(ClockId::Monotonic));
    let due = |k: u64| Duration::from_nanos(k * 1_000_000_000 / u64::from(rate));
    let arm = |k: u64| -> Result<()> {
        let value = Timespec::try_from(ahead + due(k))?;
        let it_value = begun_at.checked_add(value).context("too far away")?;
        let spec = Itimerspec {
            it_interval: Timespec::default(),
            it_value,
        };
        timerfd_settime(&timers[(k % 2) as usize], TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    };
    arm(0)?;
    arm(1)?;

    let mut done = Done::default();
    let mut free: std::collections::VecDeque<usize> = (0..connections.len()).collect();
    let (mut armed, mut sent) = (1, 0);
    let mut events = Vec::with_capacity(64);
    while done.requests + done.failed < planned {
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let number = event.data.u64();
            if number != u64::MAX {
                let number = number as usize;
                if let Some(status) = connections[number].read()? {
                    match status {
                        200 => done.requests += 1,
                        _ => done.failed += 1,
                    }
                    free.push_back(number);
                }
            }
        }
        let now = Instant::now();
        // Each timer is armed anew when its arrival has come.
        while begun + due(armed - 1) <= now {
            armed += 1;
            arm(armed)?;
        }
        while sent < planned && begun + due(sent) <= now {
            let Some(number) = free.pop_front() else {
                break;
            };
            let written = (&connections[number].stream).write(&request)?;
            ensure!(
                written == request.len(),
                "a request was not taken as a whole"
            );
            sent += 1;
        }
    }
    done.seconds = begun.elapsed().as_secs_f64();
    Ok(done)
}

fn timer() -> Result<OwnedFd> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    Ok(timerfd_create(TimerfdClockId::Monotonic, flags)?)
}

impl Connection {
    /// Reads what is there; the status of the answer if it is whole.
    fn read(&mut self) -> Result<Option<u16>> {
        loop {
            ensure!(
                self.filled < self.answer.len(),
                "an answer is longer than 8 KiB"
            );
            match self.stream.read(&mut self.answer[self.filled..]) {
                Ok(0) => anyhow::bail!("the server closed a connection"),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            let bytes = &self.answer[..self.filled];
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(length) = head.parse(bytes)? else {
                continue;
            };
            let body = head
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let body = body.context("an answer without a length")?.value;
            let body: usize = std::str::from_utf8(body)?.parse()?;
            if self.filled >= length + body {
                self.filled = 0;
                return Ok(head.code);
            }
        }
    }
}
