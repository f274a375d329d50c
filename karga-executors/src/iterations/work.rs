//! What one user does.

use std::task::Poll;

use karga_core::{Action, Aggregate};

use super::load::{Count, Iterations};
use crate::{
    engine::{Arrival, Load, Seat},
    shard::Late,
};

/// Runs the iterations of one user to the last, or to the stop.
pub(super) async fn work<X, A>(load: &Iterations, action: X, mut seat: Seat<A, Iterations>)
where
    X: Action,
    A: Aggregate<X::Metric>,
{
    let end = load.duration();
    // Those of the warm-up are numbered after all others.
    let mut warming_up = load.total + seat.user;
    seat.begin().await;
    loop {
        seat.look_if_stale();
        if seat.is_stopped() || seat.now >= end {
            break;
        }
        let index = if seat.now < load.warm_up {
            warming_up += load.users;
            warming_up - load.users
        } else {
            match next(load, &mut seat) {
                Some(index) => index,
                None => break,
            }
        };
        let arrival = Arrival {
            index,
            due: seat.now,
            late: Late::No,
        };
        seat.run(&action, arrival, |_| Poll::Pending).await;
        seat.end_turn().await;
    }
}

/// Takes the next iteration for the user, and gives its index.
#[inline]
fn next<A>(load: &Iterations, seat: &mut Seat<A, Iterations>) -> Option<u64> {
    let rest = seat.rest.as_mut()?;
    if rest.is_empty()
        && let Count::Shared(_) = load.count
    {
        *rest = load.claim();
    }
    let k = rest.next()?;
    match load.count {
        Count::Shared(_) => Some(k),
        Count::PerUser(_) => Some(k * load.users + seat.user),
    }
}
