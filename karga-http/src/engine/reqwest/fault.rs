//! What an error of reqwest's counts as.

use std::{error::Error, io, io::ErrorKind};

use karga_core::error_chain;

use crate::fault::Fault;

/// What an error of reqwest's counts as.
pub(super) fn classify(error: &reqwest::Error, to: &str) -> Fault {
    let words = error_chain(error);
    if error.is_builder() {
        return Fault::failure("request", words);
    }
    if error.is_dns() {
        return Fault::failure("dns", words);
    }
    let io = find::<io::Error>(error);
    if error.is_connect() {
        return match (find::<rustls::Error>(error), io) {
            (Some(_), _) => Fault::of_tls(words),
            (None, Some(io)) if is_of_handshake(io) => Fault::of_tls(words),
            (None, Some(io)) => Fault {
                words,
                ..Fault::connect(io, &to)
            },
            (None, None) => Fault::failure("connect", words),
        };
    }
    let lies =
        |io: &io::Error| matches!(io.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData);
    let hyper = find::<hyper::Error>(error);
    if hyper.is_some_and(hyper::Error::is_parse) || io.is_some_and(lies) {
        return Fault::protocol(words);
    }
    if let Some(io) = io {
        return Fault {
            words,
            ..Fault::broken(io, "")
        };
    }
    let is_closed = |error: &hyper::Error| {
        error.is_incomplete_message() || error.is_closed() || error.is_canceled()
    };
    if hyper.is_some_and(is_closed) {
        return Fault::unknown("connection closed", words);
    }
    Fault::unknown("protocol", words)
}

/// Whether the connection broke after it was open: hyper-rustls wraps what went wrong
/// in the handshake once more.
fn is_of_handshake(error: &io::Error) -> bool {
    let carried = error.get_ref();
    carried.is_some_and(|carried| carried.is::<io::Error>())
}

/// The first error of this kind among an error's causes. What an `io::Error`
/// carries is not its source, but one of its own.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let carried = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|carried| carried as &(dyn Error + 'static));
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

/// Whether a fault says that there was no connection to send anything over.
pub(super) fn is_before_sending(fault: &Fault) -> bool {
    fault.class.starts_with("connect ")
        || fault.class.starts_with("connect:")
        || matches!(&*fault.class, "connect" | "dns" | "tls" | "request")
}
